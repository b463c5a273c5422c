"""What a page of results tells of films, runs, figures and comparisons, as plain dicts and numbers."""

from collections.abc import Sequence
from typing import Any

from pneumoscope.data.manifest import SPLITS, ManifestRow
from pneumoscope.evaluation.intervals import PairedTest
from pneumoscope.evaluation.summary import GroupSummary
from pneumoscope.release.results.runs import RunRecord, multiply_adds
from pneumoscope.training.recipe import Recipe

__all__ = ["comparison_of", "cost_of", "figures_of", "films_of"]


def films_of(rows: Sequence[ManifestRow]) -> list[dict[str, Any]]:
    """Films in use, one entry per source, split and population that there is.

    Args:
        rows: of the manifest.
    """
    used = [row for row in rows if row.split is not None]
    keys = sorted(
        {(row.source, str(row.split), row.population or "unknown") for row in used},
        key=lambda key: (key[0], SPLITS.index(key[1]), key[2]),
    )
    entries = []
    for source, split, population in keys:
        films = [
            row
            for row in used
            if (row.source, row.split, row.population or "unknown") == (source, split, population)
        ]
        patients = [row.patient for row in films]
        labels = {
            label: sum(row.label == label for row in films) for label in ("PNEUMONIA", "NORMAL", "OTHER")
        }
        entries.append(
            {
                "source": source,
                "split": split,
                "population": population,
                **labels,
                "known patients": len(set(patients) - {None}),
                "films of unknown patients": patients.count(None),
            }
        )
    return entries


def cost_of(run: RunRecord, teachers: Sequence[Recipe] = ()) -> dict[str, Any]:
    """What a run cost, and on what; its teachers look at each of its films, too."""
    return {
        "entry": run.name,
        "network": run.recipe.model.name,
        "parameters": run.parameters,
        "stages": [
            {
                "size": size,
                "films": films,
                "multiply_adds": each,
                "of_teachers": sum(multiply_adds(teacher, size) for teacher in teachers),
            }
            for (size, films), each in zip(run.films_by_size, run.multiply_adds, strict=True)
        ],
        "precision": run.precision,
        "seconds": run.seconds,
        "device": run.device,
        "processes": run.processes,
        "torch": run.torch,
        "code_revision": run.code_revision,
        "epoch": run.epoch,
        "metric": run.metric,
        "average": run.recipe.selection.average,
    }


def figures_of(summary: GroupSummary, point: str) -> dict[str, Any]:
    """All metrics of a group, those at one operating point among them.

    Args:
        summary: of the group, at that operating point at least.
        point: its name.
    """
    measured = {**summary.metrics, **summary.operating_points[point].metrics}
    return {
        "films": summary.films,
        "patients": summary.patients,
        "positives": summary.positives,
        "threshold": summary.operating_points[point].threshold,
        "metrics": {name: estimate.model_dump() for name, estimate in measured.items()},
    }


def comparison_of(films: int, auc: PairedTest | None, mcnemar: float) -> dict[str, Any]:
    """A comparison film by film.

    Args:
        films: that both have scored.
        auc: difference of the AUCs, None where it is undefined.
        mcnemar: p-value of the findings.
    """
    return {
        "films": films,
        "auc": None if auc is None else auc.difference.model_dump(),
        "p_auc": None if auc is None else auc.p_value,
        "p_mcnemar": mcnemar,
    }

"""A run directory, read back: the network that training kept, and what it was trained on and with."""

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pneumoscope.errors import DataError, UsageError
from pneumoscope.image.prepare import PrepareParameters
from pneumoscope.models import Ensemble, PooledClassifier
from pneumoscope.release.provenance import training_run
from pneumoscope.runtime.provenance import TrainingRun
from pneumoscope.training import checkpoint
from pneumoscope.training.folds import Fold
from pneumoscope.training.kept_network import kept_network, read_record
from pneumoscope.training.recipe import DataChoice

__all__ = ["TrainedRun", "join_runs", "open_run"]


@dataclass(frozen=True, slots=True)
class TrainedRun:
    """What a bundle is made from.

    Attributes:
        model: in evaluation mode, on the CPU.
        architecture: its name in the registry.
        prepare: parameters that its films were prepared with.
        data: sources and targets that it was trained on.
        recipe: resolved, for the card.
        name: of the recipe.
        manifest_sha256: of the manifest that it was trained on.
        code_revision: of the code that trained it, or "unknown"; of several runs, all that there are.
        finished: training reached its end, so that the weights are those of the last stage's best epoch.
        records: what was run, for the card; one of each run that it is made from.
        weights_sha256: of its own weights; empty where there are several runs.
        started_from: SHA-256 of the weights that training started from; None where those were random or
            published.
    """

    model: PooledClassifier
    architecture: str
    prepare: PrepareParameters
    data: DataChoice
    recipe: dict[str, Any]
    name: str
    manifest_sha256: str
    code_revision: str
    finished: bool
    records: tuple[TrainingRun, ...]
    weights_sha256: str = ""
    started_from: str | None = None


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def open_run(directory: Path) -> TrainedRun:
    """Rebuild the network of one run with the weights that validation chose.

    Args:
        directory: with recipe.json, run.json and weights.safetensors.

    Raises:
        DataError: a file is missing or no JSON.
        RecipeError: the recipe is of another version.
        WeightsError: the weights are missing, damaged or of another network.
    """
    facts = read_record(directory / checkpoint.RUN)
    recipe, model = kept_network(directory)
    if not isinstance(facts.get("manifest_sha256"), str):
        raise DataError(
            f"{directory / checkpoint.RUN} names no manifest_sha256: pneumoscope train did not write it"
        )
    return TrainedRun(
        model=model,
        architecture=recipe.model.name,
        prepare=recipe.prepare,
        data=recipe.data,
        recipe=recipe.model_dump(mode="json"),
        name=recipe.name,
        manifest_sha256=facts["manifest_sha256"],
        code_revision=str(facts.get("code_revision") or "unknown"),
        finished=facts.get("finished") is True,
        records=(training_run(recipe, facts),),
        weights_sha256=_sha256(directory / checkpoint.WEIGHTS),
        started_from=(facts.get("started_from") or {}).get("weights_sha256"),
    )


def join_runs(
    runs: Sequence[TrainedRun], *, average_weights: bool = False, other_manifest: bool = False
) -> TrainedRun:
    """Several runs as one network. One run stays what it is.

    Args:
        runs: at least one.
        average_weights: one network of their size whose weights are the mean of theirs, which works where all
            started from the same weights, or one from another, and did not go far (Wortsman et al. 2022,
            "Model soups"). Otherwise an ensemble, the mean of their logits.
        other_manifest: accept that they were trained on different manifests, of different sources; the first
            one's counts as that of all.

    Raises:
        UsageError: they differ in prepare parameters or targets; in manifest or sources, unless
            `other_manifest`; for an average in network or start, too.
    """
    first, *others = runs
    if not others:
        return first
    alike: list[tuple[str, list[Any]]] = [
        ("prepare parameters", [run.prepare for run in runs]),
        ("targets", [run.data.targets for run in runs]),
    ]
    if not other_manifest:
        alike.append(("manifests", [run.manifest_sha256 for run in runs]))
        alike.append(("sources", [run.data.sources for run in runs]))
    if average_weights:
        models = [run.recipe["model"] for run in runs]
        alike.append(("networks", [(model["name"], model["options"]) for model in models]))
        alike.append(("starts (pneumoscope train --start-from)", _origins(runs)))
    for what, values in alike:
        for run, value in zip(others, values[1:], strict=True):
            if value != values[0]:
                raise UsageError(
                    f"{first.name} and {run.name} cannot be one "
                    f"{'network' if average_weights else 'ensemble'}: their {what} differ"
                )
    kind = "average" if average_weights else "ensemble"
    return TrainedRun(
        model=_averaged([run.model for run in runs])
        if average_weights
        else Ensemble([run.model for run in runs]).eval(),
        architecture=first.architecture if average_weights else "ensemble",
        prepare=first.prepare,
        data=first.data.model_copy(
            update={"sources": _all_sources(runs), "left_out_fold": _left_out_by_all(runs)}
        ),
        recipe={kind: [run.recipe for run in runs]},
        name=kind,
        manifest_sha256=first.manifest_sha256,
        code_revision=", ".join(dict.fromkeys(run.code_revision for run in runs)),
        finished=all(run.finished for run in runs),
        records=tuple(record for run in runs for record in run.records),
    )


def _all_sources(runs: Sequence[TrainedRun]) -> tuple[str, ...] | None:
    """Sources that any of the runs was trained on; None where one was trained on all there are."""
    several = [run.data.sources for run in runs]
    if None in several:
        return None
    return tuple(dict.fromkeys(source for sources in several for source in sources or ()))


def _left_out_by_all(runs: Sequence[TrainedRun]) -> Fold | None:
    """The patients that none of the runs was trained on; None where another run learnt from them."""
    folds = {run.data.left_out_fold for run in runs}
    return folds.pop() if len(folds) == 1 else None


def _origins(runs: Sequence[TrainedRun]) -> list[str]:
    """SHA-256 of the weights that each run comes from, back through those of the runs that are among them."""
    starts = {run.weights_sha256: run.started_from for run in runs}
    origins = []
    for run in runs:
        origin = run.weights_sha256
        while (start := starts.get(origin)) is not None:
            origin = start
        origins.append(origin)
    return origins


@torch.no_grad()
def _averaged(models: Sequence[PooledClassifier]) -> PooledClassifier:
    """A network whose weights, and statistics of normalisation, are the mean of those of equal networks."""
    mean = copy.deepcopy(models[0])
    states = [model.state_dict() for model in models]
    for name, value in mean.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.stack([state[name] for state in states]).mean(0))
    return mean.eval()

"""From manifest and run records to the facts that reporting guidelines want on a card."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from pneumoscope.data.fates import FATES, fate_of
from pneumoscope.data.manifest import SPLITS, ManifestRow
from pneumoscope.data.sources.contract import Source
from pneumoscope.runtime.provenance import AgeSpread, Cohort, SourceFlow, TrainingRun
from pneumoscope.training.recipe import DataChoice, Recipe

__all__ = ["cohorts", "source_flows", "training_run"]


def cohorts(
    rows: Sequence[ManifestRow], data: DataChoice, *, measured: Collection[tuple[str, str]] = ()
) -> tuple[Cohort, ...]:
    """Who is on the films that were learnt from and measured, one entry per source and split.

    Args:
        rows: of the manifest.
        data: sources and targets of the recipe; its training and validation films are learnt from.
        measured: (source, split) pairs that are measured besides; source "all" is all that were learnt from.
    """
    films: defaultdict[tuple[str, str], list[ManifestRow]] = defaultdict(list)
    learnt = {row.source for row in rows if data.sources is None or row.source in data.sources}
    for row in rows:
        if row.split is None or row.label not in data.targets:
            continue
        own = row.source in learnt and (row.split != "test" or ("all", "test") in measured)
        if own or (row.source, row.split) in measured:
            films[row.source, row.split].append(row)
    keys = sorted(films, key=lambda key: (key[0], SPLITS.index(key[1])))
    return tuple(
        _cohort(films[key], learnt=key[0] in learnt and key[1] in ("train", "validation")) for key in keys
    )


def _cohort(films: Sequence[ManifestRow], *, learnt: bool) -> Cohort:
    patients = [film.patient for film in films]
    ages = [film.age for film in films if film.age is not None]
    return Cohort(
        source=films[0].source,
        split=str(films[0].split),
        films=len(films),
        known_patients=len(set(patients) - {None}),
        films_of_unknown_patients=patients.count(None),
        labels=_counted(str(film.label) for film in films),
        populations=_counted(film.population or "unknown" for film in films),
        views=_counted(film.view or "unknown" for film in films),
        ages=_spread(ages) if ages else None,
        learnt=learnt,
    )


def _counted(words: Any) -> dict[str, int]:
    return dict(sorted(Counter(words).items()))


def _spread(ages: Sequence[float]) -> AgeSpread:
    edges = np.percentile(ages, [0, 25, 50, 75, 100]).round(1).tolist()
    return AgeSpread(
        films=len(ages),
        youngest=edges[0],
        lower_quartile=edges[1],
        median=edges[2],
        upper_quartile=edges[3],
        oldest=edges[4],
    )


def source_flows(
    rows: Sequence[ManifestRow], sources: Collection[str], facts: Mapping[str, Source]
) -> tuple[SourceFlow, ...]:
    """What became of every file of these sources, in the words of `pneumoscope.data.fates`.

    Args:
        rows: of the manifest.
        sources: names.
        facts: what sources declare, by name; a source without is a user's own.
    """
    flows = []
    for source in sorted(sources):
        found = Counter(fate_of(row) for row in rows if row.source == source)
        declared = facts.get(source)
        flows.append(
            SourceFlow(
                source=source,
                title=declared.title if declared else "",
                url=declared.url if declared else "",
                files=found.total(),
                fates={fate: found[fate] for fate, _ in FATES if found[fate]},
            )
        )
    return tuple(flows)


def training_run(recipe: Recipe, record: Mapping[str, Any]) -> TrainingRun:
    """What run.json says of a run; records of older versions say less.

    Args:
        recipe: of the run.
        record: content of run.json.
    """
    told = {key: record[key] for key in TrainingRun.model_fields.keys() & record.keys() - {"taught_by"}}
    before = record.get("started_from") or {}
    told |= {
        "recipe": recipe.name,
        "network": recipe.model.name,
        "started_from": before.get("recipe"),
        "films_seen_before": before.get("films_seen"),
        "seconds_before": before.get("seconds"),
    }
    if teachers := record.get("taught_by"):
        told |= {
            "taught_by": [teacher["recipe"] for teacher in teachers],
            "films_seen_by_teachers": sum(teacher["films_seen"] for teacher in teachers),
            "seconds_of_teachers": sum(teacher["seconds"] for teacher in teachers),
        }
    return TrainingRun.model_validate(told)

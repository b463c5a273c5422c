"""Figures of single films to figures of a source: shares and means, their intervals, and what they beat."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pneumoscope.evaluation.explanation_localisation import MAP, FilmLocalisation
from pneumoscope.evaluation.explanation_means import patient_mean
from pneumoscope.evaluation.intervals import clustered_proportion
from pneumoscope.evaluation.summary import POOLED
from pneumoscope.runtime.card import Estimate

__all__ = ["LocalisationSummary", "SizeBin", "summarise_localisation"]

_METRICS = ("pointing", "average_precision", "evidence_in_lungs")
_POINTS = (MAP, "centre")  # those that point at one place, so that a film is hit or missed
_SIZE_BINS = 4


@dataclass(frozen=True, slots=True)
class SizeBin:
    """Films whose lesions are about equally easy to hit.

    Attributes:
        films: how many.
        chance: mean chance of a point drawn inside the lungs, or on the film where the lungs are unknown.
        pointing: share of films whose hottest point lies in a lesion.
    """

    films: int
    chance: float
    pointing: Estimate


@dataclass(frozen=True, slots=True)
class LocalisationSummary:
    """All figures of one group of films.

    Attributes:
        group: name of the source, or `POOLED`.
        films: with a lesion.
        patients: that they are of.
        found: films whose finding is pneumonia.
        lesion_share: mean share of the film that is lesion.
        metrics: `pointing`, `average_precision` and `evidence_in_lungs`, each by `MAP` and stand-in, where
            defined.
        advantage: `MAP` minus each stand-in, film by film, for the same metrics.
        pointing_of_found: share of hits among the films that were found; None where none was.
        without_evidence: films whose map is nowhere positive, which have no evidence in the lungs.
        by_size: films by how easy they are to hit, the hardest first.
    """

    group: str
    films: int
    patients: int
    found: int
    lesion_share: float
    metrics: dict[str, dict[str, Estimate]]
    advantage: dict[str, dict[str, Estimate]]
    pointing_of_found: Estimate | None
    without_evidence: int
    by_size: list[SizeBin]


def summarise_localisation(films: Sequence[FilmLocalisation]) -> list[LocalisationSummary]:
    """All films pooled, then each source by itself where there are several.

    Hits have Wilson's interval at the effective number of films, means the percentiles of 2,000 draws of
    patients.

    Args:
        films: at least one.
    """
    names = sorted({film.source for film in films})
    groups = [(name, [film for film in films if film.source == name]) for name in names]
    if len(groups) > 1:
        groups.insert(0, (POOLED, list(films)))
    return [_summarise(name, group) for name, group in groups]


def _summarise(group: str, films: Sequence[FilmLocalisation]) -> LocalisationSummary:
    names = sorted({name for film in films for name in film.figures})
    metrics: dict[str, dict[str, Estimate]] = {}
    advantage: dict[str, dict[str, Estimate]] = {}
    for metric in _METRICS:
        by_name = {name: _defined(films, name, metric) for name in names}
        metrics[metric] = {
            name: _estimate(metric, name, values) for name, values in by_name.items() if values
        }
        advantage[metric] = {}
        for name, values in by_name.items():
            both = by_name[MAP].keys() & values.keys()
            if name != MAP and both:
                differences = {index: by_name[MAP][index][0] - values[index][0] for index in sorted(both)}
                patients = [films[index].patient for index in differences]
                advantage[metric][name] = patient_mean(list(differences.values()), patients)
    found = [film for film in films if film.found]
    return LocalisationSummary(
        group=group,
        films=len(films),
        patients=len({film.patient for film in films}),
        found=len(found),
        lesion_share=float(np.mean([film.lesion_share for film in films])),
        metrics=metrics,
        advantage=advantage,
        pointing_of_found=_hits(found) if found else None,
        without_evidence=sum(
            film.figures["film"].evidence_in_lungs is not None and film.figures[MAP].evidence_in_lungs is None
            for film in films
        ),
        by_size=_by_size(films),
    )


def _defined(films: Sequence[FilmLocalisation], name: str, metric: str) -> dict[int, tuple[float, str]]:
    """Value and patient of each film on which the metric of this map is defined, by the film's index."""
    values = {}
    for index, film in enumerate(films):
        value = getattr(film.figures[name], metric) if name in film.figures else None
        if value is not None:
            values[index] = (value, film.patient)
    return values


def _estimate(metric: str, name: str, values: dict[int, tuple[float, str]]) -> Estimate:
    numbers, patients = zip(*values.values(), strict=True)
    if metric == "pointing" and name in _POINTS:
        return clustered_proportion(numbers, patients)
    return patient_mean(numbers, patients)


def _hits(films: Sequence[FilmLocalisation]) -> Estimate:
    hits = [film.figures[MAP].pointing for film in films]
    return clustered_proportion(np.array(hits, dtype=float), [film.patient for film in films])


def _by_size(films: Sequence[FilmLocalisation]) -> list[SizeBin]:
    """Films in parts of equal number, by the chance to hit them without looking."""
    chance = np.array([film.figures.get("lungs", film.figures["film"]).pointing for film in films], float)
    parts = np.array_split(np.argsort(chance, kind="stable"), min(_SIZE_BINS, len(films)))
    return [
        SizeBin(len(part), float(chance[part].mean()), _hits([films[index] for index in part]))
        for part in parts
    ]

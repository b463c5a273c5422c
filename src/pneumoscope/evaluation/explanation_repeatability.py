"""Does the map stay where it is when the film changes a little? Beside it: the map of another patient."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscope.evaluation.explanation_changes import CHANGES, Change
from pneumoscope.evaluation.explanation_films import Explained, Explainer, MarkedFilm, each_film
from pneumoscope.evaluation.explanation_means import patient_mean
from pneumoscope.evaluation.explanation_similarity import partners
from pneumoscope.evaluation.intervals import clustered_proportion
from pneumoscope.evaluation.localisation import hottest_point
from pneumoscope.image.radiograph import Radiograph
from pneumoscope.runtime.card import Estimate
from pneumoscope.runtime.film import Failure

__all__ = ["ChangeSummary", "Repeat", "Repeatability", "RepeatedFilm", "measure_repeatability", "repeat_film"]

_GRID = 64  # rows and columns on which maps of films of different shape are compared


class Repeat(NamedTuple):
    """One film, changed once.

    Attributes:
        displacement: of the hottest point, brought back, as a share of the film's longest side.
        correlation: of both maps' pixels, Pearson's; of a map without any contrast 0.
        logit_change: absolute.
        finding_kept: the finding is the same.
    """

    displacement: float
    correlation: float
    logit_change: float
    finding_kept: bool


@dataclass(frozen=True, slots=True, eq=False)
class RepeatedFilm:
    """One film under every change.

    Attributes:
        path: of the file.
        patient: equal for films of one patient.
        repeats: by name of the change.
        point: hottest point, (row, column) as shares of the longest side.
        small: the map on a small grid, (64, 64) float32.
    """

    path: str
    patient: str
    repeats: dict[str, Repeat]
    point: tuple[float, float]
    small: NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChangeSummary:
    """One change over all films.

    Attributes:
        name: of the change.
        kind: of the change.
        displacement: mean.
        displacement_median: half of the films moved less.
        displacement_90: nine in ten moved less, percentile.
        correlation: mean.
        logit_change: mean of the absolute change; None between films of different patients.
        finding_kept: share of films; None between films of different patients.
    """

    name: str
    kind: str
    displacement: Estimate
    displacement_median: float
    displacement_90: float
    correlation: Estimate
    logit_change: Estimate | None = None
    finding_kept: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Repeatability:
    """All changes.

    Attributes:
        films: how many.
        patients: that they are of.
        changes: in the order of `CHANGES`.
        other_patients: the same figures between films of different patients: what no change at all would have
            to beat.
    """

    films: int
    patients: int
    changes: list[ChangeSummary]
    other_patients: ChangeSummary | None


def repeat_film(
    radiograph: Radiograph, explain: Explainer, changes: Sequence[Change] = CHANGES
) -> tuple[Explained, dict[str, Repeat]]:
    """Explain a film, then every change of it.

    Args:
        radiograph: the film.
        explain: scores a film and says where.
        changes: to try.

    Returns:
        The film's own explanation, and what every change did, by its name.

    Raises:
        FilmError: the film, or a change of it, cannot be scored.
    """
    first = explain(radiograph)
    heatmap = first.heatmap
    row, column = hottest_point(heatmap)
    longest = max(heatmap.shape)
    repeats = {}
    for change in changes:
        again = explain(replace(radiograph, pixels=change.pixels(radiograph.pixels)))
        back_row, back_column = change.move.point_back(hottest_point(again.heatmap), heatmap.shape)
        repeats[change.name] = Repeat(
            displacement=float(np.hypot(back_row - row, back_column - column)) / longest,
            correlation=_correlation(heatmap, change.move.map_back(again.heatmap)),
            logit_change=abs(again.logit - first.logit),
            finding_kept=again.finding == first.finding,
        )
    return first, repeats


def measure_repeatability(
    films: Sequence[MarkedFilm],
    explain: Explainer,
    changes: Sequence[Change] = CHANGES,
    *,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[Repeatability, list[Failure]]:
    """Change every film in every way.

    Args:
        films: to change.
        explain: scores a film and says where.
        changes: to try.
        workers: threads; None for one per core.
        progress: told how many films are done, after each.

    Returns:
        The figures, and the films that failed.

    Raises:
        DataError: not one film is left.
    """

    def one(film: MarkedFilm, radiograph: Radiograph) -> RepeatedFilm:
        first, repeats = repeat_film(radiograph, explain, changes)
        row, column = hottest_point(first.heatmap)
        longest = max(first.heatmap.shape)
        small = Image.fromarray(np.array(first.heatmap)).resize((_GRID, _GRID), Image.Resampling.BOX)
        return RepeatedFilm(
            str(film.path), film.patient, repeats, (row / longest, column / longest), np.asarray(small)
        )

    repeated, failures = each_film(films, one, workers=workers, progress=progress)
    names = [film.patient for film in repeated]
    report = Repeatability(
        films=len(repeated),
        patients=len(set(names)),
        changes=[
            _summarise(change.name, change.kind, [film.repeats[change.name] for film in repeated], names)
            for change in changes
        ],
        other_patients=_other_patients(repeated, names),
    )
    return report, failures


def _correlation(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Pearson's, over the pixels that both have; 0 where one of them is flat."""
    both = np.isfinite(first) & np.isfinite(second)
    one, other = first[both].astype(np.float64), second[both].astype(np.float64)
    if one.size == 0 or np.ptp(one) == 0.0 or np.ptp(other) == 0.0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _summarise(name: str, kind: str, repeats: Sequence[Repeat], patients: Sequence[str]) -> ChangeSummary:
    displacement, correlation, logit_change, kept = (
        np.array(column, dtype=np.float64) for column in zip(*repeats, strict=True)
    )
    return ChangeSummary(
        name=name,
        kind=kind,
        displacement=patient_mean(displacement, patients),
        displacement_median=float(np.median(displacement)),
        displacement_90=float(np.percentile(displacement, 90)),
        correlation=patient_mean(correlation, patients),
        logit_change=patient_mean(logit_change, patients),
        finding_kept=clustered_proportion(kept, patients),
    )


def _other_patients(films: Sequence[RepeatedFilm], patients: Sequence[str]) -> ChangeSummary | None:
    """Each film with a few films of other patients; None where all films are of one patient."""
    chosen = partners(patients)
    if chosen is None:
        return None
    repeats = []
    for film, others in zip(films, chosen, strict=True):
        distances = [np.hypot(*np.subtract(film.point, films[other].point)) for other in others]
        alike = [_correlation(film.small, films[other].small) for other in others]
        repeats.append((float(np.mean(distances)), float(np.mean(alike))))
    distance, correlation = np.array(repeats).T
    return ChangeSummary(
        name="film of another patient",
        kind="other patient",
        displacement=patient_mean(distance, patients),
        displacement_median=float(np.median(distance)),
        displacement_90=float(np.percentile(distance, 90)),
        correlation=patient_mean(correlation, patients),
    )

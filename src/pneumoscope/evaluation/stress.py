"""The stress test of a bundle: does it keep its score where it must, and lose it where it must?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pneumoscope.errors import DataError, FilmError, RejectedFilmError
from pneumoscope.evaluation.films import LabelledFilm
from pneumoscope.evaluation.intervals import (
    PairedTest,
    auc_interval,
    clustered_proportion,
    delong_test,
    patient_bootstrap,
)
from pneumoscope.evaluation.metrics import distance_from_prevalence
from pneumoscope.evaluation.scoring import each_film
from pneumoscope.evaluation.summary import groups_of
from pneumoscope.evaluation.variants import VARIANTS, FindLungs, Variant
from pneumoscope.image.guard import Guard
from pneumoscope.image.prepare import film_inside
from pneumoscope.image.radiograph import Radiograph
from pneumoscope.image.read import read
from pneumoscope.runtime.card import Estimate
from pneumoscope.runtime.predictor import Predictor

__all__ = ["Answers", "StressResult", "StressedFilms", "stress_films", "summarise_stress"]


@dataclass(frozen=True, slots=True)
class Answers:
    """What a bundle says of some films, all of one group.

    Attributes:
        auc: None where films of one label, or patients with it, are too few.
        mean: of the calibrated probability.
        distance: mean distance of the probability from the share of pneumonia among the films.
        findings: by operating point, share of films found to have pneumonia.
        refused: share of films that the bundle's guard refuses; None where it has no guard.
    """

    auc: Estimate | None
    mean: float
    distance: Estimate
    findings: dict[str, Estimate]
    refused: float | None


@dataclass(frozen=True, slots=True)
class StressResult:
    """One change of the films of one group; `before` and `after` are of the same films.

    Attributes:
        group: name of the source, or `POOLED`.
        variant: key of the change.
        title: the same in words.
        kind: "geometry" or "evidence".
        films: changed and scored.
        positives: of them.
        blank: films that the change left blank, which no bundle scores.
        before: of the films as they are.
        after: of the changed ones.
        difference: AUC after minus before, DeLong's test with patients as clusters; None where undefined.
    """

    group: str
    variant: str
    title: str
    kind: str
    films: int
    positives: int
    blank: int
    before: Answers
    after: Answers
    difference: PairedTest | None


@dataclass(frozen=True, slots=True, eq=False)
class StressedFilms:
    """N films in V states; row 0 is the film as it is, the others are `variants` in order.

    Attributes:
        variants: V - 1 changes.
        targets: (N,) bool.
        patients: (N,) str.
        sources: (N,) str.
        probabilities: (V, N) calibrated; NaN where a change does not apply or leaves a blank film.
        blank: (V, N) bool.
        refused: (V, N) bool by the bundle's guard; None where it has none.
        lungs: (N,) how they were found.
    """

    variants: tuple[Variant, ...]
    targets: NDArray[np.bool_]
    patients: NDArray[np.str_]
    sources: NDArray[np.str_]
    probabilities: NDArray[np.float64]
    blank: NDArray[np.bool_]
    refused: NDArray[np.bool_] | None
    lungs: NDArray[np.str_]


class _State(NamedTuple):
    probability: float
    blank: bool
    refused: bool


class _Stressed(NamedTuple):
    states: list[_State]
    lungs: str


_ABSENT = _State(float("nan"), False, False)


def stress_films(
    predictor: Predictor,
    films: Sequence[LabelledFilm],
    find_lungs: FindLungs,
    *,
    variants: Sequence[Variant] = VARIANTS,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> StressedFilms:
    """Score every film as it is and changed; a film that cannot be read is left out.

    Args:
        predictor: without its guard, so that a changed film gets a number; what the guard would say is noted.
        films: with their truth.
        find_lungs: where the lungs of a film are.
        variants: the changes.
        workers: threads; None for one per core.
        progress: told how many films are done.

    Raises:
        DataError: not one film could be scored.
    """
    guard, parameters = predictor.bundle.guard, predictor.bundle.card.prepare

    def score(film: Radiograph) -> _State:
        try:
            probability = predictor.score(film).probability
        except RejectedFilmError:
            return _State(float("nan"), True, guard is not None)
        return _State(probability, False, _refuses(guard, film.part(*film_inside(film, parameters))))

    def work(film: LabelledFilm) -> _Stressed | None:
        try:
            radiograph = read(film.path)
        except FilmError:
            return None
        unchanged = score(radiograph)
        if unchanged.blank:
            return None
        lungs = find_lungs(radiograph)
        states = [unchanged]
        for variant in variants:
            pixels = variant.make(radiograph.pixels, lungs)
            states.append(_ABSENT if pixels is None else score(replace(radiograph, pixels=pixels)))
        return _Stressed(states, lungs.origin)

    results = each_film(work, films, workers=workers, progress=progress)
    kept = [(film, result) for film, result in zip(films, results, strict=True) if result is not None]
    if not kept:
        raise DataError(f"none of {len(films)} films could be scored")
    states = [[result.states[row] for _, result in kept] for row in range(len(variants) + 1)]
    return StressedFilms(
        variants=tuple(variants),
        targets=np.array([film.target for film, _ in kept], dtype=bool),
        patients=np.array([film.patient for film, _ in kept], dtype=str),
        sources=np.array([film.source for film, _ in kept], dtype=str),
        probabilities=np.array([[state.probability for state in row] for row in states]),
        blank=np.array([[state.blank for state in row] for row in states]),
        refused=None if guard is None else np.array([[state.refused for state in row] for row in states]),
        lungs=np.array([result.lungs for _, result in kept], dtype=str),
    )


def _refuses(guard: Guard | None, film: Radiograph) -> bool:
    if guard is None:
        return False
    try:
        guard.check(film)
    except RejectedFilmError:
        return True
    return False


def summarise_stress(films: StressedFilms, thresholds: Mapping[str, float]) -> list[StressResult]:
    """Every change of all films pooled, then of each source; changes that apply to none are left out.

    Args:
        films: as scored.
        thresholds: by operating point.
    """
    results = []
    for group, inside in groups_of(films.sources):
        for row, variant in enumerate(films.variants, start=1):
            scored = np.flatnonzero(inside & np.isfinite(films.probabilities[row]))
            if scored.size == 0:
                continue
            before, after = films.probabilities[0, scored], films.probabilities[row, scored]
            targets, patients = films.targets[scored], films.patients[scored]
            with_and_without = [np.unique(patients[targets == label]).size for label in (True, False)]
            results.append(
                StressResult(
                    group=group,
                    variant=variant.name,
                    title=variant.title,
                    kind=variant.kind,
                    films=scored.size,
                    positives=int(targets.sum()),
                    blank=int(films.blank[row, inside].sum()),
                    before=_answers(films, 0, scored, thresholds),
                    after=_answers(films, row, scored, thresholds),
                    difference=delong_test(targets, after, before, patients)
                    if min(with_and_without) > 1
                    else None,
                )
            )
    return results


def _answers(
    films: StressedFilms, row: int, scored: NDArray[np.intp], thresholds: Mapping[str, float]
) -> Answers:
    targets, patients, p = films.targets[scored], films.patients[scored], films.probabilities[row, scored]
    with_and_without = [np.unique(patients[targets == label]).size for label in (True, False)]
    return Answers(
        auc=auc_interval(targets, p, patients) if min(with_and_without) > 1 else None,
        mean=float(p.mean()),
        distance=patient_bootstrap(distance_from_prevalence, targets, p, patients),
        findings={
            name: clustered_proportion(p >= threshold, patients) for name, threshold in thresholds.items()
        },
        refused=None if films.refused is None else float(films.refused[row, scored].mean()),
    )

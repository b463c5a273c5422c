"""Do a bundle's thresholds carry over? What each promised, and what it gives on other films."""

from collections.abc import Mapping
from dataclasses import dataclass

from pneumoscope.errors import DataError
from pneumoscope.evaluation.intervals import independent_difference
from pneumoscope.evaluation.operating_points import choose_operating_points, measure_operating_point
from pneumoscope.evaluation.scoring import Scores
from pneumoscope.evaluation.summary import groups_of
from pneumoscope.runtime.card import Estimate, OperatingPoint, OperatingPointName

__all__ = ["CarryOver", "Promise", "carry_over"]

# With fewer films of a label, a threshold of a source's own is chance.
_LEAST_FILMS = 30


@dataclass(frozen=True, slots=True)
class Promise:
    """A rate as promised, as found, and the difference."""

    promised: Estimate
    found: Estimate
    shift: Estimate


@dataclass(frozen=True, slots=True)
class CarryOver:
    """One threshold on one group of films.

    Attributes:
        operating_point: its name.
        group: name of the source, or `POOLED`.
        threshold: the bundle's.
        split: that the promise was measured on.
        sensitivity: promised, found, and found minus promised.
        specificity: the same.
        own_threshold: what the rule that chose the bundle's would have chosen on these films; it shows how
            far their scores are shifted, and is not to be used. None where they are too few.
    """

    operating_point: OperatingPointName
    group: str
    threshold: float
    split: str
    sensitivity: Promise
    specificity: Promise
    own_threshold: float | None


def _promise(promised: Estimate, found: Estimate) -> Promise:
    return Promise(promised, found, independent_difference(found, promised))


def carry_over(scores: Scores, points: Mapping[OperatingPointName, OperatingPoint]) -> list[CarryOver]:
    """How sensitivity and specificity shift from the films a threshold was measured on to these.

    The intervals take the two for films of different patients; on the very films that the thresholds were
    chosen on they are too wide. Groups without films of both labels are left out.

    Args:
        scores: of at least one film.
        points: of the bundle's card.
    """
    found = []
    for group, inside in groups_of(scores.sources):
        targets, probabilities = scores.targets[inside], scores.probabilities[inside]
        patients = scores.patients[inside]
        if targets.all() or not targets.any():
            continue
        own: Mapping[OperatingPointName, OperatingPoint] = {}
        if min(targets.sum(), (~targets).sum()) >= _LEAST_FILMS:
            try:
                own = choose_operating_points(probabilities, targets, patients, split=group)
            except DataError:  # scores that leave no threshold: nothing can be said
                own = {}
        for name, point in points.items():
            here = measure_operating_point(point.threshold, probabilities, targets, patients, split=group)
            found.append(
                CarryOver(
                    operating_point=name,
                    group=group,
                    threshold=point.threshold,
                    split=point.split,
                    sensitivity=_promise(point.sensitivity, here.sensitivity),
                    specificity=_promise(point.specificity, here.specificity),
                    own_threshold=own[name].threshold if name in own else None,
                )
            )
    return found

"""What decides the finding: a threshold, and the sensitivity and specificity it was measured to have."""

from bisect import bisect_left
from dataclasses import dataclass

from pneumoscope.errors import UsageError
from pneumoscope.runtime.card import Card, Estimate

__all__ = ["OWN_THRESHOLD", "Bounds", "Rule", "own_rule", "point_rule"]

OWN_THRESHOLD = "own threshold"

_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class Bounds:
    """A rate that was not measured itself, but lies between two that were."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Rule:
    """A threshold on the calibrated probability, and what it gave.

    Attributes:
        name: of the operating point, or `OWN_THRESHOLD`.
        threshold: from which on a film is called positive.
        sensitivity: as measured, or between what was measured below and above the threshold.
        specificity: likewise.
        split: the films that it was measured on.
        between: operating points that the rates lie between, or the one below or above which they lie;
            empty where they were measured themselves.
    """

    name: str
    threshold: float
    sensitivity: Estimate | Bounds
    specificity: Estimate | Bounds
    split: str
    between: tuple[str, ...] = ()


def point_rule(card: Card, name: str) -> Rule:
    """The rule of an operating point.

    Raises:
        UsageError: the card has none of that name.
    """
    for each, point in card.operating_points.items():
        if each == name:
            return Rule(name, point.threshold, point.sensitivity, point.specificity, point.split)
    raise UsageError(
        f"there is no operating point {name!r}: choose one of {', '.join(card.operating_points)}"
    )


def own_rule(card: Card, threshold: float) -> Rule:
    """The rule of any threshold, with nothing on it that was not measured.

    Where the card's curve has the threshold, its rates stand. Else they lie between those of the neighbouring
    operating points: on the same films, sensitivity never rises with the threshold, and specificity never
    falls.

    Args:
        card: of the bundle.
        threshold: on the calibrated probability, between 0 and 1.
    """
    curve = card.curve
    if curve is not None:
        at = bisect_left(curve.thresholds, threshold - _SAME)
        if at < len(curve.thresholds) and abs(curve.thresholds[at] - threshold) <= _SAME:
            return Rule(OWN_THRESHOLD, threshold, curve.sensitivity[at], curve.specificity[at], curve.split)
    points = sorted(card.operating_points.items(), key=lambda item: item[1].threshold)
    below = [item for item in points if item[1].threshold <= threshold]
    above = [item for item in points if item[1].threshold > threshold]
    lower = below[-1] if below else None
    upper = above[0] if above else None
    return Rule(
        OWN_THRESHOLD,
        threshold,
        Bounds(upper[1].sensitivity.value if upper else 0.0, lower[1].sensitivity.value if lower else 1.0),
        Bounds(lower[1].specificity.value if lower else 0.0, upper[1].specificity.value if upper else 1.0),
        points[0][1].split,
        tuple(str(item[0]) for item in (lower, upper) if item),
    )

"""Three thresholds on the calibrated probability, chosen on validation films and nowhere else.

- screening: sensitivity of at least 0.95 at the highest specificity;
- balanced: where sensitivity and specificity cross;
- rule-in: specificity of at least 0.95 at the highest sensitivity.

The crossing, not Youden's J: when both rates are near 1 the maximum of J is flat and jumps from one sample of
films to the next, while the crossing is one point, where a falling and a rising rate meet and neither pays
for the other; and it always lies between the other two.

A model that meets both targets at one threshold would place "screening" above "rule-in". The two then change
places: every threshold between them keeps both promises, screening takes the most sensitive of these and
rule-in the most specific.

A threshold carries over only to films like those of validation. On the Kermany set, thresholds fixed on
held-out training children are known to lose a third of the specificity on the official test: that is a shift
of the films, which no choice on validation can see. Read the card's evaluations per source.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pneumoscope.errors import DataError
from pneumoscope.evaluation.intervals import clustered_proportion
from pneumoscope.runtime.card import Curve, OperatingPoint, OperatingPointName

__all__ = ["choose_operating_points", "measure_curve", "measure_operating_point"]

FloatArray = NDArray[np.float64]

TARGET = 0.95
_PERCENTS = tuple(percent / 100 for percent in range(1, 100))


class _Candidates(NamedTuple):
    """Thresholds in rising order, and the rates at each: all (D + 1,)."""

    thresholds: FloatArray
    sensitivity: FloatArray
    specificity: FloatArray


def _candidates(positive: NDArray[np.bool_], probabilities: FloatArray, weights: FloatArray) -> _Candidates:
    """One threshold between each two neighbouring scores, one below all and one above all."""
    scores, place = np.unique(probabilities, return_inverse=True)
    below, above = np.concatenate(([0.0], scores)), np.concatenate((scores, [1.0]))
    middle = (below + above) / 2.0
    thresholds = np.where(middle > below, middle, above)  # of adjacent floats the upper one separates
    missed = np.concatenate(([0.0], np.cumsum(np.bincount(place, weights * positive, scores.size))))
    spared = np.concatenate(([0.0], np.cumsum(np.bincount(place, weights * ~positive, scores.size))))
    possible = (thresholds > 0.0) & (thresholds < 1.0)
    return _Candidates(
        thresholds[possible],
        (1.0 - missed / missed[-1])[possible],
        (spared / spared[-1])[possible],
    )


def _best(allowed: NDArray[np.bool_], first: FloatArray, second: FloatArray) -> int:
    """Index of the greatest `first` among the allowed, ties broken by the greatest `second`."""
    indices = np.flatnonzero(allowed)
    return int(indices[np.lexsort((second[indices], first[indices]))[-1]])


def measure_operating_point(
    threshold: float,
    probabilities: ArrayLike,
    labels: ArrayLike,
    patients: ArrayLike | None = None,
    *,
    split: str,
) -> OperatingPoint:
    """Sensitivity and specificity of a fixed threshold, with 95 % intervals that count patients, not films.

    Args:
        threshold: on the calibrated probability; a film at or above it is PNEUMONIA.
        probabilities: (N,) calibrated.
        labels: (N,) bool or 0/1, both present.
        patients: (N,) names, or None where every film is another patient.
        split: what the films are, for the record.

    Raises:
        DataError: films of one label are missing.
    """
    p, positive = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=bool)
    if positive.all() or not positive.any():
        raise DataError(f"{split}: an operating point needs films of both labels")
    names = np.arange(p.size).astype(str) if patients is None else np.asarray(patients, dtype=str)
    found = p >= threshold
    return OperatingPoint(
        threshold=threshold,
        sensitivity=clustered_proportion(found[positive], names[positive]),
        specificity=clustered_proportion(~found[~positive], names[~positive]),
        split=split,
    )


def measure_curve(
    probabilities: ArrayLike,
    labels: ArrayLike,
    patients: ArrayLike | None = None,
    *,
    split: str,
    thresholds: Sequence[float] = _PERCENTS,
) -> Curve:
    """Sensitivity and specificity at many thresholds, each as `measure_operating_point` measures it.

    Args:
        probabilities: (N,) calibrated.
        labels: (N,) bool or 0/1, both present.
        patients: (N,) names, or None where every film is another patient.
        split: what the films are, for the record.
        thresholds: rising; by default every whole percent.

    Raises:
        DataError: films of one label are missing.
    """
    points = [
        measure_operating_point(threshold, probabilities, labels, patients, split=split)
        for threshold in thresholds
    ]
    return Curve(
        split=split,
        thresholds=tuple(thresholds),
        sensitivity=tuple(point.sensitivity for point in points),
        specificity=tuple(point.specificity for point in points),
    )


def choose_operating_points(
    probabilities: ArrayLike,
    labels: ArrayLike,
    patients: ArrayLike | None = None,
    *,
    split: str = "validation",
    weights: ArrayLike | None = None,
) -> dict[OperatingPointName, OperatingPoint]:
    """Screening, balanced and rule-in thresholds, each midway between neighbouring scores.

    Args:
        probabilities: (N,) calibrated, of validation films, 0 to 1.
        labels: (N,) bool or 0/1, both present.
        patients: (N,) names, or None.
        split: what the films are, for the record.
        weights: (N,) for the choice only, for example `balanced_weights(sources, labels)` so that no large
            source decides alone; the rates on record are always plain shares of films.

    Returns:
        the three points, thresholds rising from screening to rule-in.

    Raises:
        DataError: no film, one label missing, a probability outside [0, 1], or all scores equal.
    """
    p, positive = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=bool)
    w = np.ones_like(p) if weights is None else np.asarray(weights, dtype=np.float64)
    if not p.shape == positive.shape == w.shape or p.ndim != 1:
        raise DataError(f"{split}: {p.shape} probabilities, {positive.shape} labels and {w.shape} weights")
    if not ((p >= 0.0) & (p <= 1.0)).all():
        raise DataError(f"{split}: a probability lies outside 0 to 1")
    if positive.all() or not positive.any():
        raise DataError(f"{split}: an operating point needs films of both labels")
    if np.unique(p).size < 2:
        raise DataError(f"{split}: all {p.size} films have one score; the model has learnt nothing")
    thresholds, sensitivity, specificity = _candidates(positive, p, w)
    tolerance = 1e-12  # weighted shares add up to 0.95 only nearly
    if sensitivity[0] < TARGET - tolerance or specificity[-1] < TARGET - tolerance:
        raise DataError(f"{split}: scores of 0 or 1 leave no threshold with a rate of {TARGET}")
    sensitive = _best(sensitivity >= TARGET - tolerance, specificity, sensitivity)
    specific = _best(specificity >= TARGET - tolerance, sensitivity, specificity)
    everywhere = np.ones(thresholds.size, dtype=bool)
    crossing = _best(everywhere, -np.abs(sensitivity - specificity).round(12), sensitivity + specificity)
    first, last = min(sensitive, specific), max(sensitive, specific)
    chosen: dict[OperatingPointName, int] = {
        "screening": first,
        "balanced": min(max(crossing, first), last),
        "rule-in": last,
    }
    return {
        name: measure_operating_point(float(thresholds[index]), p, positive, patients, split=split)
        for name, index in chosen.items()
    }

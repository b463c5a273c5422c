"""How good scores and findings are: pure functions of arrays, numpy only.

Every metric takes frequency weights, one row per bootstrap resample, and then returns one value per row:
this is what makes the patient bootstrap in `intervals` a handful of array operations for any metric. Where a
metric is undefined (no positive film, say) it is nan, never a made-up number.
"""

from collections.abc import Callable
from functools import wraps
from typing import Protocol, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Metric",
    "accuracy",
    "auc",
    "average_precision",
    "brier",
    "distance_from_prevalence",
    "expected_calibration_error",
    "f1",
    "precision_recall_points",
    "roc_points",
    "sensitivity",
    "specificity",
]

FloatArray = NDArray[np.float64]
_Implementation = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]

ECE_BINS = 15


class Metric(Protocol):
    """A number that says how well `values` agree with `labels`.

    Args of a call:
        labels: (N,) bool or 0/1; 1 is PNEUMONIA.
        values: (N,) scores, probabilities or findings, as the metric says.
        weights: None, (N,) or (R, N) frequency weights, not negative.

    Returns:
        a float, or (R,) float64 where the weights have a row per resample; nan where undefined.

    Raises:
        ValueError: shapes differ, a value is not finite, or a label is neither 0 nor 1.
    """

    __name__: str

    @overload
    def __call__(self, labels: ArrayLike, values: ArrayLike, weights: None = None) -> float: ...
    @overload
    def __call__(self, labels: ArrayLike, values: ArrayLike, weights: FloatArray) -> FloatArray: ...


def _checked(labels: ArrayLike, values: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Both as (N,) float64, or ValueError."""
    truth = np.asarray(labels, dtype=np.float64)
    numbers = np.asarray(values, dtype=np.float64)
    if truth.ndim != 1 or truth.shape != numbers.shape:
        raise ValueError(f"labels {truth.shape} and values {numbers.shape} must be of one length")
    if not np.isin(truth, (0.0, 1.0)).all():
        raise ValueError("labels must be 0 or 1")
    if not np.isfinite(numbers).all():
        raise ValueError("values must be finite")
    return truth, numbers


def _metric(implementation: _Implementation) -> Metric:
    """Check the arrays, fill in weights of one, and return a float where there is one row."""

    @wraps(implementation)
    def call(labels: ArrayLike, values: ArrayLike, weights: FloatArray | None = None) -> float | FloatArray:
        truth, numbers = _checked(labels, values)
        if weights is None:
            return float(implementation(truth, numbers, np.ones_like(truth)))
        if weights.shape[-1:] != truth.shape:
            raise ValueError(f"weights {weights.shape} must end in the number of films, {truth.size}")
        return implementation(truth, numbers, np.asarray(weights, dtype=np.float64))

    return call  # type: ignore[return-value]  # overloads of a closure cannot be spelt


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Quotient of two (...,) arrays, nan where the denominator is 0."""
    result: FloatArray = np.full(np.shape(denominator), np.nan)
    np.divide(numerator, denominator, out=result, where=np.asarray(denominator) > 0)
    return result


def _steps(labels: FloatArray, scores: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weight of true and false positives as the threshold falls, one step per distinct score.

    Returns:
        two (..., D) arrays: cumulative weight of positives and of negatives at or above each distinct score.
    """
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(scores[order])), order.size - 1)
    true_positives = np.cumsum((weights * labels)[..., order], axis=-1)[..., last_of_tie]
    false_positives = np.cumsum((weights * (1.0 - labels))[..., order], axis=-1)[..., last_of_tie]
    return true_positives, false_positives


@_metric
def auc(labels: FloatArray, scores: FloatArray, weights: FloatArray) -> FloatArray:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counted half.

    `values` are scores on any scale. Source: Hanley & McNeil 1982; trapezoids over distinct scores.

    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    if labels.size == 0:
        return np.full(weights.shape[:-1], np.nan)
    true_positives, false_positives = _steps(labels, scores, weights)
    width = np.diff(false_positives, axis=-1, prepend=0.0)
    height = true_positives - 0.5 * np.diff(true_positives, axis=-1, prepend=0.0)
    return _ratio((width * height).sum(axis=-1), true_positives[..., -1] * false_positives[..., -1])


@_metric
def average_precision(labels: FloatArray, scores: FloatArray, weights: FloatArray) -> FloatArray:
    """Area under the precision-recall curve as a step function, without interpolation.

    `values` are scores on any scale. Source: sum over n of (R_n - R_{n-1}) P_n, as scikit-learn defines it.

    >>> round(average_precision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4)
    0.8333
    """
    if labels.size == 0:
        return np.full(weights.shape[:-1], np.nan)
    true_positives, false_positives = _steps(labels, scores, weights)
    found = true_positives + false_positives
    precision = np.divide(true_positives, found, out=np.zeros_like(found), where=found > 0)
    gained = np.diff(true_positives, axis=-1, prepend=0.0)
    return _ratio((gained * precision).sum(axis=-1), true_positives[..., -1])


@_metric
def sensitivity(labels: FloatArray, findings: FloatArray, weights: FloatArray) -> FloatArray:
    """Share of positives that are found; `values` are findings, 0 or 1.

    >>> sensitivity([1, 1, 0, 0], [1, 0, 0, 0])
    0.5
    """
    positive = weights * labels
    return _ratio((positive * findings).sum(axis=-1), positive.sum(axis=-1))


@_metric
def specificity(labels: FloatArray, findings: FloatArray, weights: FloatArray) -> FloatArray:
    """Share of negatives that are left alone; `values` are findings, 0 or 1.

    >>> specificity([1, 1, 0, 0], [1, 0, 0, 0])
    1.0
    """
    negative = weights * (1.0 - labels)
    return _ratio((negative * (1.0 - findings)).sum(axis=-1), negative.sum(axis=-1))


@_metric
def accuracy(labels: FloatArray, findings: FloatArray, weights: FloatArray) -> FloatArray:
    """Share of films whose finding is right; `values` are findings, 0 or 1."""
    right = np.where(labels == findings, weights, 0.0)
    return _ratio(right.sum(axis=-1), weights.sum(axis=-1))


@_metric
def f1(labels: FloatArray, findings: FloatArray, weights: FloatArray) -> FloatArray:
    """Harmonic mean of sensitivity and precision; `values` are findings, 0 or 1."""
    both = 2.0 * (weights * labels * findings).sum(axis=-1)
    return _ratio(both, (weights * labels).sum(axis=-1) + (weights * findings).sum(axis=-1))


@_metric
def brier(labels: FloatArray, probabilities: FloatArray, weights: FloatArray) -> FloatArray:
    """Mean squared distance of probability and label, 0 is best. Source: Brier 1950, one class.

    `values` are probabilities, 0 to 1.

    >>> brier([1, 0], [0.5, 0.0])
    0.125
    """
    return _ratio((weights * (probabilities - labels) ** 2).sum(axis=-1), weights.sum(axis=-1))


@_metric
def expected_calibration_error(
    labels: FloatArray, probabilities: FloatArray, weights: FloatArray
) -> FloatArray:
    """Mean distance of probability and observed frequency over 15 bins of equal width, weighted by films.

    Binary form: the probability of PNEUMONIA against the frequency of PNEUMONIA, not confidence against
    accuracy. A bin is half open to the right, the last one closed. `values` are probabilities, 0 to 1.
    Source: Naeini et al. 2015; Guo et al. 2017, eq. 5.

    >>> round(expected_calibration_error([1, 0], [0.9, 0.1]), 3)
    0.1
    """
    bins = np.minimum((probabilities * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    in_bin = np.eye(ECE_BINS)[bins]  # (N, bins)
    distance = np.abs((weights * (probabilities - labels)) @ in_bin).sum(axis=-1)
    return _ratio(distance, weights.sum(axis=-1))


@_metric
def distance_from_prevalence(
    labels: FloatArray, probabilities: FloatArray, weights: FloatArray
) -> FloatArray:
    """How much a model claims to know: mean distance of the probability from the share of positives.

    0 for one that says of every film how common pneumonia is, which is all that can be said of films without
    evidence; 2 s (1 - s) for one that is always sure and right, s being that share. `values` are
    probabilities, 0 to 1.

    >>> distance_from_prevalence([1, 0], [1.0, 0.0]), distance_from_prevalence([1, 0], [0.5, 0.5])
    (0.5, 0.0)
    """
    prevalence = _ratio((weights * labels).sum(axis=-1), weights.sum(axis=-1))
    distance = np.abs(probabilities - prevalence[..., np.newaxis])
    return _ratio((weights * distance).sum(axis=-1), weights.sum(axis=-1))


def roc_points(labels: ArrayLike, scores: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """The ROC curve as points, from (0, 0) to (1, 1), one per distinct score.

    Args:
        labels: (N,) bool or 0/1, both present.
        scores: (N,) float.

    Returns:
        one_minus_specificity: (D + 1,) rising.
        sensitivity: (D + 1,) rising.
    """
    truth, numbers = _checked(labels, scores)
    true_positives, false_positives = _steps(truth, numbers, np.ones_like(truth))
    return (
        np.concatenate(([0.0], false_positives / false_positives[-1])),
        np.concatenate(([0.0], true_positives / true_positives[-1])),
    )


def precision_recall_points(labels: ArrayLike, scores: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """The precision-recall curve as points, one per distinct score, recall rising.

    Args:
        labels: (N,) bool or 0/1, at least one 1.
        scores: (N,) float.

    Returns:
        recall: (D,) rising to 1.
        precision: (D,).
    """
    truth, numbers = _checked(labels, scores)
    true_positives, false_positives = _steps(truth, numbers, np.ones_like(truth))
    return true_positives / true_positives[-1], true_positives / (true_positives + false_positives)

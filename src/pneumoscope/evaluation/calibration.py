"""From a logit to a probability that means what it says: temperature scaling, fitted without torch."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pneumoscope.evaluation.intervals import clustered_proportion
from pneumoscope.runtime.card import Estimate

__all__ = [
    "TEMPERATURE_BOUNDS",
    "ReliabilityBin",
    "balanced_weights",
    "calibrated_probability",
    "fit_temperature",
    "negative_log_likelihood",
    "reliability_table",
]

FloatArray = NDArray[np.float64]

TEMPERATURE_BOUNDS = (0.05, 20.0)
"""Beyond these a temperature says that the films are separated without error, or that the score is noise."""


class ReliabilityBin(NamedTuple):
    """Films of about one calibrated probability.

    Attributes:
        lower: edge of the bin, closed.
        upper: edge of the bin, open (closed in the last bin).
        films: how many.
        mean_probability: of those films.
        frequency: of PNEUMONIA among them, with its 95 % interval.
    """

    lower: float
    upper: float
    films: int
    mean_probability: float
    frequency: Estimate


def calibrated_probability(logits: ArrayLike, temperature: float = 1.0) -> FloatArray:
    """sigmoid(logit / temperature), without overflow at any logit.

    >>> calibrated_probability([0.0, -1000.0, 1000.0]).tolist()
    [0.5, 0.0, 1.0]
    """
    return np.exp(-np.logaddexp(0.0, -np.asarray(logits, dtype=np.float64) / temperature))


def negative_log_likelihood(
    logits: ArrayLike, labels: ArrayLike, temperature: float = 1.0, weights: ArrayLike | None = None
) -> float:
    """Weighted mean binary cross-entropy in nats.

    Args:
        logits: (N,) of the network.
        labels: (N,) bool or 0/1.
        temperature: above 0.
        weights: (N,) not negative, or None for equal weight.
    """
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    loss = np.logaddexp(0.0, scaled) - np.asarray(labels, dtype=np.float64) * scaled
    share = np.ones_like(scaled) if weights is None else np.asarray(weights, dtype=np.float64)
    return float(np.average(loss, weights=share))


def fit_temperature(
    logits: ArrayLike,
    labels: ArrayLike,
    weights: ArrayLike | None = None,
    bounds: tuple[float, float] = TEMPERATURE_BOUNDS,
) -> float:
    """The temperature with the least negative log-likelihood on validation films.

    The loss is convex in 1 / temperature, so its slope has one zero, found by bisection; where that zero lies
    outside the bounds the nearer bound is the constrained optimum. Source: Guo et al. 2017, sec. 4.2.

    Args:
        logits: (N,) of validation films.
        labels: (N,) bool or 0/1, both present.
        weights: (N,) not negative, for example `balanced_weights`; None for equal weight.
        bounds: least and greatest temperature.

    Raises:
        ValueError: a logit is not finite, shapes differ, or one label is missing.
    """
    z, y = np.asarray(logits, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    w = np.ones_like(z) if weights is None else np.asarray(weights, dtype=np.float64)
    if not z.shape == y.shape == w.shape or z.ndim != 1:
        raise ValueError(f"logits {z.shape}, labels {y.shape} and weights {w.shape} must be of one length")
    if not np.isfinite(z).all():
        raise ValueError("logits must be finite")
    if not 0.0 < float(np.mean(y)) < 1.0:
        raise ValueError("a temperature needs films of both labels")

    def slope(inverse: float) -> float:
        return float((w * z * (calibrated_probability(z, 1.0 / inverse) - y)).sum())

    low, high = 1.0 / bounds[1], 1.0 / bounds[0]
    if slope(low) >= 0.0:
        return bounds[1]
    if slope(high) <= 0.0:
        return bounds[0]
    for _ in range(80):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if slope(middle) > 0.0 else (middle, high)
    return float(1.0 / (low * high) ** 0.5)


def balanced_weights(*groups: ArrayLike) -> FloatArray:
    """Weights under which every combination of the groups counts equally; their mean is 1.

    Args:
        groups: (N,) each, for example sources and labels.

    Returns:
        (N,) float64.

    >>> balanced_weights(["a", "a", "a", "b"]).round(3).tolist()
    [0.667, 0.667, 0.667, 2.0]
    """
    columns = [np.unique(np.asarray(group), return_inverse=True)[1] for group in groups]
    _, cell, counts = np.unique(np.stack(columns), axis=1, return_inverse=True, return_counts=True)
    cell = cell.ravel()
    return np.asarray(cell.size / (counts.size * counts[cell]), dtype=np.float64)


def reliability_table(
    labels: ArrayLike, probabilities: ArrayLike, patients: ArrayLike | None = None, bins: int = 10
) -> list[ReliabilityBin]:
    """Observed frequency beside predicted probability, in bins of equal width; empty bins are left out.

    Args:
        labels: (N,) bool or 0/1.
        probabilities: (N,) calibrated, 0 to 1.
        patients: (N,) names, or None.
        bins: how many.
    """
    y, p = np.asarray(labels, dtype=bool), np.asarray(probabilities, dtype=np.float64)
    names = None if patients is None else np.asarray(patients, dtype=str)
    place = np.minimum((p * bins).astype(np.int64), bins - 1)
    table = []
    for index in np.unique(place):
        inside = place == index
        table.append(
            ReliabilityBin(
                lower=float(index) / bins,
                upper=float(index + 1) / bins,
                films=int(inside.sum()),
                mean_probability=float(p[inside].mean()),
                frequency=clustered_proportion(y[inside], None if names is None else names[inside]),
            )
        )
    return table

"""Means over films, with intervals that count patients."""

import numpy as np
from numpy.typing import ArrayLike

from pneumoscope.runtime.card import Estimate

__all__ = ["patient_mean"]

_RESAMPLES = 2000


def patient_mean(
    values: ArrayLike, patients: ArrayLike, *, confidence: float = 0.95, seed: int = 0
) -> Estimate:
    """Mean over films with the percentile interval of 2,000 draws of patients with replacement.

    A patient is drawn with all of their films. Source: Field & Welsh 2007.

    Args:
        values: (N,) finite, at least one.
        patients: (N,) names.
        confidence: of the interval.
        seed: of the draws; equal seeds give equal intervals.

    Raises:
        ValueError: no values, or not one patient for each.

    >>> patient_mean([1.0, 3.0], ["a", "a"])
    Estimate(value=2.0, low=2.0, high=2.0)
    """
    numbers = np.asarray(values, dtype=np.float64)
    names, group = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    if numbers.size == 0 or group.shape != numbers.shape:
        raise ValueError(f"{numbers.size} values with {group.size} patients have no mean")
    totals, films = np.bincount(group, weights=numbers), np.bincount(group)
    picks = np.random.default_rng(seed).integers(names.size, size=(_RESAMPLES, names.size))
    means = totals[picks].sum(axis=1) / films[picks].sum(axis=1)
    value, tail = float(numbers.mean()), 50.0 * (1.0 - confidence)
    low, high = np.percentile(means, [tail, 100.0 - tail])
    return Estimate(value=value, low=min(float(low), value), high=max(float(high), value))

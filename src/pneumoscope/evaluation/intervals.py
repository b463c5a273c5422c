"""How far a measured number can be trusted: 95 % intervals and paired tests, numpy only.

Films of one patient resemble each other; an interval that counts them as independent is too narrow. Every
function here that sees films therefore takes the patients too.
"""

from fractions import Fraction
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pneumoscope.evaluation.metrics import Metric
from pneumoscope.runtime.card import Estimate

__all__ = [
    "PairedTest",
    "auc_interval",
    "clustered_proportion",
    "delong_covariance",
    "delong_test",
    "independent_difference",
    "mcnemar",
    "patient_bootstrap",
    "wilson",
]

FloatArray = NDArray[np.float64]

_RESAMPLES_AT_ONCE = 100


class PairedTest(NamedTuple):
    """Two models on the same films.

    Attributes:
        difference: first minus second, with its 95 % interval.
        p_value: two-sided, of no difference.
    """

    difference: Estimate
    p_value: float


def _quantile(confidence: float) -> float:
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")
    return NormalDist().inv_cdf(0.5 + confidence / 2.0)


def wilson(successes: float, trials: float, confidence: float = 0.95) -> Estimate:
    """Score interval of a proportion. Source: Wilson 1927; Brown, Cai & DasGupta 2001.

    Args:
        successes: between 0 and `trials`; need not be whole, for an effective sample size.
        trials: above 0.
        confidence: of the interval.

    Raises:
        ValueError: the numbers are impossible.

    >>> interval = wilson(9, 10)
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.596, 0.982)
    """
    if trials <= 0 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} of {trials} is no proportion")
    z = _quantile(confidence)
    share = successes / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * (share * (1 - share) / trials + z * z / (4 * trials**2)) ** 0.5
    return Estimate(
        value=share,
        low=0.0 if successes == 0 else max(0.0, centre - half),
        high=1.0 if successes == trials else min(1.0, centre + half),
    )


def _groups(patients: ArrayLike | None, films: int) -> tuple[NDArray[np.intp], int]:
    """(N,) number of the patient of each film, and how many patients; None = every film another patient."""
    if patients is None:
        return np.arange(films), films
    names, group = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    if group.shape != (films,):
        raise ValueError(f"{group.size} patients for {films} films")
    return group, int(names.size)


def clustered_proportion(
    successes: ArrayLike, patients: ArrayLike | None = None, confidence: float = 0.95
) -> Estimate:
    """Wilson's interval at the effective sample size that films of the same patients amount to.

    The variance of the share comes from patient totals (ratio estimator, linearised); its quotient with the
    binomial one is the design effect, which divides the number of films. Where every film is a success, or
    none is, no variance can be seen and the number of patients counts. Never degenerate, unlike the
    percentile bootstrap. Source: Kish 1965; Korn & Graubard 1998.

    Args:
        successes: (N,) bool, at least one film.
        patients: (N,) names, or None where every film is another patient.
        confidence: of the interval.

    Raises:
        ValueError: no films.
    """
    hit = np.asarray(successes, dtype=np.float64)
    if hit.size == 0:
        raise ValueError("no films to take a share of")
    group, count = _groups(patients, hit.size)
    share = float(hit.mean())
    effective = float(count)
    if 0.0 < share < 1.0 and count > 1:
        excess = np.bincount(group, weights=hit - share, minlength=count)
        variance = count / (count - 1) * float((excess**2).sum()) / hit.size**2
        effective = (
            min(float(hit.size), share * (1.0 - share) / variance) if variance > 0 else float(hit.size)
        )
    interval = wilson(share * effective, effective, confidence)
    return Estimate(value=share, low=min(interval.low, share), high=max(interval.high, share))


def _midranks(values: FloatArray) -> FloatArray:
    """1-based ranks of (N,) values, ties share their mean rank."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2.0)[group]


def delong_covariance(
    labels: ArrayLike, scores: ArrayLike, patients: ArrayLike | None = None
) -> tuple[FloatArray, FloatArray]:
    """AUCs of models on the same films, and the covariance of those AUCs, in O(N log N) per model.

    Source: DeLong et al. 1988; midrank algorithm of Sun & Xu 2014; with `patients`, the clustered form of
    Obuchowski 1997, which equals DeLong's where every film is another patient.

    Args:
        labels: (N,) bool or 0/1, at least two of each.
        scores: (K, N), one row per model, any scale.
        patients: (N,) names, or None.

    Returns:
        aucs: (K,).
        covariance: (K, K).

    Raises:
        ValueError: fewer than two positives or negatives, or fewer than two patients with either.
    """
    positive = np.asarray(labels, dtype=bool)
    rows = np.atleast_2d(np.asarray(scores, dtype=np.float64))
    if rows.shape[1:] != positive.shape or not np.isfinite(rows).all():
        raise ValueError(f"scores {rows.shape} must be finite and match labels {positive.shape}")
    group, count = _groups(patients, positive.size)
    m, n = int(positive.sum()), int((~positive).sum())
    patients_with = np.unique(group[positive]).size, np.unique(group[~positive]).size
    if min(patients_with) < 2:
        raise ValueError("an AUC needs at least two patients with and two without pneumonia")
    above, below = np.empty((len(rows), m)), np.empty((len(rows), n))
    for k, row in enumerate(rows):
        ranks = _midranks(row)
        above[k] = (ranks[positive] - _midranks(row[positive])) / n  # share of negatives below each positive
        below[k] = (
            1.0 - (ranks[~positive] - _midranks(row[~positive])) / m
        )  # of positives above each negative
    aucs = above.mean(axis=1)

    def totals(components: FloatArray, members: NDArray[np.intp]) -> FloatArray:  # -> (K, patients)
        return np.stack(
            [np.bincount(members, row - area, count) for row, area in zip(components, aucs, strict=True)]
        )

    x, y = totals(above, group[positive]), totals(below, group[~positive])
    i10, i01 = patients_with
    cross = count / (count - 1) * (x @ y.T) / (m * n)  # 0 where no patient has films of both labels
    own = i10 / (i10 - 1) * (x @ x.T) / m**2 + i01 / (i01 - 1) * (y @ y.T) / n**2
    return aucs, own + cross + cross.T


def _newcombe(area: float, m: int, n: int, z: float) -> tuple[float, float]:
    """Interval of an AUC that shows no variance, such as 0 or 1. Source: Newcombe 2006, part 2, method 5."""
    half = (m + n) / 2.0 - 1.0

    def outside(theta: float) -> bool:
        spread = 1.0 + half * ((1.0 - theta) / (2.0 - theta) + theta / (1.0 + theta))
        return (theta - area) ** 2 > z * z * theta * (1.0 - theta) * spread / (m * n)

    def edge(far: float) -> float:
        near = area
        for _ in range(60):
            middle = (far + near) / 2.0
            far, near = (middle, near) if outside(middle) else (far, middle)
        return near

    return edge(0.0), edge(1.0)


def auc_interval(
    labels: ArrayLike, scores: ArrayLike, patients: ArrayLike | None = None, confidence: float = 0.95
) -> Estimate:
    """AUC with DeLong's interval, symmetric on the logit scale so that it stays inside (0, 1).

    An AUC of exactly 0 or 1 (or of equal scores) has no DeLong variance; Newcombe's method with the number of
    patients stands in.

    Args:
        labels: (N,) bool or 0/1.
        scores: (N,) any scale.
        patients: (N,) names, or None where every film is another patient.
        confidence: of the interval.

    Raises:
        ValueError: as `delong_covariance`.
    """
    aucs, covariance = delong_covariance(labels, np.asarray(scores)[np.newaxis], patients)
    area, variance = float(aucs[0]), float(covariance[0, 0])
    z = _quantile(confidence)
    if variance <= 0.0:
        positive = np.asarray(labels, dtype=bool)
        group, _ = _groups(patients, positive.size)
        low, high = _newcombe(area, np.unique(group[positive]).size, np.unique(group[~positive]).size, z)
        return Estimate(value=area, low=low, high=high)
    centre = np.log(area / (1.0 - area))
    half = z * variance**0.5 / (area * (1.0 - area))
    low, high = (float(1.0 / (1.0 + np.exp(-edge))) for edge in (centre - half, centre + half))
    return Estimate(value=area, low=low, high=high)


def delong_test(
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    patients: ArrayLike | None = None,
    confidence: float = 0.95,
) -> PairedTest:
    """Difference of two AUCs on the same films. Source: DeLong et al. 1988, eq. 6.

    Args:
        labels: (N,) bool or 0/1.
        first: (N,) scores of one model.
        second: (N,) scores of the other.
        patients: (N,) names, or None.
        confidence: of the interval.

    Raises:
        ValueError: as `delong_covariance`.
    """
    aucs, covariance = delong_covariance(labels, np.stack([np.asarray(first), np.asarray(second)]), patients)
    contrast = np.array([1.0, -1.0])
    difference = float(contrast @ aucs)
    error = max(float(contrast @ covariance @ contrast), 0.0) ** 0.5
    half = _quantile(confidence) * error
    if error == 0.0:
        p_value = 1.0 if difference == 0.0 else 0.0
    else:
        p_value = 2.0 * NormalDist().cdf(-abs(difference) / error)
    return PairedTest(Estimate(value=difference, low=difference - half, high=difference + half), p_value)


def patient_bootstrap(
    metric: Metric,
    labels: ArrayLike,
    values: ArrayLike,
    patients: ArrayLike | None = None,
    *,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Estimate:
    """Percentile interval of any metric, by drawing patients with replacement.

    A resample is a row of frequency weights: how often each film's patient was drawn. Resamples in which the
    metric is undefined are left out. The interval always holds the value itself: resampling biases a metric
    such as the calibration error upwards, away from what was measured.
    Source: Efron & Tibshirani 1993, ch. 13; Field & Welsh 2007 for clusters.

    Args:
        metric: of `metrics`.
        labels: (N,) bool or 0/1.
        values: (N,) what the metric takes.
        patients: (N,) names, or None where every film is another patient.
        resamples: how many.
        seed: of the generator; equal seeds give equal intervals.
        confidence: of the interval.

    Raises:
        ValueError: the metric is undefined on the films themselves.
    """
    value = metric(labels, values)
    if not np.isfinite(value):
        raise ValueError(f"{metric.__name__} is undefined on these films")
    group, count = _groups(patients, np.asarray(values).size)
    generator = np.random.default_rng(seed)
    drawn = []
    for start in range(0, resamples, _RESAMPLES_AT_ONCE):
        rows = min(_RESAMPLES_AT_ONCE, resamples - start)
        picks = generator.integers(count, size=(rows, count)) + count * np.arange(rows)[:, np.newaxis]
        times = np.bincount(picks.ravel(), minlength=rows * count).reshape(rows, count)
        drawn.append(metric(labels, values, times[:, group].astype(np.float64)))
    tail = 100.0 * (1.0 - confidence) / 2.0
    low, high = np.nanpercentile(np.concatenate(drawn), [tail, 100.0 - tail])
    return Estimate(value=value, low=min(float(low), value), high=max(float(high), value))


def mcnemar(first_right: ArrayLike, second_right: ArrayLike) -> float:
    """Exact two-sided p-value that two models are right equally often. Source: McNemar 1947, exact binomial.

    Args:
        first_right: (N,) bool, where the first model's finding is right.
        second_right: (N,) bool, of the second.

    Returns:
        the p-value; 1 where they never differ.

    >>> mcnemar([1] * 8 + [0], [0] * 8 + [1])
    0.0390625
    """
    first, second = np.asarray(first_right, dtype=bool), np.asarray(second_right, dtype=bool)
    if first.shape != second.shape:
        raise ValueError(f"shapes differ: {first.shape} and {second.shape}")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    discordant, fewer = only_first + only_second, min(only_first, only_second)
    # Sum of binomial terms in whole numbers: exact, and cheap for any number of films that one can read.
    term, tail = 1, 1
    for k in range(1, fewer + 1):
        term = term * (discordant - k + 1) // k
        tail += term
    return min(1.0, float(Fraction(2 * tail, 2**discordant)))


def independent_difference(first: Estimate, second: Estimate) -> Estimate:
    """Difference of two numbers measured on different patients, first minus second, from their intervals.

    Each limit takes the two distances that point its way, so that intervals that are not symmetric stay so.
    Source: Newcombe 1998, method 10, for proportions; Zou & Donner 2008 for any number.

    >>> found = independent_difference(wilson(56, 70), wilson(48, 80))
    >>> round(found.low, 4), round(found.high, 4)  # Newcombe 1998, table II, column (a)
    (0.0524, 0.3339)
    """
    value = first.value - second.value
    down = ((first.value - first.low) ** 2 + (second.high - second.value) ** 2) ** 0.5
    up = ((first.high - first.value) ** 2 + (second.value - second.low) ** 2) ** 0.5
    return Estimate(value=value, low=value - down, high=value + up)

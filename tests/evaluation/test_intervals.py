import doctest

import numpy as np
import pytest
from scipy import stats

from evaluation.samples import families, films
from pneumoscope.evaluation import intervals, metrics


def _within(estimate, truth):
    return estimate.low <= truth <= estimate.high


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (0, 30), (1, 7), (15, 30), (624, 624), (390, 624)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_wilson_equals_scipy(successes, trials, confidence):
    expected = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    interval = intervals.wilson(successes, trials, confidence)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("successes", "trials"), [(1, 0), (-1, 5), (6, 5)])
def test_impossible_proportions_are_refused(successes, trials):
    with pytest.raises(ValueError, match="no proportion"):
        intervals.wilson(successes, trials)


def test_a_confidence_beyond_one_is_refused():
    with pytest.raises(ValueError, match="confidence"):
        intervals.wilson(1, 2, confidence=95)


@pytest.mark.parametrize("successes", [0, 3, 29, 30])
def test_one_film_per_patient_gives_wilson(successes):
    interval = intervals.clustered_proportion(np.arange(30) < successes)
    plain = intervals.wilson(successes, 30)
    assert (interval.value, interval.low, interval.high) == pytest.approx(
        (plain.value, plain.low, plain.high), abs=0.01
    )


def test_copies_of_every_film_do_not_narrow_a_proportion():
    once = np.arange(30) < 21
    copies = intervals.clustered_proportion(np.repeat(once, 10), np.repeat(np.arange(30), 10))
    plain = intervals.wilson(21, 30)
    assert copies.low == pytest.approx(plain.low, abs=0.01)
    assert copies.high == pytest.approx(plain.high, abs=0.01)


def test_a_share_without_a_failure_counts_patients():
    interval = intervals.clustered_proportion(np.ones(100), np.repeat(np.arange(10), 10))
    assert interval.low == pytest.approx(intervals.wilson(10, 10).low)
    assert interval.high == 1.0


def test_clustered_proportion_covers_the_truth():
    plain = clustered = 0
    for seed in range(400):
        generator = np.random.default_rng(seed)
        chance = generator.beta(4, 1, size=60)  # of each patient; mean 0.8
        hits = np.repeat(generator.random((60, 1)), 6, axis=1) < chance[:, np.newaxis]
        hits = np.where(generator.random((60, 6)) < 0.3, ~hits, hits)
        truth = 0.8 * 0.7 + 0.2 * 0.3
        clustered += _within(intervals.clustered_proportion(hits.ravel(), np.repeat(np.arange(60), 6)), truth)
        plain += _within(intervals.wilson(float(hits.sum()), hits.size), truth)
    assert 0.92 <= clustered / 400 <= 0.98
    assert plain / 400 < 0.90  # the simulation can tell the two apart


def test_no_film_has_no_share():
    with pytest.raises(ValueError, match="no films"):
        intervals.clustered_proportion([])


def _brute_force_delong(labels, rows):
    """DeLong's structural components, pair by pair."""
    x, y = rows[:, labels], rows[:, ~labels]
    psi = (x[:, :, None] > y[:, None, :]) + 0.5 * (x[:, :, None] == y[:, None, :])  # (K, m, n)
    v10, v01 = psi.mean(axis=2), psi.mean(axis=1)
    return psi.mean(axis=(1, 2)), np.cov(v10) / x.shape[1] + np.cov(v01) / y.shape[1]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("decimals", [None, 1, 0])
def test_midranks_equal_pair_by_pair_delong(seed, decimals):
    first, second = (films(seed + k, 90, 1.0 + k, decimals=decimals) for k in (0, 50))
    rows = np.stack([first.scores, second.scores])
    areas, covariance = intervals.delong_covariance(first.labels, rows)
    expected_areas, expected_covariance = _brute_force_delong(first.labels, rows)
    np.testing.assert_allclose(areas, expected_areas, atol=1e-12)
    np.testing.assert_allclose(covariance, expected_covariance, atol=1e-12)
    assert areas[0] == pytest.approx(metrics.auc(first.labels, first.scores))


def test_copies_of_every_film_do_not_narrow_an_auc():
    sample = films(3, 90, 1.0)
    _, once = intervals.delong_covariance(sample.labels, sample.scores[np.newaxis])
    _, copied = intervals.delong_covariance(
        np.repeat(sample.labels, 7), np.repeat(sample.scores, 7)[np.newaxis], np.repeat(sample.patients, 7)
    )
    np.testing.assert_allclose(copied, once, rtol=1e-9)


def test_patients_with_films_of_both_labels_are_counted_once():
    """Each patient has one film of each label and one shared effect, so their difference varies little."""
    generator = np.random.default_rng(0)
    areas, variances = [], []
    for _ in range(300):
        shared = generator.normal(size=80) * 2
        scores = np.concatenate([shared + generator.normal(size=80) + 1, shared + generator.normal(size=80)])
        area, covariance = intervals.delong_covariance(
            np.arange(160) < 80, scores[np.newaxis], np.tile(np.arange(80), 2)
        )
        areas.append(area[0])
        variances.append(covariance[0, 0])
    assert np.mean(variances) == pytest.approx(np.var(areas), rel=0.2)


@pytest.mark.parametrize("separation", [0.5, 1.5, 3.0])
def test_auc_interval_covers_the_truth(separation):
    truth = stats.norm.cdf(separation / 2**0.5)
    covered = sum(
        _within(intervals.auc_interval(s.labels, s.scores), truth)
        for s in (films(seed, 150, separation) for seed in range(400))
    )
    assert 0.92 <= covered / 400 <= 0.98


def test_clustered_auc_interval_covers_where_the_plain_one_fails():
    truth = stats.norm.cdf(1.0 / 2**0.5)
    samples = [families(seed, 60, 8, 1.0) for seed in range(400)]
    clustered = sum(_within(intervals.auc_interval(*s), truth) for s in samples)
    plain = sum(_within(intervals.auc_interval(s.labels, s.scores), truth) for s in samples)
    assert 0.92 <= clustered / 400 <= 0.98
    assert plain / 400 < 0.75


@pytest.mark.parametrize("m", [5, 40])
def test_perfect_separation_has_an_honest_interval(m):
    labels = np.arange(2 * m) < m
    perfect = intervals.auc_interval(labels, labels.astype(float))
    assert perfect.value == perfect.high == 1.0
    # Close to the exact one-sided bound of m successes in m, which also sees no failure.
    assert 0.5 < perfect.low < 1.0
    assert perfect.low == pytest.approx(intervals.wilson(m, m).low, abs=0.1)
    worst = intervals.auc_interval(~labels, labels.astype(float))
    assert (worst.low, worst.high) == pytest.approx((0.0, 1.0 - perfect.low), abs=1e-9)


def test_equal_scores_say_nothing():
    interval = intervals.auc_interval(np.arange(40) < 20, np.zeros(40))
    assert interval.value == 0.5
    assert interval.low == pytest.approx(1 - interval.high)
    assert 0.2 < interval.low < 0.4


@pytest.mark.parametrize("labels", [[1, 1, 1, 0], [0, 0, 0, 0]])
def test_an_auc_of_one_patient_is_refused(labels):
    with pytest.raises(ValueError, match="two patients"):
        intervals.auc_interval(labels, [0.1, 0.2, 0.3, 0.4])


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="finite"):
        intervals.auc_interval([0, 0, 1, 1], [0.1, 0.2, np.nan, 0.4])


def test_delong_test_keeps_its_level_and_finds_a_difference():
    rejected = found = 0
    for seed in range(400):
        generator = np.random.default_rng(seed)
        labels = np.arange(120) < 60
        shared = generator.normal(size=120)
        first, second, better = (shared + generator.normal(size=120) + d * labels for d in (1.5, 1.5, 2.5))
        rejected += intervals.delong_test(labels, first, second).p_value < 0.05
        found += intervals.delong_test(labels, better, first).p_value < 0.05
    assert 0.02 <= rejected / 400 <= 0.08
    assert found / 400 > 0.5


def test_a_model_does_not_differ_from_itself():
    sample = films(0, 60, 1.0)
    test = intervals.delong_test(sample.labels, sample.scores, 3 * sample.scores)
    assert (test.difference.value, test.p_value) == pytest.approx((0.0, 1.0))


def test_bootstrap_agrees_with_scipy():
    sample = films(1, 120, 1.0)
    ours = intervals.patient_bootstrap(metrics.auc, *sample, resamples=4000, seed=1)
    theirs = stats.bootstrap(
        (sample.labels, sample.scores),
        lambda y, s: metrics.auc(y, s),
        paired=True,
        vectorized=False,
        n_resamples=4000,
        method="percentile",
        rng=np.random.default_rng(2),
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.012)


def test_bootstrap_draws_patients_not_films():
    truth = stats.norm.cdf(1.0 / 2**0.5)
    samples = [families(seed, 60, 5, 1.0) for seed in range(300)]
    by_patient = sum(
        _within(intervals.patient_bootstrap(metrics.auc, *s, resamples=300, seed=7), truth) for s in samples
    )
    by_film = sum(
        _within(intervals.patient_bootstrap(metrics.auc, s.labels, s.scores, resamples=300, seed=7), truth)
        for s in samples
    )
    assert 0.91 <= by_patient / 300 <= 0.985
    assert by_film / 300 < 0.8


def test_bootstrap_is_seeded():
    sample = films(1, 40, 1.0)
    runs = [intervals.patient_bootstrap(metrics.auc, *sample, resamples=150, seed=seed) for seed in (3, 3, 4)]
    assert runs[0] == runs[1] != runs[2]


def test_bootstrap_leaves_out_resamples_without_a_positive():
    labels = np.arange(12) == 0
    interval = intervals.patient_bootstrap(metrics.sensitivity, labels, labels, resamples=200)
    assert (interval.low, interval.value, interval.high) == (1.0, 1.0, 1.0)


def test_bootstrap_of_an_undefined_metric_is_refused():
    with pytest.raises(ValueError, match="auc is undefined"):
        intervals.patient_bootstrap(metrics.auc, [0, 0], [0.1, 0.2])


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (1, 0), (8, 1), (40, 60), (700, 600)])
def test_mcnemar_equals_the_binomial_test(only_first, only_second):
    first = np.repeat([True, False, True], [only_first, only_second, 5])
    second = np.repeat([False, True, True], [only_first, only_second, 5])
    discordant = only_first + only_second
    expected = stats.binomtest(only_first, discordant).pvalue if discordant else 1.0
    assert intervals.mcnemar(first, second) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_of_other_films_is_refused():
    with pytest.raises(ValueError, match="shapes differ"):
        intervals.mcnemar([True], [True, False])


def test_examples_in_docstrings():
    result = doctest.testmod(intervals)
    assert result.attempted > 2
    assert result.failed == 0


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    # Newcombe 1998, Statistics in Medicine 17:873, table II, method 10.
    [
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((10, 10), (0, 20), (0.6791, 1.0)),
        ((0, 10), (0, 10), (-0.2775, 0.2775)),
    ],
)
def test_differences_of_proportions_are_newcombe_s(first, second, expected):
    found = intervals.independent_difference(intervals.wilson(*first), intervals.wilson(*second))
    assert (found.low, found.high) == pytest.approx(expected, abs=5e-5)
    turned = intervals.independent_difference(intervals.wilson(*second), intervals.wilson(*first))
    assert (turned.value, turned.low, turned.high) == pytest.approx((-found.value, -found.high, -found.low))


def test_intervals_of_differences_hold_the_truth_as_often_as_they_say():
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(2000):
        one, other = (intervals.wilson(int(generator.binomial(n, p)), n) for n, p in ((80, 0.9), (120, 0.8)))
        held += _within(intervals.independent_difference(one, other), 0.1)
    assert 0.935 < held / 2000 < 0.97

import doctest

import numpy as np
import pytest
from sklearn import metrics as reference
from sklearn.calibration import calibration_curve

from evaluation.samples import films
from pneumoscope.evaluation import metrics

GRID = [
    (seed, count, separation, decimals)
    for seed, count in ((0, 2 * 3), (1, 31), (2, 400))
    for separation in (-0.5, 0.0, 1.0, 6.0)
    for decimals in (None, 1, 0)
]
grid = pytest.mark.parametrize(("seed", "count", "separation", "decimals"), GRID)

ON_SCORES = {
    metrics.auc: reference.roc_auc_score,
    metrics.average_precision: reference.average_precision_score,
}
ON_FINDINGS = {
    metrics.accuracy: reference.accuracy_score,
    metrics.f1: lambda y, v: reference.f1_score(y, v, zero_division=0.0),
    metrics.sensitivity: reference.recall_score,
    metrics.specificity: lambda y, v: reference.recall_score(y, v, pos_label=0),
}
ALL = [
    *ON_SCORES,
    *ON_FINDINGS,
    metrics.brier,
    metrics.distance_from_prevalence,
    metrics.expected_calibration_error,
]


def _probabilities(scores):
    return 1 / (1 + np.exp(-scores))


@grid
@pytest.mark.parametrize("metric", ON_SCORES, ids=lambda metric: metric.__name__)
def test_metrics_of_scores_equal_scikit_learn(metric, seed, count, separation, decimals):
    sample = films(seed, count, separation, decimals=decimals)
    expected = ON_SCORES[metric](sample.labels, sample.scores)
    assert metric(sample.labels, sample.scores) == pytest.approx(expected, abs=1e-12)


@grid
@pytest.mark.parametrize("metric", ON_FINDINGS, ids=lambda metric: metric.__name__)
def test_metrics_of_findings_equal_scikit_learn(metric, seed, count, separation, decimals):
    sample = films(seed, count, separation, decimals=decimals)
    findings = sample.scores >= 0.5
    expected = ON_FINDINGS[metric](sample.labels, findings)
    assert metric(sample.labels, findings) == pytest.approx(expected, abs=1e-12)


@grid
def test_brier_equals_scikit_learn(seed, count, separation, decimals):
    sample = films(seed, count, separation, decimals=decimals)
    p = _probabilities(sample.scores)
    assert metrics.brier(sample.labels, p) == pytest.approx(reference.brier_score_loss(sample.labels, p))


@grid
def test_calibration_error_equals_the_calibration_curve(seed, count, separation, decimals):
    sample = films(seed, count, separation, decimals=decimals)
    p = _probabilities(sample.scores)
    frequency, mean = calibration_curve(sample.labels, p, n_bins=15)
    counts = np.histogram(p, bins=15, range=(0, 1))[0]
    expected = np.average(np.abs(frequency - mean), weights=counts[counts > 0])
    assert metrics.expected_calibration_error(sample.labels, p) == pytest.approx(expected)


@grid
def test_distance_is_from_the_share_of_positives(seed, count, separation, decimals):
    sample = films(seed, count, separation, decimals=decimals)
    p = _probabilities(sample.scores)
    expected = np.mean([abs(each - sample.labels.mean()) for each in p])
    assert metrics.distance_from_prevalence(sample.labels, p) == pytest.approx(expected)


def test_who_knows_only_how_common_it_is_claims_nothing():
    labels = np.arange(30) % 3 == 0
    assert metrics.distance_from_prevalence(labels, np.full(30, 1 / 3)) == pytest.approx(0.0)
    assert metrics.distance_from_prevalence(labels, labels.astype(float)) == pytest.approx(2 * 1 / 3 * 2 / 3)
    sure_and_wrong = metrics.distance_from_prevalence(labels, np.ones(30))
    assert sure_and_wrong == pytest.approx(2 / 3)


def test_a_probability_of_one_lies_in_the_last_bin():
    assert metrics.expected_calibration_error([1, 0], [1.0, 0.0]) == 0.0


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.__name__)
def test_frequency_weights_mean_repeated_films(metric):
    sample = films(5, 60, 1.0, decimals=1)
    values = sample.scores >= 0.5 if metric in ON_FINDINGS else _probabilities(sample.scores)
    times = np.random.default_rng(0).integers(0, 4, size=(3, 60))
    expected = [metric(np.repeat(sample.labels, row), np.repeat(values, row)) for row in times]
    np.testing.assert_allclose(metric(sample.labels, values, times.astype(float)), expected, atol=1e-12)


@pytest.mark.parametrize("metric", [metrics.auc, metrics.average_precision, metrics.sensitivity, metrics.f1])
def test_a_metric_without_positives_is_undefined(metric):
    assert np.isnan(metric([0, 0, 0], [0, 0, 0]))


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.__name__)
def test_no_films_no_number(metric):
    assert np.isnan(metric([], []))


@pytest.mark.parametrize(
    ("labels", "values", "message"),
    [
        ([0, 1], [0.1], "one length"),
        ([[0, 1]], [[0.1, 0.2]], "one length"),
        ([0, 2], [0.1, 0.2], "0 or 1"),
        ([0, 1], [0.1, np.nan], "finite"),
    ],
)
def test_impossible_arrays_are_refused(labels, values, message):
    with pytest.raises(ValueError, match=message):
        metrics.auc(labels, values)


def test_weights_of_other_films_are_refused():
    with pytest.raises(ValueError, match="number of films"):
        metrics.auc([0, 1], [0.1, 0.2], np.ones((2, 3)))


@grid
def test_curves_equal_scikit_learn(seed, count, separation, decimals):
    sample = films(seed, count, separation, decimals=decimals)
    one_minus_specificity, sensitivity, _ = reference.roc_curve(
        sample.labels, sample.scores, drop_intermediate=False
    )
    ours = metrics.roc_points(sample.labels, sample.scores)
    np.testing.assert_allclose(ours[0], one_minus_specificity)
    np.testing.assert_allclose(ours[1], sensitivity)
    precision, recall, _ = reference.precision_recall_curve(sample.labels, sample.scores)
    ours = metrics.precision_recall_points(sample.labels, sample.scores)
    np.testing.assert_allclose(ours[0], recall[-2::-1])
    np.testing.assert_allclose(ours[1], precision[-2::-1])


def test_examples_in_docstrings():
    result = doctest.testmod(metrics)
    assert result.attempted > 5
    assert result.failed == 0

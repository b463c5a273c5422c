import doctest

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_sample_weight

from evaluation.samples import films
from pneumoscope.evaluation import calibration


def test_likelihood_equals_scikit_learn():
    sample = films(0, 80, 1.0)
    p = calibration.calibrated_probability(sample.scores, 0.7)
    weights = np.random.default_rng(0).random(80)
    ours = calibration.negative_log_likelihood(sample.scores, sample.labels, 0.7, weights)
    assert ours == pytest.approx(log_loss(sample.labels, p, sample_weight=weights))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("stretch", [0.3, 1.0, 8.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_temperature_equals_scipys_optimum(seed, stretch, weighted):
    sample = films(seed, 300, 2.0)
    logits = stretch * (2 * sample.scores - 2)
    weights = np.random.default_rng(seed).random(300) if weighted else None
    expected = minimize_scalar(
        lambda log_t: calibration.negative_log_likelihood(logits, sample.labels, np.exp(log_t), weights),
        bounds=(np.log(0.05), np.log(20.0)),
        method="bounded",
        options={"xatol": 1e-9},
    )
    fitted = calibration.fit_temperature(logits, sample.labels, weights)
    assert fitted == pytest.approx(np.exp(expected.x), rel=1e-4)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_known_temperature_is_found_again(temperature):
    generator = np.random.default_rng(1)
    honest = generator.normal(scale=2.0, size=20_000)
    labels = generator.random(20_000) < calibration.calibrated_probability(honest)
    assert calibration.fit_temperature(temperature * honest, labels) == pytest.approx(temperature, rel=0.05)


def test_separated_films_stay_within_the_bounds():
    assert calibration.fit_temperature([-1.0, 1.0], [0, 1]) == 0.05
    assert calibration.fit_temperature([1.0, -1.0], [0, 1]) == 20.0


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        ([0.0, 1.0], [1, 1], "both labels"),
        ([0.0, np.inf], [0, 1], "finite"),
        ([0.0], [0, 1], "one length"),
    ],
)
def test_films_that_cannot_be_calibrated_are_refused(logits, labels, message):
    with pytest.raises(ValueError, match=message):
        calibration.fit_temperature(logits, labels)


def test_balanced_weights_equal_scikit_learn():
    generator = np.random.default_rng(0)
    sources, labels = generator.choice(["a", "b", "c"], size=200), generator.random(200) < 0.2
    cells = [f"{source}-{label}" for source, label in zip(sources, labels, strict=True)]
    np.testing.assert_allclose(
        calibration.balanced_weights(sources, labels), compute_sample_weight("balanced", cells)
    )


def test_reliability_table_accounts_for_every_film():
    generator = np.random.default_rng(0)
    p = np.append(generator.random(500), [0.0, 1.0])
    labels = generator.random(502) < p
    table = calibration.reliability_table(labels, p)
    assert sum(row.films for row in table) == 502
    assert sum(row.films * row.frequency.value for row in table) == pytest.approx(labels.sum())
    for row in table:
        assert row.lower <= row.mean_probability <= row.upper
        assert row.frequency.low <= row.frequency.value <= row.frequency.high
    honest = [row.frequency.low <= row.mean_probability <= row.frequency.high for row in table]
    assert sum(honest) >= len(table) - 1


def test_an_empty_bin_is_no_row():
    table = calibration.reliability_table([0, 1], [0.05, 0.95], bins=10)
    assert [(row.lower, row.films) for row in table] == [(0.0, 1), (0.9, 1)]


def test_examples_in_docstrings():
    result = doctest.testmod(calibration)
    assert result.attempted > 1
    assert result.failed == 0

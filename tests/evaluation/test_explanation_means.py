import numpy as np
import pytest

from pneumoscope.evaluation.explanation_means import patient_mean
from pneumoscope.evaluation.intervals import patient_bootstrap
from pneumoscope.evaluation.metrics import brier


def test_interval_equals_the_bootstrap_of_weights():
    """The Brier score of negatives is the mean of the squared probability."""
    generator = np.random.default_rng(0)
    values, patients = generator.random(80), generator.integers(0, 30, 80).astype(str)
    theirs = patient_bootstrap(brier, np.zeros(80), np.sqrt(values), patients, resamples=20000)
    ours = patient_mean(values, patients)
    assert ours.value == pytest.approx(theirs.value)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.006)


def test_films_of_one_patient_count_as_one():
    values = np.repeat(np.random.default_rng(1).random(20), 10)
    alone = patient_mean(values, np.arange(200).astype(str))
    together = patient_mean(values, np.repeat(np.arange(20), 10).astype(str))
    assert together.value == pytest.approx(alone.value)
    assert together.high - together.low > 2.5 * (alone.high - alone.low)


def test_values_without_patients_are_refused():
    with pytest.raises(ValueError, match="no mean"):
        patient_mean([], [])
    with pytest.raises(ValueError, match="no mean"):
        patient_mean([1.0, 2.0], ["a"])

import numpy as np
import pytest

from pneumoscope.errors import DataError
from pneumoscope.evaluation.scoring import Scores
from pneumoscope.release.thresholds import fix_thresholds
from tiny_bundle import tiny_card


def _scores(logits, targets):
    count = len(logits)
    return Scores(
        paths=tuple(map(str, range(count))),
        targets=np.asarray(targets, dtype=bool),
        patients=np.asarray([f"p{number}" for number in range(count)]),
        sources=np.asarray(["here"] * count),
        logits=np.asarray(logits, dtype=np.float64),
        probabilities=np.zeros(count),
        cams=(),
        failures=(),
    )


def test_films_that_part_without_error_leave_the_temperature():
    logits = np.concatenate((np.linspace(-3, -1, 20), np.linspace(1, 3, 20)))
    scores = _scores(logits, logits > 0)
    card, calibrated = fix_thresholds(tiny_card(), scores, split="here", fallback=1.5)
    assert card.temperature == 1.5
    np.testing.assert_allclose(calibrated.probabilities, 1 / (1 + np.exp(-logits / 1.5)))
    assert card.operating_points["balanced"].sensitivity.value == 1.0
    assert fix_thresholds(tiny_card(), scores, split="here")[0].temperature == 0.05


def test_a_temperature_that_fits_is_taken():
    logits = np.random.default_rng(0).normal(size=400)
    targets = np.random.default_rng(1).random(400) < 1 / (1 + np.exp(-logits / 0.5))
    card, _ = fix_thresholds(tiny_card(), _scores(logits, targets), split="here", fallback=1.5)
    assert 0.3 < card.temperature < 0.8
    assert {point.split for point in card.operating_points.values()} == {"here"}


def test_one_label_fixes_nothing():
    with pytest.raises(DataError, match="here: all films have one label"):
        fix_thresholds(tiny_card(), _scores([1.0, 2.0], [True, True]), split="here")

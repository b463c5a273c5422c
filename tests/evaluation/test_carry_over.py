import numpy as np
import pytest

from evaluation.samples import families
from pneumoscope.evaluation.calibration import calibrated_probability
from pneumoscope.evaluation.carry_over import carry_over
from pneumoscope.evaluation.intervals import independent_difference
from pneumoscope.evaluation.operating_points import choose_operating_points
from pneumoscope.evaluation.scoring import Scores


def _scores(shift=0.0, seed=0, sources=None):
    sample = families(seed, 240, 1, 3.0)
    logits = sample.scores - 1.5 + shift
    return Scores(
        paths=tuple(f"{number}.png" for number in range(logits.size)),
        targets=sample.labels,
        patients=sample.patients,
        sources=np.full(logits.size, "east") if sources is None else sources,
        logits=logits,
        probabilities=calibrated_probability(logits),
        cams=(),
        failures=(),
    )


@pytest.fixture
def points():
    chosen = _scores(seed=1)
    return choose_operating_points(chosen.probabilities, chosen.targets, chosen.patients, split="there")


def test_rates_are_those_of_the_threshold(points):
    scores = _scores(shift=1.0)
    for row in carry_over(scores, points):
        found = scores.probabilities >= row.threshold
        assert row.threshold == points[row.operating_point].threshold
        assert row.sensitivity.found.value == found[scores.targets].mean()
        assert row.specificity.found.value == 1 - found[~scores.targets].mean()
        assert row.sensitivity.promised == points[row.operating_point].sensitivity
        assert row.split == "there"


def test_films_that_score_higher_keep_sensitivity_and_lose_specificity(points):
    (balanced,) = (row for row in carry_over(_scores(shift=2.0), points) if row.operating_point == "balanced")
    assert balanced.sensitivity.shift.value > 0
    assert balanced.specificity.shift.high < 0
    assert balanced.own_threshold > balanced.threshold


def test_like_films_keep_every_promise(points):
    for row in carry_over(_scores(seed=2), points):
        for rate in (row.sensitivity, row.specificity):
            assert rate.shift == independent_difference(rate.found, rate.promised)
            assert rate.shift.low < 0 < rate.shift.high


def test_their_own_threshold_is_what_the_rule_would_choose(points):
    scores = _scores(shift=1.0)
    own = choose_operating_points(scores.probabilities, scores.targets)
    for row in carry_over(scores, points):
        assert row.own_threshold == own[row.operating_point].threshold


def test_few_films_or_equal_scores_have_no_threshold_of_their_own(points):
    scores = _scores(sources=np.where(np.arange(240) < 40, "small", "large"))
    own = {row.group: row.own_threshold for row in carry_over(scores, points)}
    assert own["small"] is None
    assert own["large"] is not None
    object.__setattr__(scores, "probabilities", np.full(240, 0.5))
    assert {row.own_threshold for row in carry_over(scores, points)} == {None}


def test_a_source_of_one_label_is_left_out(points):
    scores = _scores()
    object.__setattr__(scores, "sources", np.where(scores.targets, "sick", "well"))
    assert {row.group for row in carry_over(scores, points)} == {"all sources"}

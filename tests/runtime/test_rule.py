"""Any threshold can be told what it gave, and nothing that was not measured."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pneumoscope.errors import UsageError
from pneumoscope.evaluation.operating_points import choose_operating_points, measure_curve
from pneumoscope.runtime.card import Card, Curve, Estimate
from pneumoscope.runtime.rule import OWN_THRESHOLD, Bounds, Rule, own_rule, point_rule
from tiny_bundle import tiny_card


def measured(seed: int) -> tuple[Card, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.random(400) < 0.4
    probabilities = 1 / (1 + np.exp(-generator.normal(2.0 * labels - 1.0, 1.2)))
    points = choose_operating_points(probabilities, labels)
    return tiny_card(operating_points=points), probabilities, labels


def test_operating_points_are_as_on_the_card() -> None:
    card = tiny_card()
    rule = point_rule(card, "rule-in")
    point = card.operating_points["rule-in"]
    assert rule == Rule("rule-in", 0.8, point.sensitivity, point.specificity, "validation")
    with pytest.raises(UsageError, match="'strict': choose one of screening, balanced, rule-in"):
        point_rule(card, "strict")


@given(st.integers(0, 5), st.floats(0.001, 0.999))
def test_rates_lie_within_the_bounds_that_are_told(seed: int, threshold: float) -> None:
    card, probabilities, labels = measured(seed)
    rule = own_rule(card, threshold)
    assert (rule.name, rule.threshold) == (OWN_THRESHOLD, threshold)
    assert isinstance(rule.sensitivity, Bounds)
    assert isinstance(rule.specificity, Bounds)
    found = probabilities >= threshold
    assert rule.sensitivity.low <= found[labels].mean() <= rule.sensitivity.high
    assert rule.specificity.low <= (~found)[~labels].mean() <= rule.specificity.high


@pytest.mark.parametrize(
    ("threshold", "between", "sensitivity", "specificity"),
    [
        (0.2, ("screening",), (0.97, 1.0), (0.0, 0.72)),
        (0.35, ("screening", "balanced"), (0.91, 0.97), (0.72, 0.90)),
        (0.6, ("balanced", "rule-in"), (0.70, 0.91), (0.90, 0.96)),
        (0.9, ("rule-in",), (0.0, 0.70), (0.96, 1.0)),
    ],
)
def test_neighbours_are_named(
    threshold: float,
    between: tuple[str, ...],
    sensitivity: tuple[float, float],
    specificity: tuple[float, float],
) -> None:
    rule = own_rule(tiny_card(), threshold)
    assert rule.between == between
    assert rule.sensitivity == Bounds(*sensitivity)
    assert rule.specificity == Bounds(*specificity)


def test_the_curve_stands_where_it_was_measured() -> None:
    card, probabilities, labels = measured(1)
    card = card.model_copy(update={"curve": measure_curve(probabilities, labels, split="held out")})
    for percent in (1, 29, 57, 99):
        rule = own_rule(card, percent / 100)
        assert rule.between == ()
        assert rule.split == "held out"
        assert isinstance(rule.sensitivity, Estimate)
        assert rule.sensitivity.value == pytest.approx((probabilities >= percent / 100)[labels].mean())
    assert isinstance(own_rule(card, 0.295).sensitivity, Bounds)


def test_a_threshold_beyond_the_curve_is_not_taken_for_its_end() -> None:
    rate = Estimate(value=0.5, low=0.4, high=0.6)
    curve = Curve(split="s", thresholds=(0.5,), sensitivity=(rate,), specificity=(rate,))
    card = tiny_card(curve=curve.model_dump())
    assert own_rule(card, 0.5).sensitivity == rate
    assert isinstance(own_rule(card, 0.6).sensitivity, Bounds)
    assert isinstance(own_rule(card, 0.4).sensitivity, Bounds)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.samples import films
from pneumoscope.errors import DataError
from pneumoscope.evaluation import metrics
from pneumoscope.evaluation.calibration import balanced_weights, calibrated_probability
from pneumoscope.evaluation.operating_points import (
    choose_operating_points,
    measure_curve,
    measure_operating_point,
)

ORDER = ("screening", "balanced", "rule-in")


def _sample(seed, separation, decimals=None):
    sample = films(seed, 240, separation, decimals=decimals)
    return calibrated_probability(sample.scores), sample.labels, sample.patients


def _rates(threshold, p, labels):
    return metrics.sensitivity(labels, p >= threshold), metrics.specificity(labels, p >= threshold)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("decimals", [None, 1])
def test_points_of_a_fair_model_equal_a_search_over_every_threshold(seed, decimals):
    p, labels, patients = _sample(seed, 1.5, decimals)
    points = choose_operating_points(p, labels, patients)
    every = [_rates(t, p, labels) for t in np.unique(p)]
    screening, rule_in = points["screening"], points["rule-in"]
    assert screening.specificity.value == max(spec for sens, spec in every if sens >= 0.95)
    assert rule_in.sensitivity.value == max(sens for sens, spec in every if spec >= 0.95)
    balanced = points["balanced"]
    gap = abs(balanced.sensitivity.value - balanced.specificity.value)
    assert gap == pytest.approx(min(abs(sens - spec) for sens, spec in every))


@given(
    st.lists(st.tuples(st.floats(0.001, 0.999), st.booleans(), st.integers(0, 9)), min_size=4, max_size=60)
)
def test_promises_hold_for_any_scores(rows):
    p, labels, patients = (np.array(column) for column in zip(*rows, strict=True))
    if labels.all() or not labels.any() or np.unique(p).size < 2:
        with pytest.raises(DataError):
            choose_operating_points(p, labels, patients)
        return
    points = choose_operating_points(p, labels, patients)
    assert points["screening"].sensitivity.value >= 0.95
    assert points["rule-in"].specificity.value >= 0.95
    thresholds = [points[name].threshold for name in ORDER]
    assert thresholds == sorted(thresholds)
    for point in points.values():
        sens, spec = _rates(point.threshold, p, labels)
        assert (point.sensitivity.value, point.specificity.value) == pytest.approx((sens, spec))
        assert point.sensitivity.low <= sens <= point.sensitivity.high
        assert point.specificity.low <= spec <= point.specificity.high


def test_a_threshold_lies_midway_between_scores():
    points = choose_operating_points([0.1, 0.2, 0.6, 0.9], [0, 0, 1, 1])
    assert [point.threshold for point in points.values()] == pytest.approx([0.4, 0.4, 0.4])


def test_adjacent_floats_are_still_told_apart():
    low = 0.5
    high = float(np.nextafter(low, 1.0))
    balanced = choose_operating_points([low, low, high, high], [0, 0, 1, 1])["balanced"]
    assert (balanced.sensitivity.value, balanced.specificity.value) == (1.0, 1.0)


def test_a_model_beyond_both_targets_screens_more_sensitively_than_it_rules_in():
    sample = films(0, 3000, 3.8)
    p, labels, patients = calibrated_probability(sample.scores), sample.labels, sample.patients
    points = choose_operating_points(p, labels, patients)
    assert points["screening"].threshold < points["rule-in"].threshold
    assert points["screening"].sensitivity.value >= points["rule-in"].sensitivity.value
    assert points["rule-in"].specificity.value > points["screening"].specificity.value >= 0.95
    assert points["rule-in"].sensitivity.value >= 0.95


def test_weights_give_the_small_source_its_say():
    """Two sources of which the small one scores higher: alone, the large one would decide."""
    generator = np.random.default_rng(0)
    sources = np.repeat(["large", "small"], [900, 100])
    labels = generator.random(1000) < 0.5
    p = calibrated_probability(generator.normal(size=1000) + 2 * labels + 2 * (sources == "small"))
    plain = choose_operating_points(p, labels)["balanced"].threshold
    fair = choose_operating_points(p, labels, weights=balanced_weights(sources, labels))["balanced"].threshold
    rates = [
        np.mean(
            [metrics.specificity(labels[sources == s], (p >= t)[sources == s]) for s in ("large", "small")]
        )
        for t in (plain, fair)
    ]
    assert fair > plain
    assert rates[1] > rates[0] + 0.05


def test_weights_alone_do_not_change_what_is_on_record():
    p, labels, patients = _sample(0, 1.5)
    point = choose_operating_points(p, labels, patients, weights=1 + np.arange(240) % 5)["balanced"]
    assert point == measure_operating_point(point.threshold, p, labels, patients, split="validation")


def test_every_point_of_a_curve_is_counted_on_the_films():
    p, labels, patients = _sample(2, 1.5)
    curve = measure_curve(p, labels, patients, split="s")
    assert curve.thresholds == tuple(percent / 100 for percent in range(1, 100))
    told = zip(curve.thresholds, curve.sensitivity, curve.specificity, strict=True)
    for threshold, sensitivity, specificity in told:
        rates = _rates(threshold, p, labels)
        assert (sensitivity.value, specificity.value) == pytest.approx(rates)
    at = curve.thresholds.index(0.4)
    point = measure_operating_point(0.4, p, labels, patients, split="s")
    assert (curve.sensitivity[at], curve.specificity[at]) == (point.sensitivity, point.specificity)


def test_intervals_count_patients():
    p, labels, _ = _sample(0, 1.5)
    films_apart = measure_operating_point(0.6, p, labels, split="s")
    few = measure_operating_point(
        0.6, np.repeat(p, 5), np.repeat(labels, 5), np.repeat(np.arange(240), 5), split="s"
    )
    many = measure_operating_point(0.6, np.repeat(p, 5), np.repeat(labels, 5), split="s")
    assert few.sensitivity.low == pytest.approx(films_apart.sensitivity.low, abs=0.01)
    assert many.sensitivity.low > few.sensitivity.low + 0.02


@pytest.mark.parametrize(
    ("p", "labels", "message"),
    [
        ([0.1, 0.9], [1, 1], "both labels"),
        ([0.1, 0.9], [0, 0], "both labels"),
        ([], [], "both labels"),
        ([0.5, 0.5, 0.5], [0, 1, 1], "one score"),
        ([0.5, 1.5], [0, 1], "outside"),
        ([0.5, np.nan], [0, 1], "outside"),
        ([0.5, 0.6], [0, 1, 1], "labels"),
        ([1.0, 1.0, 0.5], [0, 1, 0], "no threshold"),
    ],
)
def test_scores_without_an_operating_point_are_refused(p, labels, message):
    with pytest.raises(DataError, match=message):
        choose_operating_points(p, labels)


def test_measuring_films_of_one_label_is_refused():
    with pytest.raises(DataError, match=r"test: .* both labels"):
        measure_operating_point(0.5, [0.1, 0.2], [1, 1], split="test")

import numpy as np
import pytest
from sklearn import metrics as reference

from evaluation.samples import families
from pneumoscope.evaluation.calibration import calibrated_probability
from pneumoscope.evaluation.scoring import Scores
from pneumoscope.evaluation.summary import (
    POOLED,
    card_evaluation,
    summarise,
    summarise_facets,
    summarise_group,
)

THRESHOLDS = {"screening": 0.3, "balanced": 0.5, "rule-in": 0.7}


def _scores(**changes):
    sample = families(0, 60, 3, 2.0)
    logits = sample.scores - 1.0
    columns = {
        "paths": tuple(f"{number}.png" for number in range(logits.size)),
        "targets": sample.labels,
        "patients": sample.patients,
        "sources": np.where(np.arange(logits.size) % 9 < 3, "west", "east"),
        "logits": logits,
        "probabilities": calibrated_probability(logits),
        "cams": (),
        "failures": (),
    }
    return Scores(**(columns | changes))


def test_every_figure_equals_scikit_learn():
    scores = _scores()
    summary = summarise(scores, THRESHOLDS)[0]
    y, p = scores.targets, scores.probabilities
    assert (summary.films, summary.patients, summary.positives) == (180, 60, int(y.sum()))
    assert summary.metrics["auc"].value == pytest.approx(reference.roc_auc_score(y, p))
    assert summary.metrics["brier"].value == pytest.approx(reference.brier_score_loss(y, p))
    expected = reference.average_precision_score(y, p)
    assert summary.metrics["average_precision"].value == pytest.approx(expected)
    for name, threshold in THRESHOLDS.items():
        point = summary.operating_points[name]
        negatives, false_positives, false_negatives, positives = reference.confusion_matrix(
            y, p >= threshold
        ).ravel()
        assert (point.true_negatives, point.false_positives) == (negatives, false_positives)
        assert (point.false_negatives, point.true_positives) == (false_negatives, positives)
        assert point.metrics["f1"].value == pytest.approx(reference.f1_score(y, p >= threshold))
        assert point.metrics["sensitivity"].value == pytest.approx(reference.recall_score(y, p >= threshold))
        assert point.metrics["specificity"].value == pytest.approx(negatives / (negatives + false_positives))
        assert point.metrics["accuracy"].value == pytest.approx(reference.accuracy_score(y, p >= threshold))


def test_every_interval_holds_its_value():
    for group in summarise(_scores(), THRESHOLDS):
        points = [point.metrics for point in group.operating_points.values()]
        for metrics in (group.metrics, *points):
            for name, estimate in metrics.items():
                assert estimate.low <= estimate.value <= estimate.high, name


def test_sources_stand_beside_the_pool():
    scores = _scores()
    groups = {group.group: group for group in summarise(scores, THRESHOLDS)}
    assert list(groups) == [POOLED, "east", "west"]
    assert groups["east"].films + groups["west"].films == groups[POOLED].films == 180
    west = scores.sources == "west"
    expected = reference.roc_auc_score(scores.targets[west], scores.probabilities[west])
    assert groups["west"].metrics["auc"].value == pytest.approx(expected)


def test_one_source_is_not_told_twice():
    groups = summarise(_scores(sources=np.full(180, "east")), THRESHOLDS)
    assert [group.group for group in groups] == ["east"]


@pytest.mark.parametrize(("label", "defined"), [(True, "sensitivity"), (False, "specificity")])
def test_what_one_label_cannot_say_is_left_out(label, defined):
    scores = _scores()
    kept = scores.targets == label
    group = summarise_group(
        "tuberculosis", scores.targets[kept], scores.probabilities[kept], scores.patients[kept], THRESHOLDS
    )
    assert "auc" not in group.metrics
    rates = set(group.operating_points["balanced"].metrics)
    assert defined in rates
    assert len(rates & {"sensitivity", "specificity"}) == 1
    assert "brier" in group.metrics


def test_a_card_keeps_every_figure_with_its_command():
    group = summarise(_scores(), THRESHOLDS)[0]
    evaluation = card_evaluation(group, "all sources:test", "pneumoscope evaluate tiny")
    assert (evaluation.split, evaluation.command) == ("all sources:test", "pneumoscope evaluate tiny")
    assert (evaluation.films, evaluation.patients, evaluation.positives) == (180, 60, group.positives)
    assert evaluation.metrics["auc"] == group.metrics["auc"]
    point = group.operating_points["rule-in"]
    assert evaluation.metrics["specificity@rule-in"] == point.metrics["specificity"]
    assert len(evaluation.metrics) == len(group.metrics) + 3 * len(point.metrics)


@pytest.mark.parametrize("films", [40, 3000])
def test_curves_are_thinned_without_losing_their_shape(films):
    sample = families(1, films, 1, 1.5)
    p = calibrated_probability(sample.scores)
    group = summarise_group("made", sample.labels, p, sample.patients, THRESHOLDS)
    assert len(group.roc) <= 200
    assert (group.roc[0], group.roc[-1]) == ((0.0, 0.0), (1.0, 1.0))
    x, y = np.transpose(group.roc)
    assert np.trapezoid(y, x) == pytest.approx(group.metrics["auc"].value, abs=0.004)
    recall, _ = np.transpose(group.precision_recall)
    assert len(recall) <= 200
    assert recall[-1] == 1.0


def test_one_label_has_no_curves():
    group = summarise_group(
        "made", np.ones(4, bool), np.linspace(0, 1, 4), np.arange(4).astype(str), THRESHOLDS
    )
    assert (group.roc, group.precision_recall) == ([], [])


def _facets(**columns):
    sources = np.where(np.arange(180) < 60, "west", "east")
    return {
        found.facet: found for found in summarise_facets(_scores(sources=sources, facets=columns), THRESHOLDS)
    }


def test_kinds_of_films_stand_over_all_sources_and_within_each():
    views = np.where(np.arange(180) % 2, "AP", "PA")
    views[:10] = ""
    found = _facets(view=views)["view"]
    names = [group.group for group in found.groups]
    assert names == ["AP", "PA", "AP, east", "PA, east", "AP, west", "PA, west"]
    assert (found.films, found.unknown) == (170, 10)
    films = {group.group: group.films for group in found.groups}
    assert films == {"AP": 85, "PA": 85, "AP, east": 60, "PA, east": 60, "AP, west": 25, "PA, west": 25}
    scores = _scores()
    inside = (views == "AP") & (np.arange(180) >= 60)
    expected = reference.roc_auc_score(scores.targets[inside], scores.probabilities[inside])
    (group,) = (group for group in found.groups if group.group == "AP, east")
    assert group.metrics["auc"].value == pytest.approx(expected)


def test_what_only_one_source_says_is_told_once_and_ages_rise():
    ages = np.array(["", "40 to 64 years", "5 to 17 years"])[np.arange(180) % 3]
    ages[:60] = ""
    groups = _facets(**{"age group": ages})["age group"].groups
    assert [group.group for group in groups] == ["5 to 17 years, east", "40 to 64 years, east"]
    assert [group.films for group in groups] == [40, 40]


def test_a_view_may_be_called_anything():
    odd = np.array(["2-view", "1-view"] * 90)
    assert [group.group for group in _facets(view=odd)["view"].groups][:2] == ["1-view", "2-view"]


def test_what_divides_no_films_is_left_out():
    assert _facets(view=np.full(180, ""), population=np.full(180, "adult")) == {}
    both = np.where(np.arange(180) < 60, "adult", "paediatric")
    assert [group.group for group in _facets(population=both)["population"].groups] == ["adult", "paediatric"]

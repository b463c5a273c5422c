from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from data.made_films import artificial_films, resized
from pneumoscope.data.audit.baselines import measure_baselines
from pneumoscope.data.joined import Roots

TARGETS = {"PNEUMONIA": 1, "NORMAL": 0}


def wide_where_sick(made, generator):
    width = (150 if made.sick else 120) + int(generator.integers(8))
    made.pixels = resized(made, 130, width)


def some(rows, split="test"):
    return [row for row in rows if row.split == split and row.label in TARGETS]


def scored(rows, split="test", noise=0.8):
    """A bundle that sees the disease through some noise."""
    generator = np.random.default_rng(0)
    return {row.path: TARGETS[row.label] + noise * generator.normal() for row in some(rows, split)}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("films")
    return root, artificial_films(root, 5, patients=330, plant=wide_where_sick)


@pytest.fixture(scope="module")
def plates(tmp_path_factory):
    return tmp_path_factory.mktemp("plates")


def test_a_planted_shortcut_stands_out_and_others_do_not(made, plates):
    root, rows = made
    found = {
        each.check: each for each in measure_baselines(rows, root, scored(rows), TARGETS, "test", plates)
    }
    assert found["aspect-ratio"].auc.low > 0.95
    assert found["age"].auc.low < 0.6
    assert found["border"].auc.value < found["aspect-ratio"].auc.value
    assert {each.fitted_on for each in found.values()} == {"films of earlier splits"}
    assert {each.group for each in found.values()} == {"here"}


def test_the_bundle_is_measured_on_the_same_films(made, plates):
    root, rows = made
    probabilities = scored(rows)
    asked = some(rows)
    expected = roc_auc_score(
        [TARGETS[row.label] for row in asked], [probabilities[row.path] for row in asked]
    )
    for each in measure_baselines(rows, root, probabilities, TARGETS, "test", plates):
        assert each.films == len(asked)
        assert each.positives == sum(TARGETS[row.label] for row in asked)
        assert each.model.value == pytest.approx(expected)
        assert each.difference.difference.value == pytest.approx(each.model.value - each.auc.value)


def test_films_that_the_bundle_did_not_score_are_asked_about_by_nobody(made, plates):
    root, rows = made
    fewer = dict(list(scored(rows).items())[:-5])
    found = measure_baselines(rows, root, fewer, TARGETS, "test", plates)
    assert {each.films for each in found} == {len(fewer)}


def test_nothing_is_fitted_on_the_test_split_before_it_is_its_turn(made, plates):
    """The test films contradict the shortcut; a classifier that had seen them would know."""
    root, rows = made
    turned = [
        replace(row, label={"PNEUMONIA": "NORMAL", "NORMAL": "PNEUMONIA"}[row.label])
        if row.split == "test"
        else row
        for row in rows
    ]
    early = measure_baselines(turned, root, scored(turned, "validation"), TARGETS, "validation", plates)
    late = measure_baselines(turned, root, scored(turned), TARGETS, "test", plates)
    assert next(each for each in early if each.check == "aspect-ratio").auc.low > 0.9
    assert next(each for each in late if each.check == "aspect-ratio").auc.high < 0.1


def test_without_earlier_splits_it_is_cross_validated(made, plates):
    root, rows = made
    found = measure_baselines(rows, root, scored(rows, "train"), TARGETS, "train", plates)
    assert {each.fitted_on for each in found} == {"other patients of these films"}
    assert next(each for each in found if each.check == "aspect-ratio").auc.low > 0.95


def test_sources_are_asked_about_together_and_alone_where_they_have_enough_films(made, plates):
    root, rows = made
    two = [replace(row, source=row.label or "") for row in rows]
    together = {
        each.check: each for each in measure_baselines(two, root, scored(two), TARGETS, "test", plates)
    }
    assert together["source-name"].group == "all sources"
    assert together["source-name"].auc.value == 1.0, "here the source is the label"
    mixed = [replace(row, source="here" if number % 6 else "there") for number, row in enumerate(rows)]
    groups = {each.group for each in measure_baselines(mixed, root, scored(mixed), TARGETS, "test", plates)}
    assert groups == {"all sources", "here"}


def test_too_few_films_answer_nothing(made, plates):
    root, rows = made
    few = dict(list(scored(rows).items())[:20])
    assert measure_baselines(rows, root, few, TARGETS, "test", plates) == []
    assert measure_baselines(rows, root, {}, TARGETS, "test", plates) == []


def test_several_manifests_have_several_roots(made, plates):
    root, rows = made
    roots = Roots({row.path: root for row in rows})
    assert measure_baselines(rows, roots, scored(rows), TARGETS, "test", plates) == measure_baselines(
        rows, root, scored(rows), TARGETS, "test", plates
    )

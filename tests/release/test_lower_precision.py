"""A bundle in lower precision is measured against the exact one and refused where it loses much."""

from dataclasses import replace

import pytest

from pneumoscope.data.manifest import manifest_sha256
from pneumoscope.errors import DataError, UsageError
from pneumoscope.evaluation.films import manifest_films
from pneumoscope.evaluation.scoring import score_films
from pneumoscope.release.lower_precision import LowerOptions, lower_bundle
from pneumoscope.runtime.bundle import open_bundle, write_bundle
from pneumoscope.runtime.predictor import Predictor
from tiny_bundle import make_tiny_bundle
from tiny_training import make_recipe, make_rows

LOOSE = LowerOptions("int8", calibration_films=16, most_loss=1.0, margin=1.0, workers=1)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    root = tmp_path_factory.mktemp("films")
    rows = make_rows(root, train=24, validation=24)
    return [replace(row, split="test") if number >= 40 else row for number, row in enumerate(rows)], root


@pytest.fixture(scope="module")
def exact(films, tmp_path_factory):
    recipe = make_recipe().model_dump(mode="json")
    sha256 = manifest_sha256(films[0])
    directory = tmp_path_factory.mktemp("exact")
    return open_bundle(make_tiny_bundle(directory, recipe=recipe, training_manifest_sha256=sha256))


@pytest.fixture(scope="module")
def lowered(exact, films):
    return lower_bundle(exact, *films, replace(LOOSE, evaluate=(("east", "test"), ("all", "test"))))


def test_thresholds_stay_and_what_they_give_is_measured_anew(exact, lowered, films, tmp_path):
    write_bundle(tmp_path / "lower", lowered.onnx, lowered.card, "# lower\n")
    made = open_bundle(tmp_path / "lower")
    assert made.identity == "tiny 0.1.0+int8"
    assert made.card.arithmetic == "int8"
    assert made.card.temperature == exact.card.temperature
    rows, root = films
    scores = score_films(Predictor(made), manifest_films(rows, root, "validation"), workers=1)
    for name, point in exact.card.operating_points.items():
        again = made.card.operating_points[name]
        assert again.threshold == point.threshold
        found = scores.probabilities >= point.threshold
        assert again.sensitivity.value == pytest.approx(found[scores.targets].mean())
        assert again.specificity.value == pytest.approx(1 - found[~scores.targets].mean())


def test_the_card_says_what_it_was_made_from_and_what_it_lost(exact, lowered, films):
    loss = lowered.card.lower_precision
    assert loss == lowered.loss
    assert (loss.made_from, loss.made_from_sha256) == (exact.identity, exact.sha256)
    assert loss.calibrated_on == "16 training films of east, west"
    assert loss.split == "validation of east, west"
    assert loss.films == 16
    assert set(loss.auc) == {"east", "west"}
    assert 0 < loss.rms_logit_change <= loss.largest_logit_change < 1
    assert 0 < loss.rms_map_change < 0.05


def test_its_evaluations_are_its_own(exact, lowered):
    splits = [evaluation.split for evaluation in lowered.card.evaluations]
    assert splits == [
        "all sources:validation",
        "east:validation",
        "west:validation",
        "east:test",
        "all sources:test",
        "west:test",
    ]
    assert exact.card.evaluations[0] not in lowered.card.evaluations
    assert lowered.card.evaluations[3].command == (
        "pneumoscope evaluate tiny --manifest manifest.parquet --root ROOT --split test --source east"
    )


def test_a_loss_beyond_what_is_allowed_is_refused(exact, films, monkeypatch):
    def lose(auc_change, margin):
        def measured(*given, **stated):
            loss = measure_loss(*given, **stated)
            return loss.model_copy(update={"auc_change": auc_change, "margin": margin})

        return measured

    from pneumoscope.release import lower_precision

    measure_loss = lower_precision.measure_loss
    options = replace(LOOSE, most_loss=0.001, margin=0.05)
    monkeypatch.setattr(lower_precision, "measure_loss", lose({"east": 0.01, "west": -0.002}, 0.0))
    with pytest.raises(DataError, match=r"loses 0\.0020 of AUC on west, more than the 0\.001"):
        lower_bundle(exact, *films, options)
    monkeypatch.setattr(lower_precision, "measure_loss", lose({"east": -0.001, "west": 0.0}, 0.06))
    with pytest.raises(DataError, match=r"0\.060 away from the threshold, more than the 0\.05"):
        lower_bundle(exact, *films, options)
    monkeypatch.setattr(lower_precision, "measure_loss", lose({"east": -0.001}, 0.05))
    assert lower_bundle(exact, *films, options).loss.margin == 0.05


def test_what_cannot_be_compared_is_refused(exact, lowered, films):
    rows, root = films
    with pytest.raises(UsageError, match="compare on validation"):
        lower_bundle(exact, rows, root, replace(LOOSE, split="test"))
    with pytest.raises(UsageError, match=r"is not the manifest that tiny 0\.1\.0 was trained on"):
        lower_bundle(exact, rows[1:], root, LOOSE)
    assert lower_bundle(exact, rows[1:], root, replace(LOOSE, other_manifest=True)).loss.films == 16
    again = replace(exact, card=lowered.card)
    with pytest.raises(UsageError, match=r"in lower precision already: start from tiny 0\.1\.0$"):
        lower_bundle(again, rows, root, LOOSE)
    unknown = replace(exact, card=exact.card.model_copy(update={"recipe": {"epochs": 0}}))
    with pytest.raises(UsageError, match="does not say which labels"):
        lower_bundle(unknown, rows, root, LOOSE)


def test_an_ensemble_is_measured_on_what_its_first_was_trained_on(exact, films):
    recipe = {"ensemble": [exact.card.recipe, exact.card.recipe]}
    pair = replace(exact, card=exact.card.model_copy(update={"recipe": recipe}))
    assert lower_bundle(pair, *films, LOOSE).loss.films == 16

import csv
import io
import json

import numpy as np
import pytest

from evaluation.tiny_films import tiny_bundle, tiny_films
from pneumoscope.evaluation.intervals import delong_test, mcnemar
from pneumoscope.evaluation.report import compare_scores, evaluate_bundle, scores_csv
from pneumoscope.evaluation.scoring import score_films
from pneumoscope.runtime.predictor import Predictor


@pytest.fixture
def bundle(tmp_path):
    return tiny_bundle(tmp_path / "bundle")


def test_the_json_holds_every_group_and_failure(bundle, tmp_path):
    films = tiny_films(tmp_path / "films")
    films[3].path.write_text("no image")
    report = evaluate_bundle(bundle, films)
    told = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert (told["model"], told["sha256"], told["temperature"]) == ("tiny 0.1.0", bundle.sha256, 1.5)
    assert [group["group"] for group in told["groups"]] == ["all sources", "east", "west"]
    assert told["groups"][0]["films"] == 23
    assert [failure["path"] for failure in told["failures"]] == [str(films[3].path)]
    balanced = told["groups"][0]["operating_points"]["balanced"]
    assert balanced["threshold"] == 0.5
    assert balanced["true_positives"] + balanced["false_negatives"] == told["groups"][0]["positives"]
    assert set(told["groups"][0]["metrics"]["auc"]) == {"value", "low", "high"}
    bins = told["groups"][0]["reliability"]
    assert sum(row["films"] for row in bins) == 23
    assert told["compared_with"] is None
    assert told["comparison"] == []


def test_findings_are_those_of_predict(bundle, tmp_path):
    films = tiny_films(tmp_path / "films")
    group = evaluate_bundle(bundle, films).groups[0]
    for name, point in group.operating_points.items():
        predictor = Predictor(bundle, operating_point=name)
        found = sum(predictor.predict(film.path).finding == "PNEUMONIA" for film in films)
        assert point.true_positives + point.false_positives == found


def test_a_bundle_does_not_differ_from_itself(bundle, tmp_path):
    report = evaluate_bundle(bundle, tiny_films(tmp_path / "films"), rival=bundle)
    assert [comparison.group for comparison in report.comparison] == ["all sources", "east", "west"]
    for comparison in report.comparison:
        assert comparison.auc is not None
        assert comparison.auc.difference.value == 0.0
        assert set(comparison.mcnemar.values()) == {1.0}
    assert report.rival == "tiny 0.1.0"


def test_bundles_are_compared_on_the_films_that_both_scored(bundle, tmp_path):
    films = tiny_films(tmp_path / "films")
    first = score_films(Predictor(bundle), films)
    films[0].path.write_text("no image")
    films[5].path.write_text("no image")
    second = score_films(Predictor(bundle), films)
    mixed = np.roll(second.probabilities, 1)
    object.__setattr__(second, "probabilities", mixed)
    pooled = compare_scores(first, {"balanced": 0.5}, second, {"balanced": 0.4})[0]
    common = [number for number in range(len(films)) if number not in (0, 5)]
    y, p = first.targets[common], first.probabilities[common]
    assert pooled.films == 22
    assert pooled.auc == delong_test(y, p, mixed, first.patients[common])
    assert pooled.mcnemar == {"balanced": mcnemar((p >= 0.5) == y, (mixed >= 0.4) == y)}


def test_progress_counts_both_bundles(bundle, tmp_path):
    done = []
    evaluate_bundle(bundle, tiny_films(tmp_path / "films", 4), rival=bundle, progress=done.append)
    assert done == list(range(1, 9))


def test_the_csv_holds_one_line_per_film(bundle, tmp_path):
    films = tiny_films(tmp_path / "films", 4)
    films[2].path.write_text("no image")
    scores = score_films(Predictor(bundle), films)
    lines = list(csv.DictReader(io.StringIO(scores_csv(scores))))
    assert [line["path"] for line in lines] == [str(films[number].path) for number in (0, 1, 3, 2)]
    assert [line["status"] for line in lines] == ["ok", "ok", "ok", "error"]
    assert [float(line["probability"]) for line in lines[:3]] == scores.probabilities.tolist()
    assert [line["target"] for line in lines[:3]] == ["0", "1", "1"]


def test_the_worst_films_are_the_most_confident_errors(bundle, tmp_path):
    report = evaluate_bundle(bundle, tiny_films(tmp_path / "films"))
    p, y = report.scores.probabilities, report.scores.targets
    worst = report.worst()
    wrong = (p > 0.5) != y
    assert len(worst) == int(wrong.sum()) > 0
    distances = [abs(film["probability"] - film["target"]) for film in worst]
    assert distances == sorted(distances, reverse=True)
    assert distances[0] == np.abs(p - y).max()
    assert report.worst(1) == worst[:1]

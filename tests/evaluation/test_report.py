import csv
import io
import json

import pytest

from evaluation.tiny_films import tiny_bundle, tiny_films
from pneumoscope.evaluation.report import evaluate_bundle, scores_csv
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


def test_the_worst_films_are_those_of_the_balanced_threshold(bundle, tmp_path):
    report = evaluate_bundle(bundle, tiny_films(tmp_path / "films"))
    p, y = report.scores.probabilities, report.scores.targets
    wrong = (p >= bundle.card.operating_points["balanced"].threshold) != y
    told = report.to_json()["worst"]
    assert set(told) == {"missed", "overcalled"}
    films = [film for kind in told.values() for film in kind]
    expected = {path for path, is_wrong in zip(report.scores.paths, wrong, strict=True) if is_wrong}
    assert {film["path"] for film in films} == expected
    assert all(set(film) == {"path", "source", "probability"} for film in films)
    assert films


def test_the_json_says_what_was_told_from_what_and_what_was_trained_on(bundle, tmp_path):
    films_of = {"split": "test", "negative": ["OTHER"]}
    told = evaluate_bundle(bundle, tiny_films(tmp_path / "films"), films_of=films_of).to_json()
    assert told["films_of"] == films_of
    assert told["trained_on"] == ["none"]
    assert (told["baselines"], told["stress"]) == ([], [])
    rows = [(row["group"], row["operating_point"]) for row in told["thresholds"]]
    assert len(rows) == 9
    assert rows[0] == ("all sources", "screening")

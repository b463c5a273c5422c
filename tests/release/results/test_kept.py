"""Pages written from measurements that were kept are those that were written when all was at hand."""

import gzip
import json
import shutil

import numpy as np
import pytest

from pneumoscope.errors import DataError
from pneumoscope.release.results import Plan, gather_results, write_kept
from pneumoscope.release.results.kept import Kept, read_kept
from release.made_results import Made

STRESS = {"films_of": {"negative": ["NORMAL"]}, "stress": [], "baselines": []}


@pytest.fixture
def made(tmp_path):
    made = Made(tmp_path)
    made.entry("one", 2.5)
    made.entry("two", 0.5, seed=4)
    made.plan["comparisons"] = [{"first": "one", "second": "two"}]
    made.plan["left_out"] = [
        {"name": "no-east", "title": "No east", "recipe": "made.yaml", "without": ["east"]}
    ]
    made.plan["reference"] = "two"
    made.entry("no-east", 1.0)
    sha256 = made.gather()["bundles"]["one"]["sha256"]
    stress = made.places.runs / "evaluations" / "one-test-stress.json"
    stress.write_text(json.dumps({"sha256": sha256, **STRESS}))
    return made


@pytest.fixture
def file(made):
    """What was kept when all was at hand."""
    path = made.places.runs.parent / "kept.json.gz"
    write_kept(path, gather(made, path).kept)
    return path


def gather(made, path):
    return gather_results(Plan.model_validate(made.plan), made.places, path)


def lose(made, *names):
    for name in names:
        shutil.rmtree(made.places.runs / name)
        shutil.rmtree(made.places.runs / "bundles" / name)
        for path in (made.places.runs / "evaluations").glob(f"{name}-test*"):
            path.unlink()


def test_a_page_from_what_was_kept_is_the_page_of_what_was_at_hand(made, file):
    before = gather(made, file)
    assert before.told["kept"] == []
    assert before.told["extras"][0]["stress"] == {"negative": ["NORMAL"], "changes": [], "baselines": []}
    lose(made, "one", "two", "no-east")
    after = gather(made, file)
    assert after.told.pop("kept") == ["one", "two", "no-east"]
    before.told.pop("kept")
    for key, value in before.told.items():
        if key != "missing":
            np.testing.assert_equal(_rounded(after.told[key]), _rounded(value), err_msg=key)
    assert after.told["missing"] == []
    assert after.kept == before.kept


def _rounded(value):
    """Probabilities are kept to nine digits."""
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return round(value, 6) if isinstance(value, float) else value


def test_what_is_new_goes_before_what_was_kept(made, file):
    lose(made, "one")
    made.entry("one", 0.1)
    told, kept = gather(made, file)
    assert told["kept"] == []
    auc = told["groups"][0]["rows"][0]["metrics"]["auc"]["value"]
    write_kept(file, kept)
    lose(made, "one")
    again = gather(made, file).told
    assert again["kept"] == ["one"]
    assert again["groups"][0]["rows"][0]["metrics"]["auc"]["value"] == pytest.approx(auc, abs=1e-6)


def test_a_run_trained_again_is_not_shown_with_scores_of_the_old_one(made, file):
    lose(made, "one")
    made.run("one")
    told = gather(made, file).told
    assert told["kept"] == []
    assert told["missing"] == ["First: there is no bundle of it"]


def test_a_network_that_the_plan_makes_otherwise_is_not_taken(made, file):
    lose(made, "one")
    made.plan["ladder"] = [{"name": "one", "title": "First", "members": ["two"]}, made.plan["ladder"][1]]
    assert gather(made, file).told["missing"] == ["First: there is no bundle of it"]


def test_a_recipe_that_the_plan_no_longer_names_is_told(made, file):
    lose(made, "one")
    first, second = made.plan["ladder"]
    made.plan["ladder"] = [first | {"set": ["batch_size=16"]}, second]
    told = gather(made, file).told
    assert told["kept"] == ["one"]
    assert told["missing"] == ["First: its run was not made by the command below: batch_size differ"]


def test_what_the_plan_has_no_more_is_not_kept_on(made, file):
    made.plan["ladder"] = made.plan["ladder"][1:]
    made.plan["comparisons"] = []
    kept = gather(made, file).kept
    assert set(kept.networks) == set(kept.runs) == {"two", "no-east"}


def test_a_teacher_that_was_kept_is_known_by_its_weights(made, file):
    weights = made.places.runs / "one" / "weights.safetensors"
    weights.write_bytes(b"weights of the teacher")
    first, second = made.plan["ladder"]
    made.plan["ladder"] = [first, second | {"teachers": ["one"]}]
    write_kept(file, gather(made, file).kept)
    record = made.places.runs / "two" / "run.json"
    sha256 = gather(made, file).kept.runs["one"].weights_sha256
    record.write_text(
        json.dumps(json.loads(record.read_text()) | {"taught_by": [{"weights_sha256": sha256}]})
    )
    lose(made, "one")
    assert gather(made, file).told["missing"] == []
    record.write_text(
        json.dumps(json.loads(record.read_text()) | {"taught_by": [{"weights_sha256": "0" * 64}]})
    )
    assert "was not taught by" in gather(made, file).told["missing"][0]


def test_without_a_file_nothing_is_kept(made, tmp_path):
    assert read_kept(tmp_path / "none.json.gz", "a" * 64, "test") is None
    assert gather(made, tmp_path / "none.json.gz").told["kept"] == []


def test_the_same_measurements_give_the_same_bytes(made, file):
    before = file.read_bytes()
    write_kept(file, gather(made, file).kept)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [
        b"no archive",
        gzip.compress(b"no JSON"),
        gzip.compress(b"[]"),
        gzip.compress(b'{"version": 2}'),
        gzip.compress(b'{"version": 1}')[:-9],
    ],
    ids=["no archive", "no JSON", "a list", "another version", "cut short"],  # an archive tells the time
)
def test_what_is_no_file_of_measurements_is_refused(made, file, content):
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"kept\.json\.gz holds no measurements of this version"):
        gather(made, file)


def test_measurements_of_other_films_are_refused(made, file):
    made.plan["split"] = "validation"
    with pytest.raises(DataError, match="holds measurements of the test split of another manifest"):
        gather(made, file)


def test_every_network_has_a_score_of_every_film(made, file):
    kept = gather(made, file).kept
    values = kept.model_dump()
    values["networks"]["one"]["probabilities"] = (0.5,)
    with pytest.raises(ValueError, match="one has 1 scores of 120 films"):
        Kept.model_validate(values)

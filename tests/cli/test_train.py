import json
import re
import shutil
import sys
from dataclasses import replace

import pytest
import torch
import yaml

from data.made_audit import made_audit
from pneumoscope.cli import main as entry
from pneumoscope.data.manifest import manifest_sha256, read_manifest, write_manifest
from pneumoscope.training import checkpoint
from tiny_training import make_rows


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    root = tmp_path_factory.mktemp("ground")
    write_manifest(make_rows(root / "films", train=16, validation=8), root / "manifest.parquet")
    recipe = {
        "name": "tiny",
        "model": {"name": "simple_cnn"},
        "stages": [{"epochs": 1, "size": 32}],
        "batch_size": 8,
        "precision": "fp32",
        "threads": 1,
        "log_every": 1,
    }
    (root / "tiny.yaml").write_text(yaml.safe_dump(recipe))
    return root


@pytest.fixture
def train(ground, monkeypatch, capsys):
    """Run `pneumoscope train` and return (exit status, standard output, standard error)."""

    def run(*options, recipe="tiny.yaml", manifest="manifest.parquet", root="films"):
        words = ["pneumoscope", "train", recipe, "--manifest", manifest, "--root", root, "--workers", "1"]
        monkeypatch.setattr(sys, "argv", [*words, *map(str, options)])
        monkeypatch.chdir(ground)
        with pytest.raises(SystemExit) as caught:
            entry.main()
        out, err = capsys.readouterr()
        return caught.value.code or 0, out, err

    return run


def test_a_recipe_and_a_manifest_give_a_run(ground, train, tmp_path):
    status, out, err = train("--out", tmp_path / "run", "--cache", tmp_path / "cache", "--device", "cpu")
    assert status == 0, err
    assert re.search(r"epoch 0 kept, validation AUC [01]\.\d{4}", out)
    assert "8 + 8 films to train on, 4 + 4 to validate on" in err
    assert "\x1b" not in err
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {
        checkpoint.RECIPE,
        checkpoint.WEIGHTS,
        checkpoint.STATE,
        checkpoint.LOG,
        checkpoint.RUN,
    }
    run = json.loads((tmp_path / "run" / checkpoint.RUN).read_text())
    assert run["finished"]
    assert len(run["manifest_sha256"]) == 64


def test_run_and_cache_have_their_places_by_default(ground, train):
    status, _, err = train("--set", "name=placed", "--set", "stages.0.epochs=2")
    assert status == 0, err
    stored = json.loads((ground / "runs" / "placed" / checkpoint.RECIPE).read_text())
    assert stored["stages"][0]["epochs"] == 2
    assert [path.name[:3] for path in (ground / "cache").iterdir()] == ["32-"]


def test_a_run_is_resumed_only_when_asked(train, tmp_path):
    assert train("--out", tmp_path / "run")[0] == 0
    status, _, err = train("--out", tmp_path / "run")
    assert status == 2
    assert "--resume" in err
    assert train("--out", tmp_path / "run", "--resume")[0] == 0


@pytest.mark.parametrize(
    ("options", "files", "status", "words"),
    [
        ((), {"recipe": "absent.yaml"}, 1, "absent.yaml"),
        ((), {"manifest": "absent.parquet"}, 1, "absent.parquet"),
        (("--set", "optimiser.lr=1"), {}, 1, "optimiser.lr"),
        (("--set", "model.name=resnet"), {}, 2, "resnet"),
        (("--set", "data.sources=[north]"), {}, 1, "training films of the sources north that are labelled"),
        (("--cache", "tiny.yaml"), {}, 2, "tiny.yaml is no folder"),
        (("--set", "batch_size=64"), {}, 1, "batch of 64"),
    ],
)
def test_what_is_wrong_is_one_line(train, tmp_path, options, files, status, words):
    found, _, err = train("--out", tmp_path / "run", *options, **files)
    assert found == status
    assert words in err
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("out", ["tiny.yaml", "films"])
def test_a_run_takes_no_place_of_anything_else(ground, train, out):
    before = sorted((ground / "films").iterdir())
    status, _, err = train("--out", out)
    assert (status, err.count("\n")) == (2, 1)
    assert "no empty folder that could become one" in err
    assert sorted((ground / "films").iterdir()) == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a graphics card")
def test_a_graphics_card_that_is_not_there_is_one_line(train, tmp_path):
    status, _, err = train("--out", tmp_path / "run", "--device", "cuda")
    assert (status, err.count("\n")) == (2, 1)
    assert "no graphics card" in err


def test_missing_validation_films_are_warned_of(ground, train, tmp_path):
    rows = make_rows(ground / "films", train=24, validation=0)
    write_manifest(rows, tmp_path / "without.parquet")
    status, out, err = train("--out", tmp_path / "run", manifest=str(tmp_path / "without.parquet"))
    assert status == 0, err
    assert "warning: validation films of both targets would be needed" in err
    assert "no validation AUC" in out


def test_a_mean_over_sources_needs_a_source_with_both_targets(ground, train, tmp_path):
    rows = make_rows(ground / "films", train=16, validation=8)
    split = [replace(row, source=str(row.label)) for row in rows]
    write_manifest(split, tmp_path / "split.parquet")
    manifest = str(tmp_path / "split.parquet")
    _, _, err = train("--out", tmp_path / "pooled", manifest=manifest)
    assert "warning" not in err
    status, _, err = train(
        "--out", tmp_path / "mean", "--set", "selection.average=mean-over-sources", manifest=manifest
    )
    assert status == 0, err
    assert "warning: a source with 10 validation films of each target would be needed" in err


def test_several_manifests_train_as_their_union_would(ground, train, tmp_path):
    rows = make_rows(ground / "films", train=16, validation=8)
    (tmp_path / "added").mkdir()
    for row in rows[:6]:
        shutil.copy(ground / "films" / row.path, tmp_path / "added")
    added = [replace(row, path=f"added/{row.path}") for row in rows[:6]]
    write_manifest(rows[6:], tmp_path / "one.parquet")
    write_manifest(added, tmp_path / "two.parquet")
    write_manifest([*rows[6:], *added], tmp_path / "union.parquet")
    for row in rows[6:]:
        (tmp_path / row.path).symlink_to(ground / "films" / row.path)

    apart = ("--manifest", tmp_path / "two.parquet", "--root", tmp_path, "--out", tmp_path / "apart")
    status, _, err = train(*apart, manifest=str(tmp_path / "one.parquet"))
    assert status == 0, err
    assert "8 + 8 films to train on, 4 + 4 to validate on" in err
    union = ("--out", tmp_path / "joined", "--cache", tmp_path / "other-cache")
    assert train(*union, manifest=str(tmp_path / "union.parquet"), root=str(tmp_path))[0] == 0
    stored = [json.loads((tmp_path / run / checkpoint.RUN).read_text()) for run in ("apart", "joined")]
    assert (
        stored[0]["manifest_sha256"] == stored[1]["manifest_sha256"] == manifest_sha256([*rows[6:], *added])
    )
    weights = [(tmp_path / run / checkpoint.WEIGHTS).read_bytes() for run in ("apart", "joined")]
    assert weights[0] == weights[1]
    assert (tmp_path / "cache").is_dir(), "caches lie beside the first manifest"


def test_a_run_starts_from_another(ground, train, tmp_path):
    assert train("--out", tmp_path / "first")[0] == 0
    start = ("--start-from", tmp_path / "first")
    status, _, err = train("--out", tmp_path / "second", *start)
    assert status == 0, err
    assert "warning" not in err
    told = json.loads((tmp_path / "second" / checkpoint.RUN).read_text())["started_from"]
    assert (told["recipe"], told["films_seen"]) == ("tiny", 16)

    rows = make_rows(ground / "films", train=16, validation=8)
    write_manifest(rows[1:], tmp_path / "other.parquet")
    status, _, err = train("--out", tmp_path / "third", *start, manifest=str(tmp_path / "other.parquet"))
    assert status == 0, err
    assert "was trained on another manifest" in err

    status, _, err = train("--out", tmp_path / "fourth", "--start-from", tmp_path)
    assert status == 1
    assert "--start-from and --teacher want the directory of a run" in err
    assert err.count("\n") == 1


def test_a_run_learns_from_others(train, tmp_path):
    assert train("--out", tmp_path / "teacher")[0] == 0
    share = ("--set", "loss.teacher_share=0.5")
    status, _, err = train("--out", tmp_path / "student", "--teacher", tmp_path / "teacher", *share)
    assert status == 0, err
    told = json.loads((tmp_path / "student" / checkpoint.RUN).read_text())["taught_by"]
    assert [teacher["recipe"] for teacher in told] == ["tiny"]

    status, _, err = train("--out", tmp_path / "third", *share)
    assert status == 2
    assert "a recipe with a share wants teachers" in err
    status, _, err = train("--out", tmp_path / "fourth", "--teacher", tmp_path, *share)
    assert status == 1
    assert err.count("\n") == 1


def test_manifests_that_leak_or_lack_a_root_are_refused(ground, train, tmp_path):
    row = make_rows(ground / "films", train=1, validation=0)[0]
    write_manifest([replace(row, path="copy.png", split="test")], tmp_path / "leak.parquet")
    leak = ("--manifest", tmp_path / "leak.parquet", "--out", tmp_path / "run")
    status, _, err = train(*leak, "--root", tmp_path)
    assert status == 1
    assert "made:0" in err
    status, _, err = train(*leak)
    assert status == 2
    assert "--manifest is given 2 times and --root 1 times" in err
    assert not (tmp_path / "run").exists()


class TestAudit:
    """What an audit found is said before training."""

    @pytest.fixture
    def place(self, ground, tmp_path):
        rows = make_rows(ground / "films", train=16, validation=8)
        write_manifest(rows, tmp_path / "manifest.parquet")
        return tmp_path

    def write(self, place, *, name="audit.json", digest=None, colours=("red", "amber", "green")):
        rows = read_manifest(place / "manifest.parquet")
        audit = made_audit(digest or manifest_sha256(rows), colours)
        (place / name).write_text(audit.model_dump_json())
        return place / name

    def warnings(self, train, place, *options):
        status, _, err = train("--out", place / "run", *options, manifest=str(place / "manifest.parquet"))
        assert status == 0, err
        return [line for line in err.splitlines() if line.startswith("warning:")]

    def test_an_audit_beside_the_manifest_is_found_and_its_red_checks_are_told(self, train, place):
        path = self.write(place)
        assert self.warnings(train, place) == [f"warning: {path} is red: Check 0: Yes, check 0 tells."]

    def test_a_green_audit_says_nothing(self, train, place):
        self.write(place, colours=("amber", "green"))
        assert self.warnings(train, place) == []

    def test_an_audit_is_taken_from_where_it_is_said_to_be(self, train, place):
        path = self.write(place, name="other.json", colours=("red", "red"))
        self.write(place, colours=("green",))
        said = self.warnings(train, place, "--audit", path)
        assert [line[: len(f"warning: {path} is red: Check 0")] for line in said] == [
            f"warning: {path} is red: Check {number}" for number in range(2)
        ]

    def test_an_audit_of_other_films_is_told_as_such(self, train, place):
        path = self.write(place, digest="0" * 64)
        (said,) = self.warnings(train, place)
        assert said.startswith(f"warning: {path} is red, but of other films")

    def test_what_is_no_audit_is_an_error_only_where_it_was_named(self, train, place):
        (place / "audit.json").write_text("{}")
        (said,) = self.warnings(train, place)
        assert "not an audit of format 1" in said
        status, _, err = train("--audit", place / "absent.json", "--out", place / "again")
        assert status == 1
        assert "absent.json: no audit" in err

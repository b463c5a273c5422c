import json
import re
import sys
from dataclasses import replace

import pytest
import yaml

from pneumoscope.cli import main as entry
from pneumoscope.data.manifest import write_manifest
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

    def run(*options, recipe="tiny.yaml", manifest="manifest.parquet"):
        words = ["pneumoscope", "train", recipe, "--manifest", manifest, "--root", "films", "--workers", "1"]
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
        (("--set", "data.sources=[north]"), {}, 1, "no films"),
        (("--set", "batch_size=64"), {}, 1, "batch of 64"),
    ],
)
def test_what_is_wrong_is_one_line(train, tmp_path, options, files, status, words):
    found, _, err = train("--out", tmp_path / "run", *options, **files)
    assert found == status
    assert words in err
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()


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

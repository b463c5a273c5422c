"""The guard at the command line: fitted, put into a bundle, in the way of what is no film."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.test_guard_examples import row
from generated import chest_like
from pneumoscope.data.manifest import write_manifest
from pneumoscope.image.guard import read_guard
from pneumoscope.runtime.bundle import write_bundle
from tiny_bundle import tiny_card, tiny_onnx
from tiny_guard import tiny_guard

from .conftest import Run


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("guarded")
    write_bundle(directory, tiny_onnx(), tiny_card(), "# guarded\n", tiny_guard())
    return directory


def test_no_film_is_rejected_unless_the_guard_is_off(run: Run, guarded: Path, tmp_path: Path) -> None:
    path = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (150, 150), np.uint8)).save(path)
    outcome = run("predict", path, "--model", guarded, "--format", "jsonl")
    assert outcome.status == 3
    assert json.loads(outcome.out)["status"] == "rejected"
    outcome = run("predict", path, "--model", guarded, "--format", "jsonl", "--no-guard")
    assert outcome.status == 0
    assert json.loads(outcome.out)["status"] == "ok"


def test_table_says_that_no_guard_was_in_use(run: Run, films: Path, tiny: Path, guarded: Path) -> None:
    words = "No guard was in use"
    assert words in run("predict", films, "--model", tiny).out
    assert words not in run("predict", films, "--model", guarded).out
    assert words in run("predict", films, "--model", guarded, "--no-guard").out


def test_card_says_whether_there_is_a_guard(run: Run, tiny: Path, guarded: Path) -> None:
    assert "none: anything that can be read gets a number" in run("models", tiny).out
    assert "fitted on 240 chest films" in run("models", guarded).out


def test_fit(run: Run, tmp_path: Path) -> None:
    rows = []
    for number in range(24):
        Image.fromarray(chest_like(number)).save(tmp_path / f"{number}.png")
        rows.append(row(f"{number}.png", "made", split="train" if number < 12 else "validation"))
    write_manifest(rows, tmp_path / "manifest.parquet")
    options = ("--manifest", tmp_path / "manifest.parquet", "--root", tmp_path, "--each", 4)
    outcome = run("data", "guard", *options, "--out", tmp_path / "one.json")
    assert outcome.status == 0
    assert "fitted on 12 chest films" in outcome.out
    assert read_guard(tmp_path / "one.json").parameters.population.shortest_side == 200
    run("data", "guard", *options, "--out", tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()

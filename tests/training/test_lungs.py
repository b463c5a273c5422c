"""Lungs are learnt from a few generated films, always alike, and end in a file that finds them."""

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from data.made_cuts import CUT, WHOLE, elliptical_lungs, make_cut_pool, whole_film
from pneumoscope.cli.main import app
from pneumoscope.data.lung_finder import LUNG_SIDE, LungFinder
from pneumoscope.data.lung_pairs import lung_films
from pneumoscope.data.manifest import write_manifest
from pneumoscope.errors import DataError
from pneumoscope.export import lung_network_to_onnx
from pneumoscope.training.lungs import dice, train_lung_network


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    root = tmp_path_factory.mktemp("lungs")
    return lung_films(make_cut_pool(root), root, cut_source=CUT, whole_source=WHOLE)


@pytest.mark.timeout(900)  # a step takes seconds on one core without bfloat16
def test_it_learns_and_the_file_finds_what_it_learnt(films, tmp_path):
    losses = []
    network = train_lung_network(*films, steps=25, observer=lambda *told: losses.append(told[-1]))
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    (tmp_path / "lungs.onnx").write_bytes(lung_network_to_onnx(network, LUNG_SIDE))
    found = LungFinder(tmp_path / "lungs.onnx").find(whole_film(9))
    assert dice(found, elliptical_lungs()) > 0.6
    small = torch.rand(1, 1, LUNG_SIDE, LUNG_SIDE) * 255
    with torch.inference_mode():
        ours = network(small).numpy()
    session = LungFinder(tmp_path / "lungs.onnx")._session
    np.testing.assert_allclose(session.run(None, {"film": small.numpy()})[0], ours, atol=0.02)


def test_the_same_seed_gives_the_same_network(films):
    first, again, other = (
        train_lung_network(*films, steps=2, seed=seed).state_dict()["head.weight"] for seed in (3, 3, 4)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_without_training_films_there_is_nothing_to_learn(films):
    with pytest.raises(DataError, match="no training films"):
        train_lung_network([], films[1], steps=1)


def test_dice_is_that_of_sets():
    one, two = np.zeros(10, dtype=bool), np.zeros(10, dtype=bool)
    assert dice(one, two) == 1.0
    one[:4], two[2:8] = True, True
    assert dice(one, two) == pytest.approx(2 * 2 / (4 + 6))


def test_the_command_trains_writes_and_measures(tmp_path):
    write_manifest(make_cut_pool(tmp_path / "films"), tmp_path / "manifest.parquet")
    places = ["--manifest", str(tmp_path / "manifest.parquet"), "--root", str(tmp_path / "films")]
    chosen = ["--cut-source", CUT, "--whole-source", WHOLE, "--steps", "1", "--workers", "1"]
    out = tmp_path / "lungs.onnx"
    done = CliRunner().invoke(
        app, ["train-lungs", *places, *chosen, "--out", str(out)], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{out}: 3 films to train on, 0 to validate on: none\n"
    assert LungFinder(out).find(whole_film(0)).shape == whole_film(0).shape

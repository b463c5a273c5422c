"""A bundle becomes a run again: the same scores, and statistics that training can go on with."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from typer.testing import CliRunner

from pneumoscope.cli.main import app
from pneumoscope.errors import BundleError, DataError, UsageError
from pneumoscope.image.prepare import prepare
from pneumoscope.image.read import read
from pneumoscope.release.reopened_bundle import _cost, reopen_bundle
from pneumoscope.release.trained_run import open_run
from pneumoscope.runtime.bundle import open_bundle
from pneumoscope.runtime.provenance import TrainingRun
from pneumoscope.training.checkpoint import WEIGHTS
from release.made_run import make_run
from tiny_bundle import make_tiny_bundle

NETWORKS = {
    "plain": {"name": "simple_cnn"},
    "fine map": {"name": "efficientnet_lite0", "options": {"fine_map": True}},
}


def call(*arguments):
    return CliRunner().invoke(app, [str(part) for part in arguments])


def _answer_yes(run):
    """Take negative weights from the head of a network trained for seconds.

    With them rounding decides whether its maps are negative everywhere, which export refuses.
    """
    weights = load_file(run / WEIGHTS)
    weights["head.weight"] = weights["head.weight"].abs()
    save_file(weights, run / WEIGHTS)


@pytest.fixture(scope="module", params=NETWORKS.values(), ids=list(NETWORKS))
def exported(tmp_path_factory, request):
    """(a run, the bundle made of it)."""
    place = tmp_path_factory.mktemp("exported")
    made = make_run(place, model=request.param)
    _answer_yes(made.directory)
    films = ("--manifest", made.manifest, "--root", made.root)
    result = call("export", made.directory, *films, "--out", place / "bundle", "--version", "1.2.3")
    assert result.exit_code == 0, result.output
    return made, open_bundle(place / "bundle")


def test_scores_are_those_of_the_run_and_statistics_those_of_films(exported):
    made, bundle = exported
    reopened = reopen_bundle(bundle, made.rows, made.root, films=64).model
    trained = open_run(made.directory).model
    plates = np.stack(
        [prepare(read(made.root / f"film-{number:03}.png"), bundle.card.prepare)[0] for number in range(8)]
    )
    films = torch.from_numpy(plates)
    with torch.inference_mode():
        for own, other in zip(trained.forward_with_map(films), reopened.forward_with_map(films), strict=True):
            torch.testing.assert_close(other, own, rtol=1e-3, atol=1e-3)
    first = next(layer for layer in reopened.modules() if isinstance(layer, nn.BatchNorm2d))
    assert not torch.equal(first.running_mean, torch.zeros_like(first.running_mean))
    assert not torch.equal(first.running_var, torch.ones_like(first.running_var))


def test_normalised_by_its_own_batch_it_scores_nearly_alike(exported):
    """So that training goes on from there, instead of from what a wrong scale makes of the weights."""
    made, bundle = exported
    network = reopen_bundle(bundle, made.rows, made.root, films=64).model
    rows = [row for row in made.rows if row.split == "train"]
    films = torch.from_numpy(
        np.stack([prepare(read(made.root / row.path), bundle.card.prepare)[0] for row in rows])
    )
    with torch.no_grad():
        scored = network(films)
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.train()
        by_batch = network(films)
    assert np.corrcoef(scored.numpy(), by_batch.numpy())[0, 1] > 0.9


def test_the_command_writes_a_run_that_another_starts_from(exported, tmp_path):
    made, bundle = exported
    films = ("--manifest", made.manifest, "--root", made.root)
    result = call("import-bundle", bundle.directory, *films, "--out", tmp_path / "again")
    assert result.exit_code == 0, result.output
    facts = json.loads((tmp_path / "again/run.json").read_text())
    assert (facts["bundle"], facts["bundle_sha256"]) == (bundle.identity, bundle.sha256)
    assert facts["films_seen"] == bundle.card.training_runs[0].films_seen > 0
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text((made.directory / "recipe.json").read_text())
    result = call(
        "train",
        recipe,
        *films,
        "--start-from",
        tmp_path / "again",
        "--out",
        tmp_path / "on",
        "--set",
        "seed=9",
    )
    assert result.exit_code == 0, result.output
    started = json.loads((tmp_path / "on/run.json").read_text())["started_from"]
    assert started["films_seen"] == facts["films_seen"]
    (tmp_path / "file").touch()
    for place, message in (("again", "holds a run already"), ("file", "is no folder")):
        result = call("import-bundle", bundle.directory, *films, "--out", tmp_path / place)
        assert isinstance(result.exception, UsageError)
        assert message in str(result.exception)


def test_films_of_other_sources_are_refused(exported):
    made, bundle = exported
    others = [replace(row, split="test") for row in made.rows]
    with pytest.raises(DataError, match="no training film of"):
        reopen_bundle(bundle, others, made.root)


def test_a_graph_that_was_not_exported_by_us_is_refused(exported, tmp_path):
    made, bundle = exported
    card = json.loads((bundle.directory / "card.json").read_text())
    other = open_bundle(make_tiny_bundle(tmp_path / "tiny", recipe=card["recipe"]))
    with pytest.raises(BundleError, match="as this version's exporter writes it"):
        reopen_bundle(other, made.rows, made.root)


@pytest.mark.parametrize(
    ("runs", "cost"),
    [
        ([("trunk", 100, None, None), ("finish", 20, "trunk", 100)], (120, 12.0)),
        ([("last", 30, "trunk", 120)], (150, 15.0)),
        ([("one", 30, "trunk", 100), ("two", 40, "trunk", 100)], (170, 17.0)),
        ([("old", None, None, None)], (0, 0.0)),
    ],
)
def test_what_a_run_started_from_is_counted_once(runs, cost):
    records = [
        TrainingRun(
            recipe=recipe,
            network="n",
            films_seen=films,
            seconds=None if films is None else films / 10,
            started_from=start,
            films_seen_before=before,
            seconds_before=None if before is None else before / 10,
        )
        for recipe, films, start, before in runs
    ]
    assert _cost(records) == cost


def test_a_recipe_of_another_version_is_refused(exported, tmp_path):
    made, _ = exported
    other = open_bundle(make_tiny_bundle(tmp_path / "tiny", recipe={"colour": 1}))
    with pytest.raises(BundleError, match="of another version"):
        reopen_bundle(other, made.rows, made.root)


def test_an_ensemble_is_refused(exported, tmp_path):
    made, _ = exported
    other = open_bundle(make_tiny_bundle(tmp_path / "tiny", architecture="ensemble"))
    with pytest.raises(BundleError, match="an ensemble"):
        reopen_bundle(other, made.rows, made.root)

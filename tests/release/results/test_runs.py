import json

import pytest
import torch

from pneumoscope.errors import DataError
from pneumoscope.models import build_model
from pneumoscope.release.results.runs import differing_keys, made_of, multiply_adds, read_run
from tiny_training import make_recipe

RECORD = {
    "manifest_sha256": "b" * 64,
    "code_revision": "c0ffee",
    "torch": "2.6",
    "device": "cpu",
    "processes": 2,
    "finished": True,
    "selected_epoch": 1,
    "selected_metric": 0.9,
    "parameters": 1234,
    "seconds": 5.5,
}


def _write(directory, recipe, epochs):
    directory.mkdir()
    (directory / "recipe.json").write_text(recipe.model_dump_json())
    (directory / "run.json").write_text(json.dumps(RECORD))
    records = [{"kind": "step", "step": 1}]
    records += [{"kind": "epoch", "stage": stage, "films_seen": films} for stage, films in epochs]
    (directory / "log.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return directory


@pytest.fixture
def recipe():
    return make_recipe(stages=[{"epochs": 5, "size": 32}, {"epochs": 1, "size": 48}])


@pytest.fixture
def directory(tmp_path, recipe):
    return _write(tmp_path / "run", recipe, [(0, 16), (0, 32), (1, 40)])


def test_films_are_counted_by_the_size_they_had(directory, recipe):
    run = read_run(directory)
    assert run.films_by_size == ((32, 32), (48, 8))
    assert run.multiply_adds == (multiply_adds(recipe, 32), multiply_adds(recipe, 48))
    assert (run.name, run.recipe, run.parameters, run.seconds) == ("run", recipe, 1234, 5.5)
    assert (run.epoch, run.metric, run.finished, run.processes) == (1, 0.9, True, 2)


def test_multiply_adds_are_those_of_the_layers(recipe):
    # 3x3 convolutions 1-32, 32-64 and 64-128 at 1, 1/2 and 1/4 of the side.
    assert multiply_adds(recipe, 32) == 9 * (32 * 1 * 32**2 + 64 * 32 * 16**2 + 128 * 64 * 8**2)


def test_counting_leaves_random_numbers_alone(recipe):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    multiply_adds(recipe, 32)
    assert torch.rand(1) == expected


def test_a_network_with_depthwise_convolutions_is_counted():
    recipe = make_recipe(model={"name": "efficientnet_lite0", "options": {}})
    # 1x1 and depthwise convolutions: far fewer than parameters times cells of its first grid.
    parameters = sum(weight.numel() for weight in build_model("efficientnet_lite0").parameters())
    assert 0 < multiply_adds(recipe, 32) < parameters * 16 * 16


@pytest.mark.parametrize("name", ["run.json", "recipe.json", "log.jsonl"])
def test_a_missing_file_is_named(directory, name):
    (directory / name).unlink()
    with pytest.raises(DataError, match=rf"{name} cannot be read .*: run pneumoscope train"):
        read_run(directory)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("run.json", "{", "is no JSON"),
        ("run.json", "[]", "holds no JSON object"),
        ("run.json", "{}", "names no parameters"),
        ("recipe.json", '{"name": "x", "colour": 1}', "is of another version"),
    ],
)
def test_a_damaged_file_is_named(directory, name, text, message):
    (directory / name).write_text(text)
    with pytest.raises(DataError, match=rf"{name} {message}"):
        read_run(directory)


def test_recipes_differ_in_keys(recipe):
    other = make_recipe(name="other", seed=4, optimiser={"name": "adam", "learning_rate": 0.003})
    assert differing_keys(recipe, other) == ["optimiser.name", "prepare.size", "seed", "stages"]
    assert differing_keys(recipe, recipe.model_copy(update={"name": "other"})) == []


def test_a_card_is_of_its_runs(tmp_path, recipe):
    one = read_run(_write(tmp_path / "one", recipe, [(0, 8)])).recipe
    two = read_run(_write(tmp_path / "two", make_recipe(seed=9), [(0, 8)])).recipe
    card = [run.model_dump(mode="json") for run in (one, two)]
    assert made_of(card[0], [one])
    assert not made_of(card[1], [one])
    assert made_of({"ensemble": card}, [one, two])
    assert not made_of({"ensemble": card}, [two, one])
    assert not made_of({"ensemble": card}, [one])
    assert not made_of({"epochs": 0}, [one])
    # A card of an older version lacks keys that have a default.
    assert made_of({key: value for key, value in card[0].items() if key != "checkpoint_minutes"}, [one])

from pathlib import Path

import pytest
import yaml

from pneumoscope.errors import RecipeError
from pneumoscope.models import model_names, model_options, pretrained_weights
from pneumoscope.training.recipe import Recipe, load_recipe
from tiny_training import make_recipe

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
SMALLEST = {"name": "small", "model": {"name": "simple_cnn"}, "stages": [{"epochs": 1}]}


def write(path, values):
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_is_one_and_names_a_network_and_options_that_exist(path):
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    assert recipe.model.name in model_names()
    assert set(recipe.model.options) <= set(model_options(recipe.model.name))
    if recipe.model.pretrained:
        assert pretrained_weights(recipe.model.name) is not None


def test_the_original_recipe_is_what_the_write_up_says():
    recipe = load_recipe(RECIPES / "original.yaml")
    assert recipe.model.name == "improved_pneumonia_cnn"
    assert recipe.model.options == {}
    assert model_options("improved_pneumonia_cnn")["block_dropout"] == 0.2
    assert model_options("improved_pneumonia_cnn")["dropout"] == 0.4
    assert recipe.prepare.model_dump(include={"size", "fit", "mean", "std"}) == {
        "size": 224,
        "fit": "letterbox",
        "mean": 0.5,
        "std": 0.5,
    }
    assert (recipe.optimiser.name, recipe.optimiser.learning_rate, recipe.optimiser.weight_decay) == (
        "adam",
        1e-4,
        1e-4,
    )
    assert (recipe.loss.name, recipe.loss.label_smoothing, recipe.loss.mixup_alpha) == ("bce", 0, 0)
    assert recipe.schedule.name == "plateau"
    assert sum(stage.epochs for stage in recipe.stages) == 30
    assert recipe.augment.rotate_degrees == 10
    assert recipe.augment.brightness > 0
    assert recipe.augment.contrast > 0
    assert (recipe.data.balance, recipe.ema_decay, recipe.early_stopping_patience) == ("none", None, None)


def test_the_original_recipes_differ_in_name_and_network_alone():
    original = load_recipe(RECIPES / "original.yaml").model_dump(exclude={"name", "model"})
    others = sorted(RECIPES.glob("original-*.yaml"))
    assert len(others) == 4
    for path in others:
        assert load_recipe(path).model_dump(exclude={"name", "model"}) == original


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"learning_rate": 1}, "learning_rate"),
        ({"optimiser": {"lr": 1}}, "optimiser.lr"),
        ({"augment": {"rotation": 10}}, "augment.rotation"),
        ({"prepare": {"fit": "squash"}}, "prepare.fit"),
        ({"stages": [{"epochs": 0}]}, "stages.0.epochs"),
        ({"stages": []}, "stages"),
        ({"data": {"targets": {"PNEUMONIA": 2}}}, "data.targets.PNEUMONIA"),
        ({"data": {"balance": "label", "source_weights": {"a": 1}}}, "data: source_weights"),
        ({"data": {"source_weights": {"a": 0}}}, "data: source_weights"),
        ({"prepare": 3}, "prepare"),
    ],
)
def test_an_error_names_file_and_key(tmp_path, change, key):
    path = write(tmp_path / "wrong.yaml", {**SMALLEST, **change})
    with pytest.raises(RecipeError, match=r"wrong\.yaml") as caught:
        load_recipe(path)
    assert key in str(caught.value)


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", ""])
def test_what_is_no_recipe_is_refused(tmp_path, text):
    (tmp_path / "no.yaml").write_text(text)
    with pytest.raises(RecipeError, match=r"no\.yaml"):
        load_recipe(tmp_path / "no.yaml")


def test_a_missing_file_is_a_recipe_error(tmp_path):
    with pytest.raises(RecipeError, match=r"absent\.yaml"):
        load_recipe(tmp_path / "absent.yaml")


def test_overrides_reach_every_level(tmp_path):
    path = write(tmp_path / "r.yaml", SMALLEST)
    recipe = load_recipe(
        path,
        [
            "seed=7",
            "stages.0.size=96",
            "optimiser.learning_rate=1e-2",
            "model.options={dropout: 0.5}",
            "ema_decay=null",
        ],
    )
    assert recipe.seed == 7
    assert recipe.stages[0].size == 96
    assert recipe.optimiser.learning_rate == 0.01
    assert recipe.model.options == {"dropout": 0.5}
    assert recipe.ema_decay is None


@pytest.mark.parametrize(
    "override", ["seed", "=3", "stages.1.size=96", "stages.x.size=96", "name.first=1", "seed=[", "sed=3"]
)
def test_a_wrong_override_is_named(tmp_path, override):
    path = write(tmp_path / "r.yaml", SMALLEST)
    with pytest.raises(RecipeError, match=override.partition("=")[0] or "=3"):
        load_recipe(path, [override])


def test_the_last_stage_gives_the_bundle_its_size():
    recipe = make_recipe(stages=[{"epochs": 1, "size": 32}, {"epochs": 1, "size": 64}])
    assert [recipe.stage_prepare(stage).size for stage in (0, 1)] == [32, 64]
    assert recipe.prepare.size == 64
    recipe = make_recipe(stages=[{"epochs": 1, "size": 32}, {"epochs": 1}], prepare={"size": 48})
    assert [recipe.stage_prepare(stage).size for stage in (0, 1)] == [32, 48]


def test_a_resolved_recipe_reads_back_as_itself():
    recipe = make_recipe(data={"source_weights": {"east": 1.0}}, stages=[{"epochs": 1, "size": 32}])
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe

"""The network that a run kept, built again from its directory."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pneumoscope.errors import DataError, RecipeError
from pneumoscope.models import PooledClassifier, build_model, load_weights
from pneumoscope.training.checkpoint import RECIPE, WEIGHTS
from pneumoscope.training.recipe import Recipe

__all__ = ["kept_network", "read_record"]


def read_record(path: Path) -> dict[str, Any]:
    """What a file of a run directory holds.

    Raises:
        DataError: it is missing, or holds no JSON object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}): name the directory that pneumoscope train has written"
        ) from error
    except ValueError as error:
        raise DataError(f"{path} is no JSON: {error}") from error
    if not isinstance(values, dict):
        raise DataError(f"{path} holds no JSON object: it was not written by pneumoscope train")
    return values


def kept_network(directory: Path) -> tuple[Recipe, PooledClassifier]:
    """Recipe and network of a run, in evaluation mode and on the CPU.

    Args:
        directory: with recipe.json and weights.safetensors.

    Raises:
        DataError: recipe.json is missing or no JSON.
        RecipeError: the recipe is of another version.
        WeightsError: the weights are missing, damaged or of another network.
    """
    values = read_record(directory / RECIPE)
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RecipeError(f"{directory / RECIPE}: {key}: {first['msg']}") from error
    model = build_model(recipe.model.name, **recipe.model.options)
    load_weights(model, directory / WEIGHTS)
    return recipe, model.eval()

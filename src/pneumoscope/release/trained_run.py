"""A run directory, read back: the network that training kept, and what it was trained on and with."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pneumoscope.errors import DataError, RecipeError, UsageError
from pneumoscope.image.prepare import PrepareParameters
from pneumoscope.models import Ensemble, PooledClassifier, build_model, load_weights
from pneumoscope.release.provenance import training_run
from pneumoscope.runtime.provenance import TrainingRun
from pneumoscope.training.recipe import DataChoice, Recipe

__all__ = ["TrainedRun", "join_runs", "open_run"]


@dataclass(frozen=True, slots=True)
class TrainedRun:
    """What a bundle is made from.

    Attributes:
        model: in evaluation mode, on the CPU.
        architecture: its name in the registry.
        prepare: parameters that its films were prepared with.
        data: sources and targets that it was trained on.
        recipe: resolved, for the card.
        name: of the recipe.
        manifest_sha256: of the manifest that it was trained on.
        code_revision: of the code that trained it, or "unknown".
        finished: training reached its end, so that the weights are those of the last stage's best epoch.
        records: what was run, for the card; one of each member of an ensemble.
    """

    model: PooledClassifier
    architecture: str
    prepare: PrepareParameters
    data: DataChoice
    recipe: dict[str, Any]
    name: str
    manifest_sha256: str
    code_revision: str
    finished: bool
    records: tuple[TrainingRun, ...]


def _read_json(path: Path) -> dict[str, Any]:
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


def open_run(directory: Path) -> TrainedRun:
    """Rebuild the network of one run with the weights that validation chose.

    Args:
        directory: with recipe.json, run.json and weights.safetensors.

    Raises:
        DataError: a file is missing or no JSON.
        RecipeError: the recipe is of another version.
        WeightsError: the weights are missing, damaged or of another network.
    """
    values = _read_json(directory / "recipe.json")
    facts = _read_json(directory / "run.json")
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RecipeError(f"{directory / 'recipe.json'}: {key}: {first['msg']}") from error
    if not isinstance(facts.get("manifest_sha256"), str):
        raise DataError(
            f"{directory / 'run.json'} names no manifest_sha256: pneumoscope train did not write it"
        )
    model = build_model(recipe.model.name, **recipe.model.options)
    load_weights(model, directory / "weights.safetensors")
    model.eval()
    return TrainedRun(
        model=model,
        architecture=recipe.model.name,
        prepare=recipe.prepare,
        data=recipe.data,
        recipe=recipe.model_dump(mode="json"),
        name=recipe.name,
        manifest_sha256=facts["manifest_sha256"],
        code_revision=str(facts.get("code_revision") or "unknown"),
        finished=facts.get("finished") is True,
        records=(training_run(recipe, facts),),
    )


def join_runs(runs: Sequence[TrainedRun]) -> TrainedRun:
    """Several runs as one ensemble: the mean of their logits. One run stays what it is.

    Raises:
        UsageError: they differ in prepare parameters, in manifest, or in sources and targets.
    """
    first, *others = runs
    if not others:
        return first
    for other in others:
        for what, mine, theirs in (
            ("prepare parameters", first.prepare, other.prepare),
            ("manifests", first.manifest_sha256, other.manifest_sha256),
            ("sources", first.data.sources, other.data.sources),
            ("targets", first.data.targets, other.data.targets),
        ):
            if mine != theirs:
                raise UsageError(f"{first.name} and {other.name} cannot be one ensemble: their {what} differ")
    revisions = {run.code_revision for run in runs}
    return TrainedRun(
        model=Ensemble([run.model for run in runs]).eval(),
        architecture="ensemble",
        prepare=first.prepare,
        data=first.data,
        recipe={"ensemble": [run.recipe for run in runs]},
        name="ensemble",
        manifest_sha256=first.manifest_sha256,
        code_revision=first.code_revision if len(revisions) == 1 else "unknown",
        finished=all(run.finished for run in runs),
        records=tuple(record for run in runs for record in run.records),
    )

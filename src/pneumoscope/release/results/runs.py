"""What a training run cost and what came of it, read from its directory; nothing is measured again."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch.utils.flop_counter import FlopCounterMode

from pneumoscope.errors import DataError
from pneumoscope.models import build_model
from pneumoscope.runtime.card import Card
from pneumoscope.runtime.provenance import recipes_of
from pneumoscope.training.checkpoint import WEIGHTS
from pneumoscope.training.recipe import Recipe

__all__ = [
    "RunRecord",
    "differing_keys",
    "made_of",
    "multiply_adds",
    "read_recipe",
    "read_run",
    "run_on_card",
    "was_reopened",
]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run.

    Attributes:
        name: of its directory.
        recipe: resolved.
        parameters: of the network.
        multiply_adds: of one film through the network, at the size of each stage.
        films_by_size: (side of the plates in pixels, films trained on), in the order of the stages; a film is
            counted every time that it is drawn.
        seconds: of training and validation, on that machine, with whatever else it did.
        precision: that it was computed in, on that machine.
        device: "cpu" or "cuda".
        processes: that shared the work.
        torch: its version.
        code_revision: of the code that trained it, or "unknown".
        manifest_sha256: of what it was trained on.
        epoch: that was kept, counted from 0; None where nothing chose one.
        metric: validation AUC of that epoch, averaged as the recipe says.
        finished: it reached its end.
        started_from: SHA-256 of the weights that it started from; None for random or published ones.
        taught_by: SHA-256 of the weights of its teachers.
        weights_sha256: of the weights that it kept; None where they are gone.
    """

    name: str
    recipe: Recipe
    parameters: int
    multiply_adds: tuple[int, ...]
    films_by_size: tuple[tuple[int, int], ...]
    seconds: float
    precision: str
    device: str
    processes: int
    torch: str
    code_revision: str
    manifest_sha256: str
    epoch: int | None
    metric: float | None
    finished: bool
    started_from: str | None
    taught_by: tuple[str, ...]
    weights_sha256: str | None = None


def read_run(directory: Path) -> RunRecord:
    """Read run.json, recipe.json and log.jsonl.

    Raises:
        DataError: one of them is missing, damaged, or of another version.
    """
    facts = _object(directory / "run.json")
    recipe = read_recipe(directory)
    films_by_size = _films_by_size(directory / "log.jsonl", recipe)
    weights = directory / WEIGHTS
    try:
        return RunRecord(
            name=directory.name,
            recipe=recipe,
            parameters=int(facts["parameters"]),
            multiply_adds=tuple(multiply_adds(recipe, size) for size, _ in films_by_size),
            films_by_size=films_by_size,
            seconds=float(facts["seconds"]),
            precision=str(facts.get("precision", recipe.precision)),
            device=str(facts["device"]),
            processes=int(facts["processes"]),
            torch=str(facts["torch"]),
            code_revision=str(facts["code_revision"]),
            manifest_sha256=str(facts["manifest_sha256"]),
            epoch=facts["selected_epoch"],
            metric=facts["selected_metric"],
            finished=facts["finished"] is True,
            started_from=(facts.get("started_from") or {}).get("weights_sha256"),
            taught_by=tuple(str(teacher["weights_sha256"]) for teacher in facts.get("taught_by", ())),
            weights_sha256=hashlib.sha256(weights.read_bytes()).hexdigest() if weights.is_file() else None,
        )
    except KeyError as error:
        raise DataError(
            f"{directory / 'run.json'} names no {error.args[0]}: it was not written by pneumoscope train"
        ) from error


def run_on_card(name: str, card: Card) -> RunRecord | None:
    """What the card of a bundle of one run tells of it; None where it does not tell enough.

    Args:
        name: of the run directory that it had.
        card: of the bundle.

    Raises:
        DataError: the recipe on the card is of another version.
    """
    if len(card.training_runs) != 1 or len(recipes_of(card.recipe)) != 1:
        return None
    run = card.training_runs[0]
    try:
        recipe = Recipe.model_validate(recipes_of(card.recipe)[0])
    except ValidationError as error:
        raise DataError("the recipe on its card is of another version of pneumoscope") from error
    sizes = {recipe.stage_prepare(stage).size for stage in range(len(recipe.stages))}
    if (
        len(sizes) != 1
        or run.parameters is None
        or run.films_seen is None
        or run.seconds is None
        or run.device is None
        or run.processes is None
        or run.torch is None
    ):
        return None
    size = sizes.pop()
    return RunRecord(
        name=name,
        recipe=recipe,
        parameters=run.parameters,
        multiply_adds=(multiply_adds(recipe, size),),
        films_by_size=((size, run.films_seen),),
        seconds=run.seconds,
        precision=run.precision or recipe.precision,
        device=run.device,
        processes=run.processes,
        torch=run.torch,
        code_revision=card.code_revision,
        manifest_sha256=card.training_manifest_sha256,
        epoch=run.selected_epoch,
        metric=run.selected_metric,
        finished=True,
        started_from=None,
        taught_by=(),
    )


def was_reopened(directory: Path) -> bool:
    """Whether a run directory was made of a bundle, by `pneumoscope import-bundle`.

    Raises:
        DataError: its run.json cannot be read.
    """
    return "bundle_sha256" in _object(directory / "run.json")


def read_recipe(directory: Path) -> Recipe:
    """Read recipe.json alone, which is all that a run has that was made of a bundle again.

    Raises:
        DataError: it is missing, damaged, or of another version.
    """
    try:
        return Recipe.model_validate(_object(directory / "recipe.json"))
    except ValidationError as error:
        key = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise DataError(f"{directory / 'recipe.json'} is of another version: {key}; train again") from error


def _object(path: Path) -> Mapping[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): run pneumoscope train") from error
    except ValueError as error:
        raise DataError(f"{path} is no JSON: {error}") from error
    if not isinstance(values, dict):
        raise DataError(f"{path} holds no JSON object: it was not written by pneumoscope train")
    return values


def _films_by_size(log: Path, recipe: Recipe) -> tuple[tuple[int, int], ...]:
    """Films of each stage, from the log's records of epochs: stopping early makes them fewer than planned."""
    films = dict.fromkeys(range(len(recipe.stages)), 0)
    before = 0
    try:
        lines = log.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"{log} cannot be read ({error.strerror}): run pneumoscope train") from error
    for line in lines:
        record = json.loads(line)
        if record["kind"] == "epoch":
            films[record["stage"]] += record["films_seen"] - before
            before = record["films_seen"]
    return tuple((recipe.stage_prepare(stage).size, count) for stage, count in films.items())


def multiply_adds(recipe: Recipe, size: int) -> int:
    """Multiplications, each with its addition, of one film in the network's convolutions and linear layers.

    Counted by torch on tensors without content; normalisation, activation and pooling are left out, as is
    usual, and the few hundred of the head's one unit.

    Args:
        recipe: names the network.
        size: side of the film, pixels.
    """
    with torch.random.fork_rng(devices=[]):
        model = build_model(recipe.model.name, **recipe.model.options).eval().to("meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.empty(1, 1, size, size, device="meta"))
    return int(counter.get_total_flops()) // 2


def differing_keys(one: Recipe, other: Recipe) -> list[str]:
    """Keys of two recipes that differ, with dots between levels, sorted; the name does not count."""
    mine, theirs = _flat(one.model_dump(mode="json")), _flat(other.model_dump(mode="json"))
    keys = sorted(key for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key))
    return [key for key in keys if key != "name"]


def made_of(card_recipe: Mapping[str, Any], planned: Sequence[Recipe], *, average: bool = False) -> bool:
    """Whether the recipe on a bundle's card is that of these runs, in their order.

    Args:
        card_recipe: `recipe` of the card.
        planned: of one run, or of the members.
        average: of the members' weights.
    """
    if ("average" in card_recipe) != average:
        return False
    try:
        recipes = [Recipe.model_validate(values) for values in recipes_of(card_recipe)]
    except ValidationError:
        return False
    return recipes == list(planned)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat

"""A training recipe: everything that decides what a run computes, as one YAML file.

A recipe names no path, no device and no number of processes: the same recipe gives the same run on a laptop,
on a graphics card and on several machines.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pneumoscope.errors import RecipeError
from pneumoscope.image.prepare import PrepareParameters
from pneumoscope.training.arithmetic import Precision
from pneumoscope.training.augment import AugmentParameters
from pneumoscope.training.folds import Fold
from pneumoscope.training.sampling import Balance

__all__ = [
    "DataChoice",
    "LossChoice",
    "ModelChoice",
    "OptimiserChoice",
    "Recipe",
    "ScheduleChoice",
    "SelectionChoice",
    "Stage",
    "load_recipe",
]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelChoice(_Section):
    """Which network: `build_model(name, pretrained=pretrained, **options)`."""

    name: str
    pretrained: bool = False
    options: dict[str, Any] = Field(default_factory=dict)


class DataChoice(_Section):
    """Which films of the manifest, and how often each is drawn.

    Attributes:
        sources: train and validate on these only; None for all.
        targets: target of each label; films of other labels are left out.
        balance: "none" draws every film equally often; "label" gives both targets half of an epoch;
            "label-within-source" halves each source's share between its targets, so that the source says
            nothing about the target where a source holds both; "label-and-view-within-source" besides gives
            every view of a source the same share of either target: who is too ill to stand is filmed from the
            front, and the view must not stand for the finding. Unknown views count as one.
        source_weights: share of an epoch per source, in any unit; None for shares by number of films.
        epoch_films: films drawn per epoch; None for as many as there are.
        lungless_share: of the films drawn, whose lungs are painted over in one grey or a smooth course of
            greys, and whose target and map become those of a film without pneumonia: what lies outside the
            lungs is no evidence, nor is their outline.
        left_out_fold: part of the training patients that is not trained on, so that the network may judge
            their films for another one that learns from it (`--teacher`); None for none.
    """

    sources: tuple[str, ...] | None = None
    targets: dict[str, Literal[0, 1]] = {"PNEUMONIA": 1, "NORMAL": 0}
    balance: Balance = "none"
    source_weights: dict[str, float] | None = None
    epoch_films: int | None = Field(default=None, ge=1)
    lungless_share: float = Field(default=0.0, ge=0, le=0.5)
    left_out_fold: Fold | None = None

    @model_validator(mode="after")
    def _shares_agree(self) -> Self:
        if self.source_weights is not None:
            if self.balance == "label":
                raise ValueError(
                    "source_weights fix the shares of sources, balance 'label' those of targets; "
                    "use balance 'label-within-source' or 'none' with source_weights"
                )
            if any(weight <= 0 for weight in self.source_weights.values()):
                raise ValueError("source_weights must be above 0; leave a source out by data.sources")
        return self


class OptimiserChoice(_Section):
    """How a gradient becomes a step.

    Attributes:
        name: torch's Adam, AdamW or SGD (with Nesterov momentum).
        learning_rate: peak, for every parameter but the head's.
        weight_decay: of torch's optimiser of that name: added to the gradient by Adam and SGD, decoupled
            in AdamW.
        decay_vectors: also decay biases and the scales of normalisation layers.
        head_learning_rate_factor: the head's learning rate is this times the others'.
        momentum: of SGD.
        gradient_clip: largest norm of the gradient of all parameters; None for no limit.
    """

    name: Literal["adam", "adamw", "sgd"] = "adamw"
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    decay_vectors: bool = True
    head_learning_rate_factor: float = Field(default=1.0, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    gradient_clip: float | None = Field(default=None, gt=0)


class ScheduleChoice(_Section):
    """How the learning rate moves; `warm_up_steps` of linear rise come before any of them.

    Attributes:
        name: "cosine" falls over all stages to `final_factor`; "plateau" multiplies by `plateau_factor`
            after more than `plateau_patience` epochs without a better validation loss; "constant" stays.
        warm_up_steps: optimiser steps.
        final_factor: of the cosine, share of the peak that is left at the end.
        plateau_factor: as `factor` of torch's ReduceLROnPlateau.
        plateau_patience: as `patience` of torch's ReduceLROnPlateau.
    """

    name: Literal["cosine", "plateau", "constant"] = "cosine"
    warm_up_steps: int = Field(default=0, ge=0)
    final_factor: float = Field(default=0.0, ge=0, le=1)
    plateau_factor: float = Field(default=0.1, gt=0, lt=1)
    plateau_patience: int = Field(default=10, ge=0)


class LossChoice(_Section):
    """What is made small.

    Attributes:
        name: binary cross-entropy, or focal loss.
        focal_gamma: exponent of the focal loss; 0 is cross-entropy.
        label_smoothing: targets move from 0 and 1 to half of this and one minus half of this.
        mixup_alpha: of the Beta distribution that mixes pairs of films; 0 for no MixUp.
        map_weight: weight of the map's loss on films whose opacities radiologists boxed; 0 for none.
        map_negative: films of target 0 without boxes join the map's loss, as cold everywhere.
        outside_weight: weight of the map's loss outside the lungs, on films of target 1 without boxes: nobody
            has said where their opacities are, but they are in the lungs. 0 for none.
        teacher_share: of the judgement of other networks (`--teacher`) in what the network learns, beside the
            labels' and the radiologists' boxes', for finding and map. 0 for none.
    """

    name: Literal["bce", "focal"] = "bce"
    focal_gamma: float = Field(default=2.0, ge=0)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    mixup_alpha: float = Field(default=0.0, ge=0)
    map_weight: float = Field(default=0.0, ge=0)
    map_negative: bool = False
    outside_weight: float = Field(default=0.0, ge=0)
    teacher_share: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _outside_has_a_map(self) -> Self:
        if self.outside_weight > 0 and (self.map_weight == 0 or self.mixup_alpha > 0):
            raise ValueError(
                "outside_weight needs a map_weight above 0, and no MixUp: a mixed film has no outside"
            )
        return self


class Stage(_Section):
    """Some epochs at one size; small stages first make training cheap.

    Attributes:
        epochs: of this stage.
        size: height and width of the plates; None for `prepare.size`.
        learning_rate_factor: multiplies the schedule during this stage.
    """

    epochs: int = Field(ge=1)
    size: int | None = Field(default=None, ge=16, le=4096)
    learning_rate_factor: float = Field(default=1.0, gt=0)


class SelectionChoice(_Section):
    """Which epoch of the last stage is kept: the one with the best validation metric.

    Attributes:
        metric: area under the ROC curve.
        average: "pooled" over all validation films, or the mean over the sources that hold both targets.
        minimum_films: a source with fewer validation films of either target stays out of the mean: the AUC of
            two films would outweigh that of a thousand.
    """

    metric: Literal["auc"] = "auc"
    average: Literal["pooled", "mean-over-sources"] = "pooled"
    minimum_films: int = Field(default=10, ge=1)


class Recipe(_Section):
    """One training run.

    Attributes:
        name: of the recipe; names the run directory.
        seed: of the initial weights, the order of films, augmentation and dropout.
        model: which network.
        prepare: parameters of the bundle; its size is that of the last stage, which it follows.
        data: which films, how often.
        augment: how far a film may be changed.
        optimiser: how a gradient becomes a step.
        schedule: how the learning rate moves.
        loss: what is made small.
        stages: one after the other.
        batch_size: films per optimiser step, over all processes.
        ema_decay: of the exponential average of the weights that is validated and kept; None for the last
            weights themselves.
        start_share: of the weights that another run gave to start from, in those that are validated and kept;
            what was learnt before is forgotten less, which pays on films unlike those trained on
            (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").
        early_stopping_patience: a stage ends after this many epochs without a better metric; None for never.
        precision: "bf16" for autocast, "fp32" for none, which a CPU without bfloat16 takes in any case.
        channels_last: memory format of the network and its input.
        threads: of torch within one operation; None for torch's own choice.
        selection: which epoch is kept.
        checkpoint_minutes: time between checkpoints within an epoch; 0 for one after every step.
        log_every: steps between two records of the log.
    """

    name: str
    seed: int = Field(default=0, ge=0)
    model: ModelChoice
    prepare: PrepareParameters = PrepareParameters()
    data: DataChoice = DataChoice()
    augment: AugmentParameters = AugmentParameters()
    optimiser: OptimiserChoice = OptimiserChoice()
    schedule: ScheduleChoice = ScheduleChoice()
    loss: LossChoice = LossChoice()
    stages: tuple[Stage, ...] = Field(min_length=1)
    batch_size: int = Field(default=32, ge=1)
    ema_decay: float | None = Field(default=None, ge=0, lt=1)
    start_share: float = Field(default=0.0, ge=0, lt=1)
    early_stopping_patience: int | None = Field(default=None, ge=1)
    precision: Precision = "bf16"
    channels_last: bool = True
    threads: int | None = Field(default=None, ge=1)
    selection: SelectionChoice = SelectionChoice()
    checkpoint_minutes: float = Field(default=10.0, ge=0)
    log_every: int = Field(default=20, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _bundle_has_the_last_size(cls, values: Any) -> Any:
        """Write the last stage's size into `prepare`, so that a resolved recipe says it once more."""
        if not isinstance(values, dict) or not isinstance(values.get("prepare", {}), dict):
            return values
        stages = values.get("stages")
        last = stages[-1] if isinstance(stages, list | tuple) and stages else None
        size = last.get("size") if isinstance(last, dict) else getattr(last, "size", None)
        if size is None:
            return values
        return {**values, "prepare": {**values.get("prepare", {}), "size": size}}

    @property
    def needs_lungs(self) -> bool:
        """Whether training must know where the lungs of its films are."""
        return self.loss.outside_weight > 0 or self.data.lungless_share > 0

    def stage_prepare(self, stage: int) -> PrepareParameters:
        """Parameters of the plates of one stage."""
        size = self.stages[stage].size
        return self.prepare if size is None else self.prepare.model_copy(update={"size": size})


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe.

    Args:
        path: of a YAML file.
        overrides: "key=value" with dots between levels and YAML values, such as "stages.0.size=160".

    Raises:
        RecipeError: the file cannot be read, or a key is unknown or holds an impossible value; the message
            names file and key.
    """
    path = Path(path)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path}: cannot be opened ({error.strerror}); check the path") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: is no YAML file: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise RecipeError(f"{path}: holds no keys; a recipe begins with name, model and stages")
    for override in overrides:
        _apply(values, override)
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise RecipeError(f"{path}: {_sentence(error)}") from error


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise RecipeError(f"--set {override}: is not of the form key=value, such as seed=3")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"--set {override}: the value is no YAML") from error
    *parents, last = key.split(".")
    level: Any = values
    for parent in parents:
        known = isinstance(level, dict)
        level = level.setdefault(parent, {}) if known else _element(level, parent, override)
    if isinstance(level, list):
        _element(level, last, override)
        level[int(last)] = value
    elif isinstance(level, dict):
        level[last] = value
    else:
        raise RecipeError(f"--set {override}: {'.'.join(parents)} holds no keys")


def _element(level: Any, index: str, override: str) -> Any:
    if not isinstance(level, list):
        raise RecipeError(f"--set {override}: there is nothing at {index}")
    if not index.isdecimal() or int(index) >= len(level):
        raise RecipeError(f"--set {override}: {index} is no position in a list of {len(level)}")
    return level[int(index)]


def _sentence(error: ValidationError) -> str:
    """Every key with what is wrong with it, in one line."""
    parts = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"]) or "recipe"
        message = item["msg"].removeprefix("Value error, ")
        unknown = item["type"] == "extra_forbidden"
        parts.append(f"{key}: {'unknown key' if unknown else message[0].lower() + message[1:]}")
    return "; ".join(parts)

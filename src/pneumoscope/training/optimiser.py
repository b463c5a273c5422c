"""The optimiser of a recipe, and the learning rate of every step."""

import math

from torch import nn, optim

from pneumoscope.models.pooled import PooledClassifier
from pneumoscope.training.recipe import OptimiserChoice, ScheduleChoice

__all__ = ["Plateau", "build_optimiser", "schedule_factor", "set_learning_rate"]


def build_optimiser(model: PooledClassifier, choice: OptimiserChoice) -> optim.Optimizer:
    """The optimiser with up to four groups of parameters: body and head, decayed and not.

    Each group's "factor" is what its learning rate is multiplied by.
    """
    head = {id(parameter) for parameter in model.head.parameters()}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        decayed = choice.decay_vectors or parameter.dim() > 1
        groups.setdefault((id(parameter) in head, decayed), []).append(parameter)
    settings = [
        {
            "params": parameters,
            "weight_decay": choice.weight_decay if decayed else 0.0,
            "factor": choice.head_learning_rate_factor if in_head else 1.0,
        }
        for (in_head, decayed), parameters in groups.items()
    ]
    rate = choice.learning_rate
    if choice.name == "sgd":
        return optim.SGD(settings, lr=rate, momentum=choice.momentum, nesterov=choice.momentum > 0)
    if choice.name == "adam":
        return optim.Adam(settings, lr=rate)
    return optim.AdamW(settings, lr=rate)


def set_learning_rate(optimiser: optim.Optimizer, rate: float) -> None:
    """Give every group `rate` times its own factor."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["factor"]


def schedule_factor(choice: ScheduleChoice, step: int, steps: int) -> float:
    """Share of the peak learning rate at a step; the plateau's own factor comes on top.

    Source of the cosine: Loshchilov & Hutter 2017, eq. 5, without restarts.

    Args:
        choice: of the recipe.
        step: number of the step within the planned run, from 0.
        steps: planned in all.

    >>> [round(schedule_factor(ScheduleChoice(warm_up_steps=2), step, 6), 2) for step in range(6)]
    [0.5, 1.0, 1.0, 0.85, 0.5, 0.15]
    """
    if step < choice.warm_up_steps:
        return (step + 1) / choice.warm_up_steps
    if choice.name != "cosine":
        return 1.0
    progress = (step - choice.warm_up_steps) / max(1, steps - choice.warm_up_steps)
    return choice.final_factor + (1 - choice.final_factor) * 0.5 * (1 + math.cos(math.pi * progress))


class Plateau:
    """Learning rate factor that falls when the validation loss stops falling.

    Same arithmetic as torch's ReduceLROnPlateau in mode "min" with its relative threshold of 1e-4; ours keeps
    a factor, so that warm-up and stages can multiply it.

    Args:
        choice: of the recipe; another schedule's factor stays 1.

    Attributes:
        factor: of the learning rate.
        best: lowest loss so far.
        bad_epochs: since then, or since the last fall of the factor.
    """

    _THRESHOLD = 1e-4

    def __init__(self, choice: ScheduleChoice) -> None:
        self._choice = choice
        self.factor = 1.0
        self.best = math.inf
        self.bad_epochs = 0

    def update(self, loss: float) -> None:
        """Take in the validation loss of one epoch."""
        if self._choice.name != "plateau":
            return
        if loss < self.best * (1 - self._THRESHOLD):
            self.best, self.bad_epochs = loss, 0
        else:
            self.bad_epochs += 1
        if self.bad_epochs > self._choice.plateau_patience:
            self.factor *= self._choice.plateau_factor
            self.bad_epochs = 0

    def state(self) -> dict[str, float]:
        """What `load` takes."""
        return {"factor": self.factor, "best": self.best, "bad_epochs": self.bad_epochs}

    def load(self, state: dict[str, float]) -> None:
        """Go on where `state` was taken."""
        self.factor, self.best, self.bad_epochs = state["factor"], state["best"], int(state["bad_epochs"])

"""Everything that changes while a run trains, and how it is put down and taken up again."""

import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pneumoscope.errors import RecipeError
from pneumoscope.models import PooledClassifier, build_model, load_weights
from pneumoscope.training.average import WeightAverage
from pneumoscope.training.distributed import Processes
from pneumoscope.training.optimiser import Plateau, build_optimiser
from pneumoscope.training.recipe import Recipe

__all__ = ["Progress", "RunState", "Window"]


@dataclass(slots=True)
class Progress:
    """How far a run is.

    Attributes:
        epoch: number within the run, counting all that earlier stages planned.
        step: the next one within the epoch.
        updates: optimiser steps so far; fewer than planned where a stage stopped early.
        films: trained on so far, over all processes.
        seconds: of training and validation so far, over all resumptions.
        best: metric of this stage's kept weights, None where it is not defined.
        best_epoch: in which it was reached.
        epochs_without_improvement: since then.
    """

    epoch: int = 0
    step: int = 0
    updates: int = 0
    films: int = 0
    seconds: float = 0.0
    best: float | None = None
    best_epoch: int | None = None
    epochs_without_improvement: int = 0

    def forget_best(self) -> None:
        """Let the next epoch's weights be kept whatever they score."""
        self.best, self.best_epoch, self.epochs_without_improvement = None, None, 0


class Window:
    """What was summed up since the last record of the log.

    Attributes:
        losses: (2,) float64 on the device, this process's classification and map loss, summed over steps.
        steps: that they are sums of.
        steps_timed: those of them since the run was last resumed, to which the times belong.
        seconds: of training.
        waited: seconds of these in which the network stood still for want of a batch.
    """

    def __init__(self, device: torch.device) -> None:
        self.losses = torch.zeros(2, dtype=torch.float64, device=device)
        self.steps = 0
        self.steps_timed = 0
        self.seconds = 0.0
        self.waited = 0.0

    def add(self, classification: Tensor, mapped: Tensor, *, seconds: float, waited: float) -> None:
        """Take in one step."""
        self.losses += torch.stack((classification, mapped)).detach()
        self.steps += 1
        self.steps_timed += 1
        self.seconds += seconds
        self.waited += waited

    def means(self, processes: Processes) -> tuple[float, float]:
        """Classification and map loss of the whole batches; every process must ask."""
        sums = processes.total(self.losses.clone()) / (self.steps * processes.count)
        classification, mapped = sums.tolist()
        return classification, mapped


class RunState:
    """Network, optimiser, average, schedule and position of a run.

    Args:
        recipe: of the run; its seed makes the initial weights, through torch's global generator.
        processes: that share the work.
        weights: file of the initial ones; None for those that the recipe names.

    Raises:
        RecipeError: the recipe keeps a share of a start that is not there.

    Attributes:
        model: the network, on its device.
        optimiser: of its parameters.
        average: of its weights, or None.
        plateau: of the learning rate.
        progress: how far the run is.
        window: sums since the last record.
    """

    def __init__(self, recipe: Recipe, processes: Processes, weights: Path | None = None) -> None:
        torch.manual_seed(recipe.seed)
        pretrained = recipe.model.pretrained and weights is None
        model = build_model(recipe.model.name, pretrained=pretrained, **recipe.model.options)
        if weights is not None:
            load_weights(model, weights)
        memory_format = torch.channels_last if recipe.channels_last else torch.contiguous_format
        self.model: PooledClassifier = processes.synchronised(
            model.to(device=processes.device, memory_format=memory_format)  # type: ignore[call-overload]
        )
        self.optimiser = build_optimiser(self.model, recipe.optimiser)
        self.average = None if recipe.ema_decay is None else WeightAverage(self.model, recipe.ema_decay)
        if recipe.start_share > 0 and weights is None:
            raise RecipeError(
                "start_share: there is no start; name one with --start-from, or leave the key out"
            )
        self._start_share = recipe.start_share
        self._start = copy.deepcopy(self.model.state_dict()) if recipe.start_share > 0 else {}
        self.plateau = Plateau(recipe.schedule)
        self.progress = Progress()
        self.window = Window(processes.device)

    @property
    def judged(self) -> PooledClassifier:
        """The network that is validated and kept."""
        network = self.model if self.average is None else self.average.network
        if self._start_share == 0:
            return network
        mixed = copy.deepcopy(network)
        with torch.no_grad():
            for name, value in mixed.state_dict().items():
                if value.is_floating_point():
                    value.lerp_(self._start[name], self._start_share)
        return mixed

    def put_down(self) -> dict[str, Any]:
        """All of it as tensors, numbers and text."""
        return {
            "model": self.model.state_dict(),
            "average": None if self.average is None else self.average.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "plateau": self.plateau.state(),
            "progress": asdict(self.progress),
            "window": {"losses": self.window.losses, "steps": self.window.steps},
        }

    def take_up(self, state: dict[str, Any]) -> None:
        """Go on where `put_down` was called."""
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.average is not None:
            self.average.network.load_state_dict(state["average"])
        self.plateau.load(state["plateau"])
        self.progress = Progress(**state["progress"])
        self.window.losses.copy_(state["window"]["losses"])
        self.window.steps = state["window"]["steps"]

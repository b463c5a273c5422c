"""Finished networks whose judgement of each training film another network learns, beside the film's label.

A film's label says yes or no; several large networks say how much and where, of every film and of every
change of it, too. Source: Hinton, Vinyals & Dean 2015 (arXiv:1503.02531).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from pneumoscope.errors import UsageError
from pneumoscope.image.prepare import PrepareParameters
from pneumoscope.models import PooledClassifier
from pneumoscope.training.kept_network import kept_network
from pneumoscope.training.recipe import Recipe

__all__ = ["Judgement", "Teachers", "open_teachers"]

_SHARED = tuple(key for key in PrepareParameters.model_fields if key != "size")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What teachers say of a batch.

    Attributes:
        finding: (B,) float32 in [0, 1], probability of pneumonia.
        warm: (B, h, w) float32 in [0, 1], the map's cells as probabilities.
    """

    finding: Tensor
    warm: Tensor


class Teachers(nn.Module):
    """Networks of which the mean of logits, and of maps, counts.

    Args:
        networks: at least one.
    """

    def __init__(self, networks: Sequence[PooledClassifier]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.eval().requires_grad_(False)

    @torch.no_grad()
    def judge(self, inputs: Tensor) -> Judgement:
        """Judge films as the student sees them.

        Args:
            inputs: (B, 1, S, S) float32, augmented and normalised.
        """
        logits, maps = [], []
        for network in self.networks:
            assert isinstance(network, PooledClassifier)
            logit, cam = network.forward_with_map(inputs)
            logits.append(logit.float())
            maps.append(cam.float()[:, None])
        finest = max(cam.shape[2:] for cam in maps)
        cells = [
            functional.interpolate(cam, size=finest, mode="bilinear", align_corners=False)[:, 0]
            for cam in maps
        ]  # each (B, h, w)
        return Judgement(torch.stack(logits).mean(0).sigmoid(), torch.stack(cells).mean(0).sigmoid())


def open_teachers(directories: Sequence[Path], recipe: Recipe) -> Teachers | None:
    """Networks that runs kept, as teachers of another run.

    Args:
        directories: of the runs.
        recipe: of the run that learns from them.

    Returns:
        The teachers, None where there are none.

    Raises:
        UsageError: teachers without a share in the recipe, or the other way round, or a teacher whose films
            were prepared in another way, whose labels meant something else, or whose map was never taught
            to be one of probabilities.
        DataError: a directory holds no run.
        RecipeError: its recipe is of another version.
        WeightsError: its weights are missing, damaged or of another network.
    """
    share = recipe.loss.teacher_share
    if bool(directories) != (share > 0):
        raise UsageError(
            f"{recipe.name}: loss.teacher_share is {share}, and {len(directories)} --teacher are named: "
            "a recipe with a share wants teachers, and teachers want a share"
        )
    networks = []
    for directory in directories:
        theirs, network = kept_network(directory)
        for key in _SHARED:
            own, other = getattr(recipe.prepare, key), getattr(theirs.prepare, key)
            if own != other:
                raise UsageError(
                    f"{directory}: cannot teach {recipe.name}: its films are prepared in another way "
                    f"(prepare.{key} is {other}, not {own})"
                )
        if theirs.data.targets != recipe.data.targets:
            raise UsageError(
                f"{directory}: cannot teach {recipe.name}: its data.targets are {theirs.data.targets}, "
                f"not {recipe.data.targets}"
            )
        if recipe.loss.map_weight > 0 and theirs.loss.map_weight == 0:
            raise UsageError(
                f"{directory}: cannot teach {recipe.name} its map: its own was never trained "
                "(loss.map_weight is 0), so that cells of it are no probabilities"
            )
        networks.append(network)
    return Teachers(networks) if networks else None

"""A trained network whose weights are replaced by random ones, from the head down."""

import copy
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pneumoscope.evaluation.explanation_randomisation import RandomisedMaps
from pneumoscope.models import Ensemble, PooledClassifier

__all__ = ["WeightStage", "cascade_maps", "network_maps", "random_networks", "randomise", "weight_stages"]

Plates = NDArray[np.float32]

_PARTS = 6
_BATCH = 16


class WeightStage(NamedTuple):
    """Modules that lose their weights together.

    Attributes:
        name: for people.
        modules: each with weights of its own.
    """

    name: str
    modules: tuple[nn.Module, ...]


def weight_stages(model: PooledClassifier, parts: int = _PARTS) -> list[WeightStage]:
    """The head, then the features in parts of about equally many layers, the last layers first.

    The members of an ensemble lose theirs side by side.

    Args:
        model: a trained network.
        parts: of the features.
    """
    trunks = [model.features]
    if isinstance(model, Ensemble):
        trunks = list(model.features.get_submodule("members").children())
    lowered = [_split(list(reversed(_weighted(trunk))), parts) for trunk in trunks]
    stages = [WeightStage("head", (model.head,))]
    for number, groups in enumerate(zip(*lowered, strict=True), start=1):
        modules = tuple(module for group in groups for module in group)
        if modules:
            stages.append(WeightStage(f"part {number} of {parts}, from the top", modules))
    return stages


def _weighted(trunk: nn.Module) -> list[nn.Module]:
    """Modules with parameters or running statistics of their own, in the order they were built."""
    return [
        module
        for module in trunk.modules()
        if any(True for _ in module.parameters(recurse=False))
        or any(buffer.is_floating_point() for buffer in module.buffers(recurse=False))
    ]


def _split(modules: Sequence[nn.Module], parts: int) -> list[Sequence[nn.Module]]:
    edges = [round(len(modules) * part / parts) for part in range(parts + 1)]
    return [modules[start:end] for start, end in pairwise(edges)]


@torch.no_grad()
def randomise(module: nn.Module, generator: torch.Generator) -> None:
    """Replace everything that one module itself has learnt, in place.

    Normalisations become the identity with unit statistics; weights are drawn as for a network that is about
    to be trained, so that grey values neither vanish nor explode on their way up; biases become zero; scales
    of other kinds change places. Source: He et al. 2015 (arXiv:1502.01852), eq. 10.

    Args:
        module: its children keep theirs.
        generator: of the draws.
    """
    if isinstance(module, nn.modules.batchnorm._NormBase | nn.GroupNorm | nn.LayerNorm):
        module.reset_parameters()
        return
    for name, parameter in module.named_parameters(recurse=False):
        if parameter.ndim > 1:
            nn.init.kaiming_normal_(parameter, nonlinearity="relu", generator=generator)
        elif name == "bias":
            nn.init.zeros_(parameter)
        else:
            parameter.copy_(parameter[torch.randperm(parameter.numel(), generator=generator)])


def network_maps(model: PooledClassifier, plates: Plates) -> NDArray[np.float32]:
    """Signed maps of films.

    Args:
        model: in evaluation mode, on the CPU.
        plates: (N, 1, S, S) float32, prepared.

    Returns:
        (N, h, w) float32, logit units.
    """
    with torch.inference_mode():
        batches = torch.split(torch.from_numpy(plates), _BATCH)
        maps = [model.forward_with_map(batch)[1] for batch in batches]
    return torch.cat(maps).numpy()


def cascade_maps(
    model: PooledClassifier, plates: Plates, seed: int, parts: int = _PARTS
) -> Iterator[RandomisedMaps]:
    """Maps of the same films while the network loses its weights, from the head down.

    Args:
        model: in evaluation mode; it is left as it was.
        plates: (N, 1, S, S) float32, prepared.
        seed: of the random weights.
        parts: of the features.

    Yields:
        After each stage the maps; after the last one no learnt weight is left.
    """
    for stage, share, network in random_networks(model, seed, parts):
        yield RandomisedMaps(stage, share, network_maps(network, plates))


def random_networks(
    model: PooledClassifier, seed: int, parts: int = _PARTS
) -> Iterator[tuple[str, float, PooledClassifier]]:
    """The cascade itself: what was replaced last, the share of weights that are random, and the network.

    The network is one and the same object, further randomised at each step.
    """
    network = copy.deepcopy(model).eval()
    generator = torch.Generator().manual_seed(seed)
    total = sum(parameter.numel() for parameter in network.parameters())
    replaced: dict[int, int] = {}  # numbers in each tensor, which two modules may share
    for stage in weight_stages(network, parts):
        for module in stage.modules:
            randomise(module, generator)
            replaced |= {id(tensor): tensor.numel() for tensor in module.parameters(recurse=False)}
        yield stage.name, sum(replaced.values()) / total, network

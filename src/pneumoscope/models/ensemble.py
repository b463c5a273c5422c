"""Several networks as one: the mean of their logits, and a map that is as exact as theirs."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from pneumoscope.errors import UsageError
from pneumoscope.models.pooled import PooledClassifier
from pneumoscope.models.registry import build_model, register

__all__ = ["Ensemble", "resize_keeping_mean"]


def _overlap(cells: int, wanted: int) -> Tensor:
    """(wanted, cells) float32: the share of each of `wanted` equal parts of a side in each of its cells."""
    edges = torch.arange(wanted + 1, dtype=torch.float64) / wanted
    borders = torch.arange(cells + 1, dtype=torch.float64) / cells
    upper = torch.minimum(edges[1:, None], borders[None, 1:])
    lower = torch.maximum(edges[:-1, None], borders[None, :-1])
    return ((upper - lower).clamp(min=0) * wanted).float()


def resize_keeping_mean(maps: Tensor, height: int, width: int) -> Tensor:
    """Bring maps to another grid by area, so that each map's mean stays what it was.

    A cell's evidence is spread evenly over the area it covers.

    Args:
        maps: (B, K, h, w) float32.
        height: of the grid wanted.
        width: of the grid wanted.

    Returns:
        (B, K, height, width) float32.

    >>> resize_keeping_mean(torch.tensor([[[[1.0, 3.0]]]]), 1, 3)
    tensor([[[[1., 2., 3.]]]])
    """
    rows = _overlap(maps.shape[2], height).to(maps.device)  # (height, h)
    columns = _overlap(maps.shape[3], width).to(maps.device)  # (width, w)
    return rows @ maps @ columns.T


class _JoinedFeatures(nn.Module):
    def __init__(self, members: Sequence[PooledClassifier]) -> None:
        super().__init__()
        self.members = nn.ModuleList(member.features for member in members)

    def forward(self, film: Tensor) -> Tensor:
        """Map (B, 1, S, S) to the members' features on the finest of their grids, (B, sum of K, h, w)."""
        features = [cast(Tensor, member(film)) for member in self.members]
        height = max(maps.shape[2] for maps in features)
        width = max(maps.shape[3] for maps in features)
        return torch.cat(
            [
                maps if maps.shape[2:] == (height, width) else resize_keeping_mean(maps, height, width)
                for maps in features
            ],
            dim=1,
        )


class Ensemble(PooledClassifier):
    """The mean of several networks' logits, as one pooled classifier.

    The mean of linear units on pooled features is a linear unit on all their pooled features: its weights
    are the members' divided by their number, its bias the mean of theirs. So the ensemble's map is the mean
    of the members' maps on the finest grid, and mean(map) + bias = logit as for any other network.

    All members see the same input: they share one `PrepareParameters`, size and normalisation included. A
    member that starts from published weights of another normalisation has to be trained with the shared
    one. Members are trained apart; the ensemble takes their features over (no copy) and leaves out their
    dropout.

    Args:
        members: at least one.

    Raises:
        UsageError: no members.
    """

    def __init__(self, members: Sequence[PooledClassifier]) -> None:
        if not members:
            raise UsageError("an ensemble needs at least one member")
        super().__init__(_JoinedFeatures(members), sum(member.weight.numel() for member in members))
        with torch.no_grad():
            weights = torch.cat([member.weight for member in members]) / len(members)  # (sum of K,)
            self.head.weight.copy_(weights[None])
            self.head.bias.copy_(torch.stack([member.bias for member in members]).mean())


@register("ensemble")
def ensemble(
    *,
    members: Sequence[str | Mapping[str, Any]] = ("improved_pneumonia_cnn", "deep_resnet", "efficientnet_b0"),
) -> PooledClassifier:
    """The mean of the logits of networks of this registry.

    Args:
        members: names, or mappings of `name` and the options of `build_model`, for example
            {"name": "deep_resnet", "attention": "se"}.

    Raises:
        UsageError: no members, or one without a name.
    """
    networks = []
    for member in members:
        options = {"name": member} if isinstance(member, str) else dict(member)
        if "name" not in options:
            raise UsageError(f"a member of an ensemble needs a name: {options}")
        networks.append(build_model(**options))
    return Ensemble(networks)

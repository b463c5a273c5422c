"""Features on a grid twice as fine as a network's last one, at almost no cost."""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from pneumoscope.errors import UsageError
from pneumoscope.models.pooled import class_activation_map

__all__ = ["FineFeatures"]

_DETAIL = 256
_FINER = 2


class FineFeatures(nn.Module):
    """A network's last features, enlarged, and beside them features of its last stage of twice their grid.

    Pooling and one linear unit may follow as before: the map is exact, and has four times as many cells. Half
    of a feature pyramid (Lin et al. 2017, arXiv:1612.03144), with nothing dilated.

    Args:
        trunk: an EfficientNet of timm without its head.

    Attributes:
        trunk: as given.
        detail: from the finer stage to `_DETAIL` channels.

    Raises:
        UsageError: `trunk` has no stage of twice the grid of its last features.
    """

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        network = cast(Any, trunk)
        last = network.feature_info[-1]["reduction"]
        stages = [info for info in network.feature_info if info["reduction"] * _FINER == last]
        if not stages:
            raise UsageError("the network has no stage of twice the grid of its last one: leave fine_map out")
        self.trunk = trunk
        self._stage = int(stages[-1]["stage"])  # 0 is the stem
        self.detail = nn.Sequential(
            nn.Conv2d(stages[-1]["num_chs"], _DETAIL, 1, bias=False), nn.BatchNorm2d(_DETAIL), nn.ReLU6()
        )

    @property
    def channels(self) -> int:
        """Of what `forward` gives."""
        return int(cast(Any, self.trunk).num_features) + _DETAIL

    def forward(self, film: Tensor) -> Tensor:
        """(B, 1, S, S) to (B, channels, h, w), h and w twice those of the trunk's own features."""
        coarse, fine = self._parts(film)
        return torch.cat((_enlarged(coarse, fine), fine), dim=1)

    def evidence(self, film: Tensor, weight: Tensor) -> Tensor:
        """The class activation map of what `forward` gives: enlarged after the sum over channels, not before.

        Args:
            film: (B, 1, S, S).
            weight: (channels,) of the linear unit.

        Returns:
            (B, h, w) float32.
        """
        coarse, fine = self._parts(film)
        many = coarse.shape[1]
        summed = class_activation_map(coarse, weight[:many])[:, None]
        return _enlarged(summed, fine)[:, 0] + class_activation_map(fine, weight[many:])

    def _parts(self, film: Tensor) -> tuple[Tensor, Tensor]:
        """The trunk's last features, and those of twice their grid."""
        network = cast(Any, self.trunk)
        x = network.bn1(network.conv_stem(film))
        fine = x
        for number, stage in enumerate(network.blocks, start=1):
            x = stage(x)
            if number == self._stage:
                fine = x
        return cast(Tensor, network.bn2(network.conv_head(x))), cast(Tensor, self.detail(fine))


def _enlarged(coarse: Tensor, fine: Tensor) -> Tensor:
    return functional.interpolate(coarse, size=fine.shape[-2:], mode="bilinear", align_corners=False)

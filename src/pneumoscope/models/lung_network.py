"""The network that finds the lungs: a small U-Net. It is a tool of the data, and never part of a bundle."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from pneumoscope.models.layers import convolution, he_initialise

__all__ = ["LungNetwork"]

_WIDTHS = (12, 24, 48, 64, 64)


class LungNetwork(nn.Module):
    """Grey film in, lungs out, at one size.

    Source: Ronneberger et al. 2015 (arXiv:1505.04597), with batch normalisation, bilinear upsampling and a
    fifth of the widths. The film is standardised inside, so that exposure and bit depth say nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(_pair(before, width) for before, width in pairwise((1, *_WIDTHS)))
        self.up = nn.ModuleList(
            _pair(deep + width, width) for width, deep in reversed(list(pairwise(_WIDTHS)))
        )
        self.head = nn.Conv2d(_WIDTHS[0], 1, 1)
        he_initialise(self)

    def forward(self, film: Tensor) -> Tensor:
        """(B, 1, S, S) float32, any grey scale, S a multiple of 16, to (B, S, S) logits, above 0 in lungs."""
        mean = film.mean(dim=(2, 3), keepdim=True)
        spread = (film - mean).square().mean(dim=(2, 3), keepdim=True).sqrt()
        features = (film - mean) / (spread + 1e-6)
        kept = []
        for level, block in enumerate(self.down):
            features = block(features if level == 0 else functional.max_pool2d(features, 2))
            kept.append(features)
        kept.pop()
        for block in self.up:
            features = functional.interpolate(
                features, scale_factor=2.0, mode="bilinear", align_corners=False
            )
            features = block(torch.cat((features, kept.pop()), dim=1))
        logit: Tensor = self.head(features)
        return logit.squeeze(1)


def _pair(channels_in: int, channels_out: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (channels_in, channels_out):
        layers += [convolution(channels, channels_out, 3), nn.BatchNorm2d(channels_out), nn.ReLU()]
    return nn.Sequential(*layers)

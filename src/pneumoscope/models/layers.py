"""Building blocks of the ladder: squeeze-and-excitation, CBAM, and the basic residual block."""

from collections.abc import Callable
from typing import Literal, cast

import torch
from torch import Tensor, nn

__all__ = [
    "Attention",
    "BasicBlock",
    "ChannelAttention",
    "ConvolutionalBlockAttention",
    "SpatialAttention",
    "SqueezeExcitation",
    "convolution",
    "he_initialise",
]

Attention = Literal["none", "se", "cbam"]

# Below this a bottleneck of ReLU units can die as a whole; 4 is also what 64 channels give at reduction 16.
_LEAST_BOTTLENECK = 4


def convolution(channels_in: int, channels_out: int, size: int, stride: int = 1) -> nn.Conv2d:
    """Square convolution without bias (batch normalisation follows), padded to keep the grid at stride 1."""
    return nn.Conv2d(channels_in, channels_out, size, stride=stride, padding=size // 2, bias=False)


def he_initialise(network: nn.Module) -> None:
    """Set convolutions for ReLU, by fan-out, and batch normalisation to identity, in place.

    Source: He et al. 2015 (arXiv:1502.01852), eq. 14.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)


def _bottleneck(channels: int, reduction: int) -> nn.Sequential:
    """Two fully connected layers with a ReLU between, as 1x1 convolutions on (B, channels, 1, 1)."""
    hidden = max(channels // reduction, _LEAST_BOTTLENECK)
    return nn.Sequential(nn.Conv2d(channels, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, channels, 1))


class SqueezeExcitation(nn.Module):
    """Scale channels by a gate computed from their means.

    Source: Hu et al. 2018 (arXiv:1709.01507), eq. 2-4.

    Args:
        channels: of the input.
        reduction: ratio of the bottleneck.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.excite = _bottleneck(channels, reduction)

    def forward(self, features: Tensor) -> Tensor:
        """Gate (B, C, h, w); the shape stays."""
        squeezed = features.mean(dim=(2, 3), keepdim=True)  # (B, C, 1, 1)
        return features * torch.sigmoid(self.excite(squeezed))


class ChannelAttention(nn.Module):
    """Scale channels by a gate computed from their means and maxima through one shared bottleneck.

    Source: Woo et al. 2018, CBAM (arXiv:1807.06521), eq. 2.

    Args:
        channels: of the input.
        reduction: ratio of the bottleneck; 16 in the paper.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.shared = _bottleneck(channels, reduction)

    def forward(self, features: Tensor) -> Tensor:
        """Gate (B, C, h, w); the shape stays."""
        means = features.mean(dim=(2, 3), keepdim=True)  # (B, C, 1, 1)
        maxima = features.amax(dim=(2, 3), keepdim=True)  # (B, C, 1, 1)
        return features * torch.sigmoid(self.shared(means) + self.shared(maxima))


class SpatialAttention(nn.Module):
    """Scale places by a gate computed from the mean and maximum over channels.

    Source: Woo et al. 2018, CBAM (arXiv:1807.06521), eq. 3.

    Args:
        size: of the convolution; 7 in the paper.
    """

    def __init__(self, size: int = 7) -> None:
        super().__init__()
        self.convolution = convolution(2, 1, size)

    def forward(self, features: Tensor) -> Tensor:
        """Gate (B, C, h, w); the shape stays."""
        means = features.mean(dim=1, keepdim=True)  # (B, 1, h, w)
        maxima = features.amax(dim=1, keepdim=True)  # (B, 1, h, w)
        return features * torch.sigmoid(self.convolution(torch.cat((means, maxima), dim=1)))


class ConvolutionalBlockAttention(nn.Sequential):
    """CBAM: channel attention, then spatial attention.

    Source: Woo et al. 2018 (arXiv:1807.06521), eq. 1 and section 4.1 on the order.

    Args:
        channels: of the input.
        reduction: of the channel attention's bottleneck.
        size: of the spatial attention's convolution.
    """

    def __init__(self, channels: int, reduction: int = 16, size: int = 7) -> None:
        super().__init__(ChannelAttention(channels, reduction), SpatialAttention(size))


def _attention(kind: Attention, channels: int) -> nn.Module:
    if kind == "se":
        return SqueezeExcitation(channels)
    if kind == "cbam":
        return ConvolutionalBlockAttention(channels)
    return nn.Identity()


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, attention on what they give, and a shortcut round both.

    Source: He et al. 2016 (arXiv:1512.03385), figure 5 left, shortcut of type B; dropout between the
    convolutions as in Zagoruyko & Komodakis 2016 (arXiv:1605.07146), section 2.4; attention before the
    addition as in Woo et al. 2018, figure 3.

    Args:
        channels_in: of the input.
        channels_out: of the output.
        stride: of the first convolution.
        attention: after the second convolution.
        activation: makes the non-linearity.
        dropout: between the convolutions.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        stride: int,
        attention: Attention,
        activation: Callable[[], nn.Module],
        dropout: float,
    ) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            convolution(channels_in, channels_out, 3, stride),
            nn.BatchNorm2d(channels_out),
            activation(),
            nn.Dropout(dropout),
            convolution(channels_out, channels_out, 3),
            nn.BatchNorm2d(channels_out),
            _attention(attention, channels_out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                convolution(channels_in, channels_out, 1, stride), nn.BatchNorm2d(channels_out)
            )
        self.activation = activation()

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, channels_in, h, w) to (B, channels_out, h / stride, w / stride), rounded up."""
        return cast(Tensor, self.activation(self.residual(features) + self.shortcut(features)))

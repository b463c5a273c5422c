"""Residual networks of basic blocks: `deep_resnet` and `improved_pneumonia_cnn`, from one builder."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import get_args

from torch import nn

from pneumoscope.errors import UsageError
from pneumoscope.models.layers import Attention, BasicBlock, convolution, he_initialise
from pneumoscope.models.pooled import PooledClassifier
from pneumoscope.models.registry import register

__all__ = ["deep_resnet", "improved_pneumonia_cnn"]

_WIDTHS = (64, 128, 256, 512)


def _residual_network(
    depths: Sequence[int],
    activation: Callable[[], nn.Module],
    *,
    attention: Attention,
    block_dropout: float,
    dropout: float,
    width_multiplier: float,
) -> PooledClassifier:
    """7x7 stride-2 stem and max pool, then one stage per depth, each after the first halving the grid.

    Args:
        depths: blocks per stage; widths are 64-128-256-512 times `width_multiplier`.
        activation: makes the non-linearity of stem and blocks.
        attention: "none", "se" or "cbam" in every block.
        block_dropout: between the convolutions of each block.
        dropout: before the head.
        width_multiplier: of all widths, the stem's too.

    Returns:
        A network whose map has 1/32 of the film's sides.

    Raises:
        UsageError: no such attention, or a width of no channels.
    """
    if attention not in get_args(Attention):
        raise UsageError(f"attention {attention!r} is not known: use one of {', '.join(get_args(Attention))}")
    widths = [round(width * width_multiplier) for width in _WIDTHS]
    if min(widths) < 1:
        raise UsageError(f"width_multiplier {width_multiplier} leaves no channels: use at least 0.02")
    layers: list[nn.Module] = [
        convolution(1, widths[0], 7, stride=2),
        nn.BatchNorm2d(widths[0]),
        activation(),
        nn.MaxPool2d(3, stride=2, padding=1),
    ]
    channels = widths[0]
    for stage, (depth, width) in enumerate(zip(depths, widths, strict=True)):
        for block in range(depth):
            layers.append(
                BasicBlock(
                    channels,
                    width,
                    stride=2 if stage > 0 and block == 0 else 1,
                    attention=attention,
                    activation=activation,
                    dropout=block_dropout,
                )
            )
            channels = width
    features = nn.Sequential(*layers)
    he_initialise(features)
    return PooledClassifier(features, channels, dropout=dropout)


deep_resnet = register("deep_resnet")(
    partial(
        _residual_network,
        (3, 4, 6, 6),
        nn.ReLU,
        attention="none",
        block_dropout=0.0,
        dropout=0.0,
        width_multiplier=1.0,
    )
)
"""Basic blocks in stages of 3-4-6-6, ReLU: 42 convolutions, 35.4 million parameters without attention."""

improved_pneumonia_cnn = register("improved_pneumonia_cnn")(
    partial(
        _residual_network,
        (3, 4, 6, 3),
        nn.SiLU,
        attention="cbam",
        block_dropout=0.2,
        dropout=0.4,
        width_multiplier=1.0,
    )
)
"""ResNet-34's stages of 3-4-6-3 with CBAM and SiLU in every block: 21.4 million parameters."""

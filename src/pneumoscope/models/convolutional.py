"""The ladder's first rungs: plain convolutional networks."""

from torch import nn

from pneumoscope.models.layers import SqueezeExcitation, convolution, he_initialise
from pneumoscope.models.pooled import PooledClassifier
from pneumoscope.models.registry import register

__all__ = ["deep_cnn", "simple_cnn"]


def _convolve(channels_in: int, channels_out: int) -> list[nn.Module]:
    return [convolution(channels_in, channels_out, 3), nn.BatchNorm2d(channels_out), nn.ReLU()]


@register("simple_cnn")
def simple_cnn(*, dropout: float = 0.0) -> PooledClassifier:
    """Three convolutions, 32-64-128, with max pooling between: 0.09 million parameters, map at 1/4.

    Args:
        dropout: before the head.
    """
    features = nn.Sequential(
        *_convolve(1, 32),
        nn.MaxPool2d(2),
        *_convolve(32, 64),
        nn.MaxPool2d(2),
        *_convolve(64, 128),
    )
    he_initialise(features)
    return PooledClassifier(features, 128, dropout=dropout)


@register("deep_cnn")
def deep_cnn(*, dropout: float = 0.0) -> PooledClassifier:
    """Eight convolutions in pairs of 32-64-128-256, each pair with squeeze-and-excitation: 1.2 million.

    Max pooling between the pairs leaves the map at 1/8.

    Args:
        dropout: before the head.
    """
    layers: list[nn.Module] = []
    channels = 1
    for width in (32, 64, 128, 256):
        if layers:
            layers.append(nn.MaxPool2d(2))
        layers += [*_convolve(channels, width), *_convolve(width, width), SqueezeExcitation(width)]
        channels = width
    features = nn.Sequential(*layers)
    he_initialise(features)
    return PooledClassifier(features, channels, dropout=dropout)

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.signal import correlate2d
from torch import nn

from pneumoscope.models.layers import (
    BasicBlock,
    ChannelAttention,
    ConvolutionalBlockAttention,
    SpatialAttention,
    SqueezeExcitation,
    he_initialise,
)


def _sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 / (1.0 + np.exp(-values))


def _dense(layer: nn.Module, values: NDArray[np.float64]) -> NDArray[np.float64]:
    assert isinstance(layer, nn.Conv2d)
    assert layer.bias is not None
    weight = layer.weight.detach().numpy()[:, :, 0, 0].astype(np.float64)
    return values @ weight.T + layer.bias.detach().numpy()


def _bottleneck(layers: nn.Sequential, values: NDArray[np.float64]) -> NDArray[np.float64]:
    return _dense(layers[2], np.maximum(_dense(layers[0], values), 0.0))


@pytest.fixture
def features() -> torch.Tensor:
    return torch.randn((2, 64, 5, 6), generator=torch.Generator().manual_seed(0))


def test_squeeze_excitation_against_numpy(features: torch.Tensor) -> None:
    module = SqueezeExcitation(64)
    maps = features.numpy().astype(np.float64)
    gate = _sigmoid(_bottleneck(module.excite, maps.mean(axis=(2, 3))))
    found = module(features).detach().numpy()
    np.testing.assert_allclose(found, maps * gate[:, :, None, None], rtol=1e-4, atol=1e-5)


def test_channel_attention_against_numpy(features: torch.Tensor) -> None:
    module = ChannelAttention(64, reduction=16)
    assert module.shared[0].out_channels == 4
    maps = features.numpy().astype(np.float64)
    gate = _sigmoid(
        _bottleneck(module.shared, maps.mean(axis=(2, 3))) + _bottleneck(module.shared, maps.max(axis=(2, 3)))
    )
    found = module(features).detach().numpy()
    np.testing.assert_allclose(found, maps * gate[:, :, None, None], rtol=1e-4, atol=1e-5)


def test_spatial_attention_against_scipy(features: torch.Tensor) -> None:
    module = SpatialAttention(7)
    kernels = module.convolution.weight.detach().numpy()[0].astype(np.float64)
    maps = features.numpy().astype(np.float64)
    for film, found in zip(maps, module(features).detach().numpy(), strict=True):
        gate = sum(
            correlate2d(plane, kernel, mode="same")
            for plane, kernel in zip((film.mean(axis=0), film.max(axis=0)), kernels, strict=True)
        )
        np.testing.assert_allclose(found, film * _sigmoid(gate), rtol=1e-4, atol=1e-5)


def test_cbam_is_channel_then_spatial(features: torch.Tensor) -> None:
    module = ConvolutionalBlockAttention(64)
    channel, spatial = module
    assert isinstance(channel, ChannelAttention)
    assert torch.equal(module(features), spatial(channel(features)))


def test_bottleneck_never_vanishes() -> None:
    assert ChannelAttention(8, reduction=16).shared[0].out_channels == 4


@pytest.mark.parametrize(("stride", "grid"), [(1, (5, 6)), (2, (3, 3))])
def test_basic_block_halves_the_grid_at_stride_two(
    stride: int, grid: tuple[int, int], features: torch.Tensor
) -> None:
    block = BasicBlock(64, 32, stride=stride, attention="cbam", activation=nn.SiLU, dropout=0.2)
    assert block(features).shape == (2, 32, *grid)


def test_basic_block_without_residual_is_its_activation(features: torch.Tensor) -> None:
    block = BasicBlock(64, 64, stride=1, attention="none", activation=nn.ReLU, dropout=0.0).eval()
    nn.init.zeros_(block.residual[5].weight)
    assert torch.equal(block(features), features.relu())


def test_attention_acts_before_the_addition(features: torch.Tensor) -> None:
    block = BasicBlock(64, 64, stride=1, attention="se", activation=nn.ReLU, dropout=0.0).eval()
    gate = block.residual[6]
    assert isinstance(gate, SqueezeExcitation)
    expected = (gate(block.residual[:6](features)) + features).relu()
    assert torch.equal(block(features), expected)


def test_he_initialisation_keeps_the_variance() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(64, 128, 3)
    he_initialise(layer)
    assert layer.weight.std().item() == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.02)
    assert layer.bias is not None
    assert not layer.bias.any()

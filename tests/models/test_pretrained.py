import pytest
import timm
import torch

from models.trained import films
from pneumoscope.errors import UsageError, WeightsError
from pneumoscope.models import build_model


@pytest.mark.parametrize("error", [FileNotFoundError("hub"), ConnectionError("offline")])
def test_unreachable_hub_says_what_to_do(error: OSError, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(timm.models._builder, "load_pretrained", unreachable)
    with pytest.raises(WeightsError, match=r"weights of efficientnet_b0 cannot be fetched.*huggingface\.co"):
        build_model("efficientnet_b0", pretrained=True)


@pytest.mark.parametrize(
    "name", ["efficientnet_lite0", "efficientnet_lite2", "efficientnet_b0", "timm:resnet18"]
)
def test_output_stride_doubles_the_grid(name: str) -> None:
    grids = []
    for stride in (32, 16):
        model = build_model(name, output_stride=stride).eval()
        with torch.no_grad():
            grids.append(model.forward_with_map(films(1))[1].shape[1:])
    assert grids == [(2, 2), (4, 4)]


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

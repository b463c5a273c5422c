"""Every registered network, without being named here, keeps the promises of `PooledClassifier`."""

from collections.abc import Iterator

import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn

from models.trained import as_if_trained, films, small_options
from pneumoscope.errors import UsageError
from pneumoscope.models import (
    PooledClassifier,
    build_model,
    model_names,
    model_options,
    pretrained_weights,
)
from pneumoscope.models import registry as registry_module
from pneumoscope.models.registry import PretrainedWeights, register

each_network = pytest.mark.parametrize("name", model_names())


@pytest.fixture(scope="module")
def trained() -> dict[str, PooledClassifier]:
    return {name: as_if_trained(name, **small_options(name)) for name in model_names()}


@pytest.fixture
def empty_place() -> Iterator[str]:
    yield "test_network"
    registry_module._ENTRIES.pop("test_network", None)


@each_network
def test_shapes_and_types(name: str, trained: dict[str, PooledClassifier]) -> None:
    model = trained[name]
    with torch.no_grad():
        features = model.features(films(3))
        logit, cam = model.forward_with_map(films(3))
    assert features.shape[:2] == (3, model.head.in_features)
    assert isinstance(model.head, nn.Linear)
    assert logit.shape == (3,)
    assert cam.shape == (3, *features.shape[2:])
    assert logit.dtype == cam.dtype == model.bias.dtype == torch.float32
    assert model.bias.shape == ()


@each_network
def test_mean_of_map_plus_bias_is_the_logit_of_the_pooled_path(
    name: str, trained: dict[str, PooledClassifier]
) -> None:
    model = trained[name]
    with torch.no_grad():
        pooled_logit = model(films(5))
        logit, cam = model.forward_with_map(films(5))
    assert pooled_logit.std() > 1e-3, "the films must differ for this to mean anything"
    torch.testing.assert_close(cam.mean(dim=(1, 2)) + model.bias, pooled_logit, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(logit, pooled_logit, rtol=1e-5, atol=1e-5)


@each_network
def test_map_is_signed_grad_cam(name: str, trained: dict[str, PooledClassifier]) -> None:
    model = trained[name]
    with torch.no_grad():
        _, cam = model.forward_with_map(films(2))
    grad_cam = LayerGradCam(model, model.features)
    cells = cam.shape[1] * cam.shape[2]
    for relu in (False, True):
        # Captum averages the gradient over cells, of a logit that is itself the average over cells.
        theirs = grad_cam.attribute(films(2), relu_attributions=relu)[:, 0].detach() * cells
        ours = cam.relu() if relu else cam
        assert relu or theirs.abs().max() > 1e-3
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * float(cam.abs().max()))


@each_network
def test_gradient_reaches_every_parameter(name: str) -> None:
    torch.manual_seed(0)
    model = build_model(name, **small_options(name))
    target = torch.tensor([0.0, 1.0, 1.0, 0.0])
    nn.functional.binary_cross_entropy_with_logits(model(films(4)), target).backward()
    untouched = [
        key
        for key, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.isfinite().all() or not parameter.grad.any()
    ]
    assert not untouched


@each_network
def test_evaluation_is_deterministic_and_leaves_no_trace(
    name: str, trained: dict[str, PooledClassifier]
) -> None:
    model = trained[name]
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    with torch.no_grad():
        first, second = model.forward_with_map(films(2)), model.forward_with_map(films(2))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())


@each_network
def test_same_seed_builds_the_same_network(name: str) -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(7)
        states.append(build_model(name, **small_options(name)).state_dict())
    assert all(torch.equal(tensor, states[1][key]) for key, tensor in states[0].items())


@each_network
def test_in_training_both_ways_to_the_logit_drop_the_same_channels(
    name: str, trained: dict[str, PooledClassifier]
) -> None:
    model = trained[name]
    dropout = model.dropout.p
    model.dropout.p = 0.5
    model.dropout.train()
    # Only the head is set to training, so that batch statistics and block dropout stay out of it.
    model.training = True
    try:
        torch.manual_seed(3)
        pooled_logit = model(films(4)).detach()
        torch.manual_seed(3)
        logit, cam = (result.detach() for result in model.forward_with_map(films(4)))
    finally:
        model.dropout.p = dropout
        model.eval()
    torch.testing.assert_close(logit, pooled_logit, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(cam.mean(dim=(1, 2)) + model.bias, logit, rtol=1e-5, atol=1e-5)


@each_network
def test_logits_are_not_rounded_under_autocast(name: str, trained: dict[str, PooledClassifier]) -> None:
    model = trained[name]
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        logit, cam = model.forward_with_map(films(2))
    assert logit.dtype == cam.dtype == torch.float32
    assert not torch.equal(logit, logit.bfloat16().float())


def test_the_ladder_is_registered() -> None:
    ladder = {
        "simple_cnn",
        "deep_cnn",
        "deep_resnet",
        "improved_pneumonia_cnn",
        "efficientnet_b0",
        "efficientnet_lite0",
        "efficientnet_lite1",
        "efficientnet_lite2",
        "ensemble",
    }
    assert ladder <= set(model_names())


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no network is called 'deep_resnett': did you mean deep_resnet\?"):
        build_model("deep_resnett")


def test_unknown_option_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="simple_cnn has no option 'attention': its options are dropout"):
        build_model("simple_cnn", attention="se")


def test_pretrained_weights_where_there_are_none() -> None:
    assert pretrained_weights("deep_cnn") is None
    with pytest.raises(UsageError, match=r"deep_cnn has no pretrained weights: .*efficientnet_lite0"):
        build_model("deep_cnn", pretrained=True)


def test_options_are_those_of_the_builder() -> None:
    assert model_options("efficientnet_lite0") == {
        "dropout": 0.2,
        "drop_path": 0.0,
        "output_stride": 32,
        "fine_map": False,
    }


def test_pretrained_reaches_a_builder_that_has_weights(empty_place: str) -> None:
    seen = []

    @register(empty_place, weights=PretrainedWeights("a test", "MIT", mean=0.1, std=0.2))
    def build(*, pretrained: bool = False, dropout: float = 0.0) -> PooledClassifier:
        seen.append((pretrained, dropout))
        return PooledClassifier(nn.Conv2d(1, 2, 1), 2, dropout=dropout)

    assert empty_place in model_names()
    build_model(empty_place, pretrained=True)
    build_model(empty_place, dropout=0.5)
    assert seen == [(True, 0.0), (False, 0.5)]
    assert pretrained_weights(empty_place) == PretrainedWeights("a test", "MIT", mean=0.1, std=0.2)

import pytest
import torch
from torch import nn
from torch.nn import functional

from pneumoscope.models import build_model
from pneumoscope.training import depthwise
from pneumoscope.training.depthwise import FastDepthwise, depthwise_convolution


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize(("height", "width"), [(11, 14), (12, 9)])
def test_gradients_are_those_of_torch(kernel, stride, padding, height, width):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(2, 32, height, width, generator=generator, dtype=torch.float64)
    weight = torch.randn(32, 1, kernel, kernel, generator=generator, dtype=torch.float64)
    inputs = inputs.to(memory_format=torch.channels_last).requires_grad_()
    weight.requires_grad_()
    expected = functional.conv2d(inputs, weight, None, stride, padding, 1, 32)
    found = depthwise_convolution(inputs, weight, stride, padding)
    torch.testing.assert_close(found, expected)
    gradient = torch.randn(expected.shape, generator=generator, dtype=torch.float64)
    for ours, theirs in zip(
        torch.autograd.grad(found, (inputs, weight), gradient),
        torch.autograd.grad(expected, (inputs, weight), gradient),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


def gradients(model, films, mode):
    model.zero_grad()
    with mode:
        model(films).square().sum().backward()
    return [parameter.grad.clone() for parameter in model.parameters()]


def depthwise_net(**options):
    return nn.Sequential(
        nn.Conv2d(1, 16, 3), nn.Conv2d(16, 16, 5, groups=16, **options), nn.Flatten(1), nn.LazyLinear(1)
    )


@pytest.mark.parametrize(
    ("options", "taken"),
    [
        ({}, True),
        ({"stride": 2, "padding": 2, "bias": False}, True),
        ({"dilation": 2}, False),
        ({"stride": (1, 2)}, False),
        ({"padding": "same"}, False),
    ],
)
def test_the_mode_takes_over_what_it_can_and_changes_no_gradient(monkeypatch, options, taken):
    torch.manual_seed(0)
    model = depthwise_net(**options)
    films = torch.randn(2, 1, 16, 16)
    model(films)
    calls = []
    real = depthwise.depthwise_convolution
    monkeypatch.setattr(
        depthwise, "depthwise_convolution", lambda *given: calls.append(given) or real(*given)
    )
    expected = gradients(model, films, torch.enable_grad())
    found = gradients(model, films, FastDepthwise())
    assert len(calls) == taken
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_under_autocast_it_computes_in_bfloat16_as_torch_does():
    torch.manual_seed(0)
    convolution = nn.Conv2d(32, 32, 5, padding=2, groups=32)
    films = torch.randn(2, 32, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        expected = convolution(films)
        with FastDepthwise():
            found = convolution(films)
    assert found.dtype == expected.dtype == torch.bfloat16
    torch.testing.assert_close(found, expected, rtol=2e-2, atol=2e-2)


def test_without_gradient_nothing_is_taken_over(monkeypatch):
    monkeypatch.setattr(depthwise, "depthwise_convolution", None)
    with torch.no_grad(), FastDepthwise():
        nn.Conv2d(16, 16, 5, groups=16)(torch.zeros(1, 16, 8, 8))


def test_lite0_has_the_same_gradients_and_uses_it(monkeypatch):
    torch.manual_seed(0)
    model = build_model("efficientnet_lite0").eval()
    films = torch.randn(2, 1, 32, 32)
    calls = []
    real = depthwise.depthwise_convolution
    monkeypatch.setattr(
        depthwise, "depthwise_convolution", lambda *given: calls.append(given) or real(*given)
    )
    expected = gradients(model, films, torch.enable_grad())
    found = gradients(model, films, FastDepthwise())
    assert len(calls) == 11  # of 16 depthwise layers, those with a 5x5 kernel or a stride
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5 * float(theirs.abs().max() + 1))

import copy

import torch
from torch import nn

from pneumoscope.models import build_model
from pneumoscope.training.average import WeightAverage


def test_the_average_is_that_of_the_formula_in_weights_and_buffers():
    torch.manual_seed(0)
    network = build_model("simple_cnn")
    average = WeightAverage(network, 0.5)
    expected = {name: value.double().clone() for name, value in network.state_dict().items()}
    generator = torch.Generator().manual_seed(1)
    for step in range(1, 6):
        with torch.no_grad():
            for value in network.state_dict().values():
                if value.is_floating_point():
                    value.add_(torch.randn(value.shape, generator=generator))
                else:
                    value.add_(1)
        decay = min(0.5, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            expected[name] = decay * expected[name] + (1 - decay) * value.double()
        average.update(network, step)
    for name, value in average.network.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value.double(), expected[name], rtol=1e-5, atol=1e-5)
        else:
            assert torch.equal(value, network.state_dict()[name])


def test_the_average_leaves_the_network_alone():
    network = build_model("simple_cnn")
    before = copy.deepcopy(network.state_dict())
    average = WeightAverage(network, 0.9)
    average.update(network, 1)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert network.training
    assert not average.network.training
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
    assert isinstance(average.network, nn.Module)

import pytest
import torch
from torch import nn

from models.trained import as_if_trained, films, small_options
from pneumoscope.models import model_names
from pneumoscope.release.random_weights import (
    cascade_maps,
    network_maps,
    random_networks,
    randomise,
    weight_stages,
)

each_network = pytest.mark.parametrize("name", model_names())


def _plates(count=3):
    return films(count).numpy()


def _state(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items() if tensor.is_floating_point()}


@each_network
def test_nothing_learnt_is_left_at_the_end(name):
    model = as_if_trained(name, **small_options(name))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01)  # biases that nothing has taught anything are zero, as random ones are
    before = _state(model)
    *_, (_, share, network) = random_networks(model, seed=0)
    assert share == 1.0
    after = network.state_dict()
    for key, tensor in before.items():
        assert not torch.equal(tensor, after[key]), key
        torch.testing.assert_close(tensor, model.state_dict()[key], rtol=0, atol=0)


@each_network
def test_maps_of_random_weights_are_finite_and_differ_between_films(name):
    model = as_if_trained(name, **small_options(name))
    for stage in cascade_maps(model, _plates(), seed=1):
        assert stage.maps.shape == network_maps(model, _plates()).shape
        assert (abs(stage.maps) < 1e6).all()
        assert stage.maps.std() > 1e-6, stage.stage


@each_network
def test_the_head_goes_first_and_more_with_every_stage(name):
    model = as_if_trained(name, **small_options(name))
    stages = weight_stages(model)
    assert stages[0].modules == (model.head,)
    modules = [module for stage in stages for module in stage.modules]
    assert len(set(map(id, modules))) == len(modules)
    shares = [share for _, share, _ in random_networks(model, seed=0)]
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.2
    with torch.no_grad():
        _, _, network = next(iter(random_networks(model, seed=0)))
        torch.testing.assert_close(network.features(films(2)), model.features(films(2)))


def test_the_first_layers_go_last():
    model = as_if_trained("deep_resnet", width_multiplier=0.25)
    first = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    stages = weight_stages(model, parts=4)
    assert [first in stage.modules for stage in stages] == [False, False, False, False, True]
    assert [stage.name for stage in stages][:2] == ["head", "part 1 of 4, from the top"]


def test_members_of_an_ensemble_go_side_by_side():
    model = as_if_trained("ensemble", **small_options("ensemble"))
    one, other = model.features.get_submodule("members").children()
    for stage in weight_stages(model, parts=3)[1:]:
        for member in (one, other):
            own = set(map(id, member.modules()))
            assert any(id(module) in own for module in stage.modules)


def test_equal_seeds_give_equal_networks():
    model = as_if_trained("simple_cnn")
    first, again, other = (list(cascade_maps(model, _plates(), seed))[-1].maps for seed in (5, 5, 6))
    assert (first == again).all()
    assert not (first == other).all()


def test_the_global_generator_is_left_alone():
    model = as_if_trained("simple_cnn")
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    list(cascade_maps(model, _plates(), seed=0))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_weights_are_drawn_by_fan_in():
    layer = nn.Conv2d(64, 128, 3)
    randomise(layer, torch.Generator().manual_seed(0))
    assert float(layer.weight.detach().std()) == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)
    assert not layer.bias.any()


def test_normalisations_become_the_identity():
    layer = nn.BatchNorm2d(4).eval()
    with torch.no_grad():
        for tensor in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
            tensor.uniform_(2, 3)
    randomise(layer, torch.Generator())
    torch.testing.assert_close(layer(torch.ones(1, 4, 2, 2)), torch.ones(1, 4, 2, 2))


def test_scales_of_other_kinds_change_places():
    layer = nn.PReLU(50)
    with torch.no_grad():
        layer.weight.copy_(torch.arange(50))
    randomise(layer, torch.Generator().manual_seed(0))
    assert sorted(layer.weight.tolist()) == list(range(50))
    assert layer.weight.tolist() != list(range(50))

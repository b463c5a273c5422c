import numpy as np
import pytest
import torch
from torch.nn import functional

from models.trained import as_if_trained, films
from pneumoscope.release.attributions import METHODS, OURS, attributable, guided_units


def _explain(name, model, plate):
    (method,) = (method for method in METHODS if method.name == name)
    return method.explain(model, plate)


@pytest.fixture(scope="module")
def model():
    return attributable(as_if_trained("simple_cnn"))


@pytest.fixture(scope="module")
def plate():
    return films(1, seed=3)


def _gradient(model, plate):
    plate = plate.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model(plate).sum(), plate)
    return gradient[0, 0].numpy()


def test_all_give_one_signed_map_and_leave_the_network_alone(model, plate):
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    assert METHODS[0] is OURS
    for method in METHODS:
        found = method.explain(model, plate)
        assert found.ndim == 2
        assert found.dtype == np.float32
        assert np.isfinite(found).all()
        assert found.std() > 0, method.name
        assert method.fine == (found.shape == (64, 64)) or method.name == "occlusion"
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[key])
    assert not any(module._forward_hooks or module._backward_hooks for module in model.modules())


def test_grad_cam_is_our_map(model, plate):
    ours, theirs = _explain("closed_form", model, plate), _explain("grad_cam", model, plate)
    np.testing.assert_allclose(theirs * ours.size, ours, atol=1e-4 * np.abs(ours).max())


def test_saliency_is_the_size_of_the_gradient(model, plate):
    np.testing.assert_allclose(
        _explain("saliency", model, plate), np.abs(_gradient(model, plate)), rtol=1e-4, atol=1e-7
    )


def test_integrated_gradients_add_up_to_the_change_of_the_logit(model, plate):
    with torch.no_grad():
        change = float(model(plate) - model(torch.zeros_like(plate)))
    assert abs(change) > 0.05
    assert _explain("integrated_gradients", model, plate).sum() == pytest.approx(change, rel=0.05, abs=0.02)


def test_guided_grad_cam_without_relu_is_grad_cam_times_the_gradient(plate):
    model = attributable(as_if_trained("improved_pneumonia_cnn", width_multiplier=0.25))
    for module in model.modules():
        for name, child in module.named_children():
            if isinstance(child, torch.nn.ReLU):
                setattr(module, name, torch.nn.SiLU())
    assert guided_units(model) == 0
    coarse = torch.from_numpy(_explain("grad_cam", model, plate)).relu()[None, None]
    large = functional.interpolate(coarse, size=(64, 64), mode="nearest")[0, 0].numpy()
    expected = large * _gradient(model, plate)
    np.testing.assert_allclose(
        _explain("guided_grad_cam", model, plate), expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max()
    )


def test_relus_are_counted(model):
    assert guided_units(model) > 0


def test_occlusion_is_what_the_logit_loses(model, plate):
    """In the upper left corner only the first square counts: cells of half its side meet others elsewhere."""
    side = 64 // 7
    covered = plate.clone()
    covered[..., :side, :side] = 0.0
    with torch.no_grad():
        lost = float(model(plate) - model(covered))
    assert _explain("occlusion", model, plate)[0, 0] == pytest.approx(lost, rel=1e-3, abs=1e-6)


def test_units_that_overwrite_their_input_are_changed_in_a_copy():
    model = torch.nn.Sequential(torch.nn.ReLU(inplace=True))
    copied = attributable(model)
    assert not copied[0].inplace
    assert model[0].inplace
    assert not copied.training

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from torchvision.ops import sigmoid_focal_loss

from pneumoscope.training.losses import binary_cross_entropy, focal_loss, map_loss, mix_pairs, smooth


@pytest.fixture
def scored():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(50, generator=generator) * 3, (torch.rand(50, generator=generator) > 0.4).float()


def test_cross_entropy_is_scikit_learns(scored):
    logit, targets = scored
    expected = log_loss(targets.numpy(), torch.sigmoid(logit.double()).numpy())
    assert float(binary_cross_entropy(logit, targets).mean()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0, 5.0])
def test_focal_loss_is_torchvisions(scored, gamma):
    logit, targets = scored
    expected = sigmoid_focal_loss(logit, targets, alpha=-1, gamma=gamma)
    torch.testing.assert_close(focal_loss(logit, targets, gamma), expected, rtol=1e-4, atol=1e-6)


def test_focal_loss_of_a_sure_error_is_finite_and_has_a_gradient():
    logit = torch.tensor([200.0, -200.0], requires_grad=True)
    loss = focal_loss(logit, torch.tensor([0.0, 1.0]), 2.0)
    loss.sum().backward()
    torch.testing.assert_close(loss.detach(), torch.tensor([200.0, 200.0]))
    torch.testing.assert_close(logit.grad, torch.tensor([1.0, -1.0]))


def test_losses_of_bfloat16_logits_are_float32(scored):
    logit, targets = scored
    assert binary_cross_entropy(logit.bfloat16(), targets).dtype == torch.float32
    assert focal_loss(logit.bfloat16(), targets, 2.0).dtype == torch.float32


def test_smoothing_keeps_the_middle():
    torch.testing.assert_close(smooth(torch.tensor([0.0, 0.5, 1.0]), 0.2), torch.tensor([0.1, 0.5, 0.9]))


def test_map_loss_compares_each_cell_with_its_share_of_the_mask():
    generator = np.random.default_rng(0)
    cam = generator.normal(size=(3, 2, 4))
    masks = (generator.random((3, 8, 16)) > 0.5).astype(np.float64)
    annotated = np.array([1.0, 0.0, 1.0])
    expected = np.zeros(3)
    for film in range(3):
        for row in range(2):
            for column in range(4):
                share = masks[film, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4].mean()
                probability = 1 / (1 + np.exp(-cam[film, row, column]))
                entropy = -share * np.log(probability) - (1 - share) * np.log(1 - probability)
                expected[film] += annotated[film] * entropy / 8
    found = map_loss(
        torch.from_numpy(cam).float(),
        torch.from_numpy(masks).float(),
        torch.from_numpy(annotated).float(),
    )
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


def test_map_loss_outside_the_lungs_is_that_of_a_cold_cell_on_films_without_annotation_alone():
    cam = torch.tensor([[[1.0, -2.0], [0.5, 3.0]]] * 2)
    annotated = torch.tensor([0.0, 1.0])
    outside = torch.zeros(2, 4, 4)
    outside[:, :2, :2] = 0.5  # the first cell, at half weight
    found = map_loss(cam, torch.ones(2, 4, 4), annotated, outside)
    cold = np.log1p(np.exp(1.0))
    boxed = np.mean(np.log1p(np.exp(-np.array([1.0, -2.0, 0.5, 3.0]))))
    np.testing.assert_allclose(found.numpy(), [0.5 * cold / 4, boxed], rtol=1e-6)


def test_map_loss_of_unannotated_films_has_no_gradient():
    cam = torch.zeros(2, 3, 3, requires_grad=True)
    map_loss(cam, torch.ones(2, 6, 6), torch.tensor([1.0, 0.0])).sum().backward()
    assert cam.grad is not None
    assert cam.grad[0].abs().min() > 0
    assert cam.grad[1].abs().max() == 0


def test_mixing_weighs_own_and_partner():
    values = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    mixed = mix_pairs(values, torch.tensor([1, 0]), torch.tensor([1.0, 0.25]))
    torch.testing.assert_close(mixed, torch.tensor([[1.0, 2.0], [1.5, 2.5]]))

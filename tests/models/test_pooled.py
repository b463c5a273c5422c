import doctest

import numpy as np
import pytest
import torch
from torch import nn

from pneumoscope.models import PooledClassifier, class_activation_map
from pneumoscope.models import ensemble as ensemble_module
from pneumoscope.models import pooled as pooled_module


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 4, 5), (3, 7, 2, 9)])
def test_map_against_numpy(shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=shape).astype(np.float32)
    weight = random.normal(size=shape[1]).astype(np.float32)
    expected = np.einsum("bkhw,k->bhw", features.astype(np.float64), weight.astype(np.float64))
    found = class_activation_map(torch.from_numpy(features), torch.from_numpy(weight))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-5)


def test_no_evidence_gives_a_cold_map_and_the_bias() -> None:
    model = PooledClassifier(nn.Conv2d(1, 4, 3, bias=False), 4).eval()
    nn.init.constant_(model.head.bias, -2.0)
    logit, cam = model.forward_with_map(torch.zeros((2, 1, 8, 8)))
    assert torch.equal(cam, torch.zeros((2, 6, 6)))
    assert torch.equal(logit, torch.full((2,), -2.0))


def test_map_is_not_rescaled() -> None:
    features, weight = torch.rand((1, 3, 4, 4)), torch.tensor([1.0, -2.0, 0.5])
    torch.testing.assert_close(
        class_activation_map(features * 1e-3, weight), class_activation_map(features, weight) * 1e-3
    )


def test_dropout_acts_in_training_only() -> None:
    model = PooledClassifier(nn.Conv2d(1, 64, 1), 64, dropout=0.5)
    film = torch.ones((1, 1, 4, 4))
    torch.manual_seed(0)
    assert not torch.equal(model(film), model(film))
    model.eval()
    assert torch.equal(model(film), model(film))


@pytest.mark.parametrize("module", [pooled_module, ensemble_module])
def test_examples_in_docstrings(module: object) -> None:
    result = doctest.testmod(module, extraglobs={"torch": torch})  # type: ignore[arg-type]
    assert result.attempted > 0
    assert result.failed == 0

"""Networks that behave as if trained: statistics of activations, gains that differ, a head that matters."""

from typing import Any

import torch
from torch import nn

from pneumoscope.models import PooledClassifier, build_model, model_options

SIZE = 64


def small_options(name: str) -> dict[str, Any]:
    """Options that keep a registered network small; none are needed for it to be tested."""
    if name == "ensemble":
        return {
            "members": ["simple_cnn", {"name": "deep_resnet", "attention": "se", "width_multiplier": 0.25}]
        }
    return {"width_multiplier": 0.25} if "width_multiplier" in model_options(name) else {}


def films(count: int, seed: int = 0, size: int = SIZE) -> torch.Tensor:
    return torch.randn((count, 1, size, size), generator=torch.Generator().manual_seed(seed))


def as_if_trained(name: str, *, seed: int = 0, **options: Any) -> PooledClassifier:
    """A network in evaluation mode whose batch statistics, gains and head are not those of a fresh one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_model(name, **options)
        norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
        momenta = [norm.momentum for norm in norms]
        with torch.no_grad():
            for norm in norms:
                norm.momentum = 1.0
                norm.weight.uniform_(0.7, 1.3, generator=generator)
                norm.bias.uniform_(-0.3, 0.3, generator=generator)
            model.train()(films(8, seed=seed + 1))
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum
            model.head.weight.normal_(std=model.head.in_features**-0.5, generator=generator)
            model.head.bias.fill_(-0.7)
    return model.eval()

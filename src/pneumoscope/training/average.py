"""Exponential moving average of a network's weights: smoother than the last step's, and free."""

import copy

import torch
from torch import nn

from pneumoscope.models import PooledClassifier

__all__ = ["WeightAverage"]


class WeightAverage:
    """Average of the weights over the steps, buffers included.

    The decay rises as min(decay, (1 + steps) / (10 + steps)), so that a short run does not keep its random
    start. Source: Polyak & Juditsky 1992; the rise is that of tf.train.ExponentialMovingAverage.

    Args:
        network: averaged from its present weights on.
        decay: in [0, 1).

    Attributes:
        network: a copy in evaluation mode that holds the average.
    """

    def __init__(self, network: PooledClassifier, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, steps: int) -> None:
        """Take in the weights after `steps` optimiser steps."""
        decay = min(self._decay, (1 + steps) / (10 + steps))
        own = self.network.state_dict()
        averages, news = [], []
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                averages.append(own[name])
                news.append(value)
            else:
                own[name].copy_(value)
        torch._foreach_lerp_(averages, news, 1.0 - decay)

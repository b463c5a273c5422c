"""The lung network's shape, and that grey scale says nothing to it."""

import torch

from pneumoscope.models.lung_network import LungNetwork


def test_one_logit_for_each_pixel():
    network = LungNetwork().eval()
    with torch.inference_mode():
        assert network(torch.rand(2, 1, 64, 64)).shape == (2, 64, 64)


def test_exposure_and_scale_change_nothing():
    network = LungNetwork().eval()
    film = torch.rand(1, 1, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(network(film), network(film * 40 + 7), atol=1e-3, rtol=1e-3)

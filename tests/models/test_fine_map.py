import pytest
import torch
from torch import nn

from pneumoscope.errors import UsageError
from pneumoscope.models import build_model, class_activation_map
from pneumoscope.models.fine_map import FineFeatures


@pytest.fixture(scope="module")
def films() -> torch.Tensor:
    return torch.randn((2, 1, 96, 96), generator=torch.Generator().manual_seed(0))


def test_the_map_has_twice_the_grid_and_still_makes_the_logit(films: torch.Tensor) -> None:
    torch.manual_seed(0)
    model = build_model("efficientnet_lite0", fine_map=True).eval()
    nn.init.normal_(model.head.weight)
    with torch.no_grad():
        logit, cam = model.forward_with_map(films)
        assert cam.shape == (2, 6, 6)
        torch.testing.assert_close(cam.mean(dim=(1, 2)) + model.bias, model(films))
        torch.testing.assert_close(logit, model(films))
        long_way = class_activation_map(model.features(films), model.weight)
    torch.testing.assert_close(cam, long_way, rtol=1e-4, atol=1e-4)


def test_the_enlarged_part_pools_to_what_the_trunk_pools_to(films: torch.Tensor) -> None:
    """So that starting from published weights means the same as without the finer features."""
    plain = build_model("efficientnet_lite0", pretrained=True).eval()
    fine = build_model("efficientnet_lite0", pretrained=True, fine_map=True).eval()
    with torch.no_grad():
        expected = plain.features(films).mean(dim=(2, 3))
        found = fine.features(films).mean(dim=(2, 3))
    torch.testing.assert_close(found[:, : expected.shape[1]], expected, rtol=1e-4, atol=1e-4)
    assert found.shape[1] > expected.shape[1]


def test_the_finer_features_take_part(films: torch.Tensor) -> None:
    torch.manual_seed(0)
    model = build_model("efficientnet_lite0", fine_map=True).eval()
    features = model.features
    assert isinstance(features, FineFeatures)
    nn.init.normal_(model.head.weight)
    with torch.no_grad():
        before = model.forward_with_map(films)[1]
        nn.init.zeros_(features.detail[0].weight)
        after = model.forward_with_map(films)[1]
    assert not torch.allclose(before, after)


def test_a_network_without_a_finer_stage_is_refused() -> None:
    flat = nn.Module()
    flat.feature_info = [{"stage": 1, "reduction": 8, "num_chs": 4}]  # type: ignore[assignment]
    with pytest.raises(UsageError, match="leave fine_map out"):
        FineFeatures(flat)

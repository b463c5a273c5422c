import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from models.trained import as_if_trained, films
from pneumoscope.errors import UsageError
from pneumoscope.models import Ensemble, PooledClassifier, build_model, model_options
from pneumoscope.models.ensemble import resize_keeping_mean


@pytest.fixture(scope="module")
def members() -> list[PooledClassifier]:
    return [
        as_if_trained("simple_cnn", seed=1),
        as_if_trained("deep_cnn", seed=2),
        as_if_trained("deep_resnet", seed=3, width_multiplier=0.25),
    ]


def test_logit_is_the_mean_and_bias_the_mean(members: list[PooledClassifier]) -> None:
    members[0].head.bias.data.fill_(3.0)
    ensemble = Ensemble(members).eval()
    with torch.no_grad():
        expected = torch.stack([member(films(3)) for member in members]).mean(dim=0)
        torch.testing.assert_close(ensemble(films(3)), expected, rtol=1e-5, atol=1e-5)
    assert ensemble.bias.item() == pytest.approx((3.0 - 0.7 - 0.7) / 3)


def test_map_is_the_mean_of_the_members_maps_on_the_largest_grid(members: list[PooledClassifier]) -> None:
    ensemble = Ensemble(members).eval()
    with torch.no_grad():
        maps = [member.forward_with_map(films(2))[1] for member in members]
        _, cam = ensemble.forward_with_map(films(2))
    assert [tuple(member_map.shape[1:]) for member_map in maps] == [(16, 16), (8, 8), (2, 2)]
    # The grids divide each other, so keeping the mean is repeating cells.
    repeated = [F.interpolate(member_map[:, None], size=(16, 16))[:, 0] for member_map in maps]
    torch.testing.assert_close(cam, torch.stack(repeated).mean(dim=0), rtol=1e-4, atol=1e-4)


def test_members_of_one_grid_are_joined_as_they_are(members: list[PooledClassifier]) -> None:
    ensemble = Ensemble([members[1], members[1]]).eval()
    with torch.no_grad():
        features = members[1].features(films(1))
        assert torch.equal(ensemble.features(films(1)), torch.cat((features, features), dim=1))


@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**31 - 1)
)
def test_resizing_keeps_every_mean(h: int, w: int, height: int, width: int, seed: int) -> None:
    maps = torch.randn((2, 3, h, w), generator=torch.Generator().manual_seed(seed))
    resized = resize_keeping_mean(maps, height, width)
    assert resized.shape == (2, 3, height, width)
    torch.testing.assert_close(resized.mean(dim=(2, 3)), maps.mean(dim=(2, 3)), rtol=1e-5, atol=1e-5)
    assert resized.min() >= maps.min() - 1e-5
    assert resized.max() <= maps.max() + 1e-5


def test_resizing_to_a_coarser_grid_averages_areas() -> None:
    maps = torch.randn((1, 1, 12, 12), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(resize_keeping_mean(maps, 4, 3), F.avg_pool2d(maps, (3, 4)))


def test_members_by_name_and_by_options() -> None:
    ensemble = build_model("ensemble", members=["simple_cnn", {"name": "simple_cnn", "dropout": 0.3}])
    assert isinstance(ensemble, Ensemble)
    assert ensemble.head.in_features == 2 * 128


def test_default_members_are_the_published_ensemble() -> None:
    members = model_options("ensemble")["members"]
    assert members == ("improved_pneumonia_cnn", "deep_resnet", "efficientnet_b0")


@pytest.mark.parametrize(
    ("members", "message"),
    [([], "at least one member"), ([{"dropout": 0.1}], "needs a name"), (["simple"], "no network is called")],
)
def test_impossible_members(members: list[object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build_model("ensemble", members=members)

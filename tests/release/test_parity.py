from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from generated import chest_like
from pneumoscope.errors import BundleError, UnreadableFilmError
from pneumoscope.export import to_onnx
from pneumoscope.image.prepare import prepare
from pneumoscope.models import build_model
from pneumoscope.release.parity import check_parity
from pneumoscope.runtime.bundle import Bundle
from pneumoscope.runtime.predictor import Predictor
from tiny_bundle import tiny_card


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build_model("simple_cnn").eval()


@pytest.fixture(scope="module")
def predictor(model, tmp_path_factory):
    return Predictor(Bundle(tiny_card(), tmp_path_factory.mktemp("bundle"), "", to_onnx(model, 64)))


@pytest.fixture
def films(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for number, path in enumerate(paths):
        Image.fromarray(chest_like(number)).save(path)
    return paths


def test_the_exported_network_is_the_trained_one(model, predictor, films):
    parity = check_parity(model.train(), predictor, films)
    assert parity.films == 3
    assert 0 <= parity.logit <= 1e-5
    assert 0 <= parity.cam <= 1e-5
    assert not model.training


@pytest.mark.parametrize("parameter", ["head.bias", "head.weight"])
def test_other_weights_are_noticed(model, predictor, films, parameter):
    other = build_model("simple_cnn").eval()
    other.load_state_dict(model.state_dict())
    with torch.no_grad():
        other.get_parameter(parameter)[0] += 2e-3
    with pytest.raises(BundleError, match=r"0\.png: torch and the exported network differ"):
        check_parity(other, predictor, films)


class _Shifted:
    """A runtime whose maps are torch's, every cell moved by `shift`."""

    def __init__(self, model, bundle, shift):
        self.model, self.bundle, self.shift = model, bundle, shift

    def score(self, radiograph):
        network_input, _ = prepare(radiograph, self.bundle.card.prepare)
        with torch.inference_mode():
            logit, cam = self.model.forward_with_map(torch.from_numpy(network_input)[None])
        return SimpleNamespace(logit=float(logit[0]), cam=cam[0].numpy() + self.shift)


@pytest.mark.parametrize(
    ("hottest", "shift", "accepted"), [(1, 9e-5, 1), (1, 2e-4, 0), (40, 2e-4, 1), (40, 9e-4, 0)]
)
def test_a_hot_map_may_differ_in_its_last_digits(model, predictor, films, hottest, shift, accepted):
    scaled = build_model("simple_cnn").eval()
    scaled.load_state_dict(model.state_dict())
    largest = np.abs(predictor.predict(films[0]).cam).max()
    with torch.no_grad():
        scaled.head.weight *= hottest / float(largest)
    shifted = _Shifted(scaled, predictor.bundle, shift)
    if accepted:
        assert check_parity(scaled, shifted, films[:1]).cam == pytest.approx(shift, rel=0.05)
    else:
        with pytest.raises(BundleError, match="in the map"):
            check_parity(scaled, shifted, films[:1])


def test_a_network_that_gives_no_number_is_refused(model, predictor, films):
    other = build_model("simple_cnn").eval()
    other.load_state_dict(model.state_dict())
    with torch.no_grad():
        other.head.bias.fill_(np.nan)
    with pytest.raises(BundleError, match="differ by nan"):
        check_parity(other, predictor, films)


def test_a_film_that_cannot_be_read_is_named(model, predictor, tmp_path):
    with pytest.raises(UnreadableFilmError, match=r"absent\.png"):
        check_parity(model, predictor, [tmp_path / "absent.png"])

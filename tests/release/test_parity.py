import numpy as np
import pytest
import torch
from PIL import Image

from generated import chest_like
from pneumoscope.errors import BundleError, UnreadableFilmError
from pneumoscope.export import to_onnx
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

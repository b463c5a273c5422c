"""A quantised network is the same network, nearly, and says the same on every machine."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, version_converter
from onnx.reference import ReferenceEvaluator

from generated import chest_like
from pneumoscope.errors import BundleError
from pneumoscope.image.prepare import PrepareParameters, prepare
from pneumoscope.image.radiograph import Radiograph
from pneumoscope.release.int8 import quantise_network
from pneumoscope.runtime.session import load_network
from tiny_bundle import TINY_BIAS, TINY_SIZE, tiny_onnx


def _plates(count, first=0):
    parameters = PrepareParameters(size=TINY_SIZE)
    films = (chest_like(first + number, opacity=number % 2 == 1) for number in range(count))
    return [prepare(Radiograph(film, "made", "ARRAY"), parameters)[0] for film in films]


@pytest.fixture(scope="module")
def quantised():
    return quantise_network(tiny_onnx(), _plates(16))


def _run(network, tmp_path, plate):
    logit, cam = load_network(network, tmp_path).run(["logit", "cam"], {"film": plate[np.newaxis]})
    return float(logit[0]), cam[0]


def test_numbers_are_nearly_those_of_the_exact_network(quantised, tmp_path):
    changes, sizes = [], []
    for plate in _plates(6, first=100):
        exact_logit, exact_cam = _run(tiny_onnx(), tmp_path, plate)
        logit, cam = _run(quantised, tmp_path, plate)
        assert logit == pytest.approx(exact_logit, abs=0.3)
        changes.append(np.abs(cam - exact_cam).max())
        sizes.append(np.abs(exact_cam).max())
    assert 0 < max(changes) < 0.05 * max(sizes)


def test_numbers_are_those_of_the_reference_evaluator(quantised, tmp_path):
    # The evaluator knows these operators from version 19 on; they were the same before.
    reference = ReferenceEvaluator(version_converter.convert_version(onnx.load_from_string(quantised), 19))
    for plate in _plates(3, first=200):
        logit, cam = _run(quantised, tmp_path, plate)
        wanted_logit, wanted_cam = reference.run(["logit", "cam"], {"film": plate[np.newaxis]})
        # A sum that lies on the border of two integers may fall to either side.
        assert logit == pytest.approx(float(wanted_logit[0]), abs=0.05)
        assert np.mean(np.abs(cam - wanted_cam[0]) < 1e-3) > 0.9


def test_the_mean_of_the_map_plus_the_bias_is_the_logit(quantised, tmp_path):
    for plate in _plates(4, first=300):
        logit, cam = _run(quantised, tmp_path, plate)
        assert cam.mean() + TINY_BIAS == pytest.approx(logit, abs=1e-4)


def test_weights_have_seven_bits_and_a_scale_per_channel(quantised):
    initializers = {
        value.name: numpy_helper.to_array(value)
        for value in onnx.load_from_string(quantised).graph.initializer
    }
    integers = {
        name: value for name, value in initializers.items() if value.dtype == np.int8 and value.ndim == 4
    }
    assert [value.shape for value in integers.values()] == [(8, 4, 3, 3)]
    assert all(np.abs(value.astype(int)).max() <= 64 for value in integers.values())
    assert any(value.shape == (8,) and value.dtype == np.float32 for value in initializers.values())
    # The stem works on a quarter of the film's sides and the head makes the map: both stay exact.
    assert {value.shape for value in initializers.values() if value.dtype == np.float32} >= {
        (4, 1, 5, 5),
        (1, 8, 1, 1),
    }


def test_the_same_films_give_the_same_bytes(quantised):
    assert quantise_network(tiny_onnx(), _plates(16)) == quantised
    assert b"/tmp" not in quantised


def test_where_all_layers_are_to_stay_exact_nothing_is_done():
    with pytest.raises(BundleError, match="nothing to quantise"):
        quantise_network(tiny_onnx(), _plates(2), exact_grid=8)

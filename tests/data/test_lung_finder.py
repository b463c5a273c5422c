"""The shipped network finds lungs: on generated films roughly, on real ones closely, opacities included."""

import subprocess
import sys

import numpy as np
import pytest

from data.made_cuts import elliptical_lungs, whole_film
from pneumoscope.data.lung_finder import LungFinder
from pneumoscope.errors import DataError
from pneumoscope.image.read import read
from pneumoscope.training.lungs import dice


@pytest.fixture(scope="module")
def finder():
    return LungFinder()


@pytest.mark.parametrize("seed", range(3))
def test_lungs_of_a_generated_film_are_found_at_any_scale_and_exposure(finder, seed):
    film, lungs = whole_film(seed), elliptical_lungs()
    assert dice(finder.find(film), lungs) > 0.7
    half = film[::2, ::2]
    assert finder.find(half).shape == half.shape
    assert dice(finder.find(half), finder.find(film)[::2, ::2]) > 0.9
    assert dice(finder.find((film // 2).astype(np.uint8)), finder.find(film)) > 0.97


def test_a_blank_film_gives_a_mask_and_no_error(finder):
    assert finder.find(np.zeros((50, 60), dtype=np.uint8)).shape == (50, 60)


def test_a_file_that_holds_no_network_is_named(tmp_path):
    bad = tmp_path / "lungs.onnx"
    with pytest.raises(DataError, match=r"lungs\.onnx: cannot be opened"):
        LungFinder(bad)
    bad.write_bytes(b"no network")
    with pytest.raises(DataError, match=r"lungs\.onnx: holds no network"):
        LungFinder(bad)


def test_no_torch_is_needed():
    code = (
        "import sys; from pneumoscope.data.lung_finder import LungFinder; import numpy as np;"
        "LungFinder().find(np.zeros((32, 32), np.uint8)); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.pool
def test_masks_agree_with_those_that_radiologists_drew(finder, pool):
    """On films and masks that had no part in training: COVID-19, with opacities in the lungs."""
    folder = pool / "covid19-segmentations"
    agreement = []
    for mask in sorted((folder / "masks").glob("*_lung.png"))[:40]:
        (film,) = (folder / "images").glob(mask.name.removesuffix("_lung.png") + ".*")
        drawn = read(mask).pixels > 127
        if drawn.mean() > 0.05:
            agreement.append(dice(finder.find(np.asarray(read(film).pixels, dtype=np.uint8)), drawn))
    assert np.mean(agreement) > 0.8

import numpy as np
import pytest
from PIL import Image

from data.made_cuts import cut_film, elliptical_lungs, whole_film
from generated import chest_like
from pneumoscope.data.audit.features import lung_template
from pneumoscope.data.film_lungs import film_lungs, is_cut
from pneumoscope.data.lung_finder import LungFinder
from pneumoscope.data.lung_masks import SMALLEST_LUNGS
from pneumoscope.errors import DataError, UsageError
from pneumoscope.image.radiograph import Radiograph


def _film(pixels, name="here/film.png"):
    return Radiograph(np.ascontiguousarray(pixels), name, "PNG")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("seed", range(4))
def test_a_cut_film_is_known_by_its_black(seed, dtype):
    deeper = 1 if dtype == np.uint8 else 257
    assert is_cut(cut_film(seed).astype(dtype) * dtype(deeper))
    assert not is_cut(whole_film(seed).astype(dtype) * dtype(deeper))


def test_a_whole_film_in_a_black_frame_is_no_cut():
    assert not is_cut(np.pad(whole_film(0), 30))
    assert not is_cut(np.pad(whole_film(0), ((0, 0), (90, 90))))


@pytest.mark.parametrize("deeper", [1, 257])
def test_lungs_of_a_cut_film_are_what_was_left(deeper):
    pixels = cut_film(0) if deeper == 1 else cut_film(0).astype(np.uint16) * 257
    lungs = film_lungs()(_film(pixels))
    assert lungs.origin == "cut"
    both = lungs.mask & elliptical_lungs()
    assert both.sum() / (lungs.mask | elliptical_lungs()).sum() > 0.95


def test_lungs_of_a_whole_film_are_found_with_a_margin():
    lungs = film_lungs()(_film(whole_film(0)))
    assert lungs.origin == "network"
    found = LungFinder().find(whole_film(0))
    assert lungs.mask[found].all()
    assert found.sum() < lungs.mask.sum() < 2.5 * found.sum()


def test_where_no_lungs_are_found_the_template_stands_in_at_the_film_s_own_size():
    nothing = np.random.default_rng(0).integers(200, 256, (240, 480), dtype=np.uint8)
    assert LungFinder().find(nothing).mean() < SMALLEST_LUNGS
    lungs = film_lungs()(_film(nothing))
    assert lungs.origin == "template"
    np.testing.assert_array_equal(lungs.mask, np.kron(lung_template(), np.ones((10, 20), dtype=bool)))


@pytest.mark.parametrize("name", ["film.png", "film_lung.png"])
def test_a_mask_of_the_film_comes_first(tmp_path, name):
    mask = np.zeros((40, 30), dtype=np.uint8)
    mask[10:20, 5:25] = 255
    Image.fromarray(mask).save(tmp_path / name)
    find = film_lungs(tmp_path)
    lungs = find(_film(chest_like(0, height=120, width=90)))
    assert lungs.origin == "mask"
    np.testing.assert_array_equal(lungs.mask, np.kron(mask > 0, np.ones((3, 3), dtype=bool)))
    assert find(_film(cut_film(0), "other.png")).origin == "cut"


def test_mistakes_say_what_to_do(tmp_path):
    with pytest.raises(UsageError, match="there is no such folder; name one"):
        film_lungs(tmp_path / "absent")
    (tmp_path / "film.png").write_text("no picture")
    with pytest.raises(DataError, match=r"film\.png cannot be read as a mask .*write it again, as PNG"):
        film_lungs(tmp_path)(_film(chest_like(0)))


@pytest.mark.pool
def test_of_real_films_only_those_cut_to_the_lungs_are_known_as_cut(pool):
    from pneumoscope.image.read import read

    cut = sorted((pool / "rsna-lungs" / "images").iterdir())[::300]
    whole = sorted((pool / "kermany" / "chest_xray" / "test").rglob("*.jpeg"))[::40]
    whole += sorted((pool / "nih-chestxray14" / "images").iterdir())[::40]
    assert len(cut) > 20
    assert len(whole) > 20
    assert all(is_cut(read(path).pixels) for path in cut)
    assert not any(is_cut(read(path).pixels) for path in whole)

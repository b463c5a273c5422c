import numpy as np
import pytest

from generated import chest_like
from pneumoscope.evaluation.variants import VARIANTS, Lungs
from pneumoscope.image.prepare import PrepareParameters, make_plate
from pneumoscope.image.radiograph import Radiograph

BY_NAME = {variant.name: variant for variant in VARIANTS}
HEIGHT, WIDTH = 240, 200


def _lungs(origin="mask"):
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[60:180, 20:90] = mask[60:180, 110:180] = True
    return Lungs(mask, origin)


def _film(dtype):
    film = np.maximum(chest_like(0, height=HEIGHT, width=WIDTH), 1)
    return film if dtype == np.uint8 else film.astype(np.uint16) * 257


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("narrower", (240, 160)),
        ("wider", (240, 250)),
        ("padded-across", (240, 260)),
        ("padded-down", (312, 200)),
        ("cropped-5", (216, 180)),
        ("cropped-10", (192, 160)),
    ],
)
def test_geometry_has_the_stated_amount_and_keeps_the_depth(name, size, dtype):
    film = _film(dtype)
    changed = BY_NAME[name].make(film, _lungs())
    assert changed.shape == size
    assert changed.dtype == dtype
    assert BY_NAME[name].kind == "geometry"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_stretching_moves_no_grey_level(dtype):
    film = _film(dtype)
    for name in ("narrower", "wider"):
        changed = BY_NAME[name].make(film, _lungs())
        assert changed.mean() == pytest.approx(film.mean(), rel=0.01)
        assert film.min() <= changed.min() <= changed.max() <= film.max()


def test_padding_is_black_around_the_whole_film():
    film = _film(np.uint8)
    across = BY_NAME["padded-across"].make(film, _lungs())
    np.testing.assert_array_equal(across[:, 30:-30], film)
    assert not across[:, :30].any()
    assert not across[:, -30:].any()
    down = BY_NAME["padded-down"].make(film, _lungs())
    np.testing.assert_array_equal(down[36:-36], film)
    assert down.sum() == film.sum()


def test_cropping_keeps_the_middle():
    film = _film(np.uint8)
    np.testing.assert_array_equal(BY_NAME["cropped-10"].make(film, _lungs()), film[24:-24, 20:-20])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_lungs_are_black_and_nothing_else_changes(dtype):
    film, lungs = _film(dtype), _lungs()
    changed = BY_NAME["lungs-out"].make(film, lungs)
    assert changed.dtype == dtype
    assert not changed[lungs.mask].any()
    np.testing.assert_array_equal(changed[~lungs.mask], film[~lungs.mask])


def test_the_border_is_a_twelfth_of_each_side():
    film = _film(np.uint8)
    changed = BY_NAME["border-only"].make(film, _lungs())
    assert not changed[20:-20, 17:-17].any()
    assert (changed > 0).mean() == pytest.approx(1 - 200 * 166 / film.size)
    np.testing.assert_array_equal(changed[:20], film[:20])


def test_of_a_cut_film_only_its_shape_is_left():
    lungs = _lungs("cut")
    film = np.where(lungs.mask, _film(np.uint8), 0).astype(np.uint8)
    assert BY_NAME["lungs-out"].make(film, lungs) is None
    assert BY_NAME["border-only"].make(film, lungs) is None
    shape = BY_NAME["shape-only"].make(film, lungs)
    np.testing.assert_array_equal(shape > 0, lungs.mask)
    other = np.where(lungs.mask, 255 - _film(np.uint8), 0).astype(np.uint8)
    np.testing.assert_array_equal(BY_NAME["shape-only"].make(other, lungs), shape)
    make_plate(Radiograph(shape, "shape", "PNG"), PrepareParameters(intensity="percentile"))


def test_a_whole_film_has_no_shape_and_lungs_that_were_not_found_are_not_taken_out():
    film = _film(np.uint8)
    assert BY_NAME["shape-only"].make(film, _lungs()) is None
    nowhere = np.zeros_like(film, dtype=bool)
    assert BY_NAME["lungs-out"].make(film, Lungs(nowhere, "mask")) is None
    assert BY_NAME["shape-only"].make(film, Lungs(nowhere, "cut")) is None


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_the_film_itself_is_never_altered(variant):
    film = _film(np.uint8)
    kept = film.copy()
    for origin in ("mask", "cut"):
        variant.make(film, _lungs(origin))
    np.testing.assert_array_equal(film, kept)

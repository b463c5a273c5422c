import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from generated import chest_like
from pneumoscope.evaluation.explanation_changes import CHANGES, Change, Move


def _blob(height, width, row, column, sigma=4.0):
    y, x = np.mgrid[0:height, 0:width]
    return np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * sigma**2))


def _change(name):
    (found,) = (change for change in CHANGES if change.name == name)
    return found


def test_a_quarter_turn_is_counter_clockwise():
    film = chest_like(0, height=65, width=65)
    np.testing.assert_array_equal(Move(degrees=90).pixels(film), np.rot90(film))


@pytest.mark.parametrize(("down", "right"), [(0.1, 0.0), (-0.05, 0.1), (0.0, -0.1)])
def test_a_shift_moves_by_a_share_of_the_longest_side(down, right):
    film = chest_like(1, height=100, width=80)
    moved = Move(down=down, right=right).pixels(film)
    expected = np.roll(film, (round(100 * down), round(100 * right)), axis=(0, 1))
    np.testing.assert_array_equal(moved[10:-10, 10:-10], expected[10:-10, 10:-10])


def test_an_edge_is_continued():
    film = chest_like(1, height=100, width=80)
    moved = Move(down=0.05).pixels(film)
    np.testing.assert_array_equal(moved[:6], np.repeat(film[:1], 6, axis=0))


def test_enlarging_equals_pillow():
    film = _blob(90, 90, 40, 50, sigma=9) * 255
    ours = Move(scale=1.5).pixels(film.astype(np.uint8))
    cut = Image.fromarray(film.astype(np.uint8)).resize(
        (90, 90), Image.Resampling.BILINEAR, box=(15, 15, 75, 75)
    )
    assert np.abs(ours.astype(float) - np.asarray(cut))[5:-5, 5:-5].max() <= 8


@pytest.mark.parametrize(
    "change", [change for change in CHANGES if change.alter is None], ids=lambda c: c.name
)
def test_points_and_maps_come_back(change):
    height, width, row, column = 120, 90, 45, 52
    film = (_blob(height, width, row, column) * 200).astype(np.uint8)
    moved = change.pixels(film)
    assert not np.array_equal(moved, film)
    centre = ndimage.center_of_mass(moved.astype(float))
    assert change.move.point_back(centre, film.shape) == pytest.approx((row, column), abs=0.5)
    back = change.move.map_back(moved.astype(np.float32))
    seen = np.isfinite(back)
    assert 0.75 < seen.mean() <= 1.0
    assert np.abs(back - film)[seen].max() < 8


def test_what_went_out_of_the_film_is_not_brought_back():
    back = Move(down=0.1).map_back(np.ones((100, 50), np.float32))
    assert np.isnan(back[-9:]).all()
    assert np.isfinite(back[:-10]).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_change_keeps_height_width_and_range(dtype):
    film = chest_like(3, height=70, width=61).astype(dtype) * (257 if dtype == np.uint16 else 1)
    names = [change.name for change in CHANGES]
    assert len(set(names)) == len(names)
    for change in CHANGES:
        changed = change.pixels(film)
        assert changed.shape == film.shape
        assert changed.dtype == (np.uint8 if change.kind == "compression" else dtype)
        share, before = changed / np.iinfo(changed.dtype).max, film / np.iinfo(dtype).max
        assert 0.0 < np.abs(share - before).mean() < 0.12, change.name


def test_grey_changes_are_what_they_say():
    film = np.array([[0, 100, 200]], np.uint8)
    assert _change("brightness +10%").pixels(film).tolist() == [[26, 126, 226]]
    assert _change("contrast x 0.8").pixels(film).tolist() == [[20, 100, 180]]
    gamma = np.rint((film / 255) ** 0.8 * 255).astype(int).tolist()
    assert _change("gamma 0.8").pixels(film).tolist() == gamma
    assert _change("brightness -10%").pixels(film).tolist() == [[0, 74, 174]]


def test_sixteen_bits_are_compressed_as_their_eight():
    film = chest_like(4)
    change = _change("JPEG, quality 40")
    np.testing.assert_array_equal(change.pixels(film.astype(np.uint16) * 257), change.pixels(film))


def test_a_change_without_grey_moves():
    assert Change("still", "none").pixels(np.eye(5, dtype=np.uint8)).tolist() == np.eye(5).tolist()

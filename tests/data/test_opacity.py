"""Opacities and devices drawn on one film."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.made_cuts import SIDE, elliptical_lungs, whole_film
from pneumoscope.data.opacity import draw_devices, draw_opacities

LUNGS = elliptical_lungs()
ROWS, COLUMNS = np.nonzero(LUNGS[:, : SIDE // 2])
# Inside the left half's lung, by a quarter of it on each side.
BOX = (
    float(np.quantile(COLUMNS, 0.25) / SIDE),
    float(np.quantile(ROWS, 0.25) / SIDE),
    float((np.quantile(COLUMNS, 0.75) - np.quantile(COLUMNS, 0.25)) / SIDE),
    float((np.quantile(ROWS, 0.75) - np.quantile(ROWS, 0.25)) / SIDE),
)


def dark_lungs(seed=0):
    film = whole_film(seed).astype(int)
    return np.where(LUNGS, film // 3, np.maximum(film, 120)).clip(0, 255).astype(np.uint8)


def inside(box):
    x, y, width, height = box
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[round(y * SIDE) : round((y + height) * SIDE), round(x * SIDE) : round((x + width) * SIDE)] = True
    return mask


@given(st.integers(0, 10_000))
def test_an_opacity_brightens_the_lung_inside_its_box(seed):
    film = dark_lungs()
    drawn = draw_opacities(film, LUNGS, [BOX], np.random.default_rng(seed))
    change = drawn.film.astype(float) - film
    (box,) = drawn.boxes
    found = inside(box)
    assert change[found & LUNGS].mean() > 3
    assert np.abs(change[~found]).mean() < 0.15 * change[found].mean()


@given(st.integers(0, 10_000))
def test_a_box_is_about_where_it_was_asked_for(seed):
    drawn = draw_opacities(dark_lungs(), LUNGS, [BOX], np.random.default_rng(seed))
    wanted, found = inside(BOX), inside(drawn.boxes[0])
    assert (wanted & found).sum() / (wanted | found).sum() > 0.25


@pytest.mark.parametrize("seed", range(5))
def test_outside_the_lungs_nothing_in_them_changes(seed):
    film = dark_lungs()
    boxes = [(0.0, 0.0, 1.0, 1.0)]
    drawn = draw_opacities(film, LUNGS, boxes, np.random.default_rng(seed), outside=True)
    core = LUNGS & np.roll(LUNGS, 8, 0) & np.roll(LUNGS, -8, 0) & np.roll(LUNGS, 8, 1) & np.roll(LUNGS, -8, 1)
    assert (drawn.film[core] == film[core]).all()
    assert (drawn.film != film).any()


def test_what_lies_outside_of_the_lungs_is_not_drawn():
    film = dark_lungs()
    corner = (0.0, 0.0, 0.08, 0.08)
    drawn = draw_opacities(film, LUNGS, [corner], np.random.default_rng(0))
    assert drawn.boxes == ()
    assert (drawn.film == film).all()


def test_the_same_generator_draws_the_same():
    one, two = (draw_opacities(dark_lungs(), LUNGS, [BOX], np.random.default_rng(5)) for _ in range(2))
    assert (one.film == two.film).all()
    assert one.boxes == two.boxes
    one, two = (draw_devices(dark_lungs(), np.random.default_rng(5)) for _ in range(2))
    assert (one == two).all()


@pytest.mark.parametrize("seed", range(5))
def test_devices_are_bright_and_thin(seed):
    film = dark_lungs()
    drawn = draw_devices(film, np.random.default_rng(seed))
    assert (drawn >= film).all()
    assert 0 < (drawn != film).mean() < 0.15

"""An empty frame around a film is found, of any grey and on any side, and lungs cut out are none."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from generated import chest_like
from pneumoscope.errors import RejectedFilmError
from pneumoscope.image.frame import framed_film
from pneumoscope.image.prepare import PrepareParameters, make_plate
from pneumoscope.image.read import read

FILM = chest_like(3, height=300, width=260).clip(20, 230)
WHOLE = (0, 0, 300, 260)


def framed(top: int, bottom: int, left: int, right: int, grey: int = 0) -> np.ndarray:
    return np.pad(FILM, ((top, bottom), (left, right)), constant_values=grey)


@pytest.mark.parametrize("grey", [0, 128, 255])
@pytest.mark.parametrize("levels", [1, 16, 257])
@pytest.mark.parametrize("width", [(100, 50, 90, 30), (100, 0, 0, 0), (0, 0, 90, 90), (0, 1, 2, 0)])
def test_a_frame_of_any_grey_is_found_on_any_side(width, grey, levels):
    picture = framed(*width, grey)
    picture = picture.astype(np.uint16) * np.uint16(levels) if levels > 1 else picture
    assert framed_film(picture) == (width[0], width[2], 300, 260)


def test_what_has_no_frame_is_left_whole():
    assert framed_film(FILM) == WHOLE
    assert framed_film(np.full((50, 50), 7, np.uint8)) == (0, 0, 50, 50)


@pytest.mark.parametrize("around", [0, 26, 128, 255])
def test_lungs_that_were_cut_out_lie_in_no_frame(around):
    rows, columns = np.mgrid[:300, :260]
    lungs = ((rows - 150) / 110) ** 2 + ((abs(columns - 130) - 65) / 38) ** 2 < 1
    assert framed_film(np.where(lungs, FILM, around).astype(np.uint8)) == WHOLE


def test_a_frame_may_have_another_grey_on_each_side():
    picture = np.pad(framed(0, 0, 60, 0, 0), ((0, 0), (0, 40)), constant_values=255)
    picture = np.pad(picture, ((30, 0), (0, 0)), constant_values=90)
    assert framed_film(picture) == (30, 60, 300, 260)


def test_frames_lie_within_frames_in_any_order():
    strip, bars = ((40, 0), (0, 0)), ((0, 0), (60, 60))
    for first, second in ((strip, bars), (bars, strip)):
        picture = np.pad(np.pad(FILM, first, constant_values=255), second)
        assert framed_film(picture) == (40, 60, 300, 260)


@pytest.mark.parametrize("levels", [1, 8, 16])
@pytest.mark.parametrize("grey", [0, 20_000, 65535])
def test_a_frame_far_from_the_greys_of_the_film_takes_nothing_of_it(levels, grey):
    film = FILM.astype(np.uint16) * np.uint16(levels)
    assert framed_film(np.pad(film, 60, constant_values=grey)) == (60, 60, 300, 260)
    bright = np.uint16(60000) + film
    assert framed_film(np.pad(bright, 60, constant_values=grey)) == (60, 60, 300, 260)


def test_what_is_left_has_no_frame():
    for seed in range(20):
        film = chest_like(seed, height=120, width=140)
        top, left, height, width = framed_film(np.pad(film, ((0, 9), (30, 0)), constant_values=seed * 13))
        assert height <= 120 + 9
        assert framed_film(np.pad(film, 20)[20:-20, 20:-20]) == framed_film(film)
        inside = np.pad(film, ((0, 9), (30, 0)), constant_values=seed * 13)
        inside = inside[top : top + height, left : left + width]
        assert framed_film(inside) == (0, 0, *inside.shape)


def test_a_film_in_the_widest_frame_is_found_and_one_too_small_is_refused():
    assert framed_film(framed(400, 400, 400, 400, 255)) == (400, 400, 300, 260)
    parameters = PrepareParameters(size=64, intensity="percentile", cut_frame=True)
    with pytest.raises(RejectedFilmError, match="it is 30 x 40 pixels, too small to show a finding"):
        make_plate(read(np.pad(chest_like(1, height=40, width=30).clip(20), 40)), parameters)


@pytest.mark.parametrize("fit", ["letterbox", "stretch", "centre-crop"])
@pytest.mark.parametrize("grey", [0, 255])
@pytest.mark.parametrize("width", [(100, 50, 90, 30), (0, 0, 60, 60), (45, 0, 0, 0)])
def test_in_a_frame_or_not_a_film_gives_one_plate(width, grey, fit):
    parameters = PrepareParameters(size=96, fit=fit, intensity="percentile", cut_frame=True)
    plate, geometry = make_plate(read(FILM), parameters)
    in_frame, there = make_plate(read(framed(*width, grey)), parameters)
    assert np.array_equal(in_frame, plate)
    top, left, height, breadth = geometry.film_box
    assert there.film_box == (top + width[0], left + width[2], height, breadth)
    assert there.plate_box == geometry.plate_box

    row, column = geometry.point_to_plate(120.0, 80.0)
    assert there.point_to_plate(120.0 + width[0], 80.0 + width[2]) == pytest.approx((row, column))
    evidence = np.random.default_rng(1).normal(size=(6, 6)).astype(np.float32)
    on_film = geometry.to_film(evidence)
    on_picture = there.to_film(evidence)
    assert np.array_equal(on_picture[width[0] :, width[2] :][:300, :260], on_film)
    assert np.count_nonzero(on_picture) == np.count_nonzero(on_film)


def test_what_jpeg_leaves_of_a_frame_is_one():
    file = BytesIO()
    Image.fromarray(framed(80, 80, 80, 80, 255)).save(file, "JPEG", quality=85)
    top, left, height, width = framed_film(read(file.getvalue()).pixels)
    assert abs(top - 80) <= 8
    assert abs(left - 80) <= 8
    assert 300 <= height <= 316
    assert 260 <= width <= 276

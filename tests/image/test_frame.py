"""An empty frame around a film is found, of any grey and on any side, and lungs cut out are none."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from generated import chest_like
from pneumoscope.image.frame import film_box, framed_film
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
    assert film_box(np.full((50, 50), 7, np.uint8), 2) is None


@pytest.mark.parametrize("around", [0, 26, 128, 255])
def test_lungs_that_were_cut_out_lie_in_no_frame(around):
    rows, columns = np.mgrid[:300, :260]
    lungs = ((rows - 150) / 110) ** 2 + ((abs(columns - 130) - 65) / 38) ** 2 < 1
    assert framed_film(np.where(lungs, FILM, around).astype(np.uint8)) == WHOLE


def test_a_frame_may_have_another_grey_on_each_side():
    picture = np.pad(framed(0, 0, 60, 0, 0), ((0, 0), (0, 40)), constant_values=255)
    picture = np.pad(picture, ((30, 0), (0, 0)), constant_values=90)
    assert framed_film(picture) == (30, 60, 300, 260)


def test_a_film_lost_in_its_picture_is_left_there():
    assert framed_film(framed(0, 0, 700, 0)) == (0, 0, 300, 960)


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

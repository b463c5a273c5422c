"""An empty frame is found on all four sides or not at all, and told of where it takes much of the picture."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from generated import chest_like
from pneumoscope.image.frame import film_share
from pneumoscope.image.read import read

FILM = chest_like(3, height=300, width=260)


def framed(width: tuple[tuple[int, int], tuple[int, int]], grey: int = 255) -> np.ndarray:
    return np.pad(np.maximum(FILM, 20).clip(20, 230), width, constant_values=grey)


@pytest.mark.parametrize("grey", [0, 128, 255])
@pytest.mark.parametrize("levels", [1, 257])
def test_the_share_is_that_of_the_film_in_its_frame(grey: int, levels: int) -> None:
    picture = framed(((100, 50), (90, 30)), grey)
    picture = picture.astype(np.uint16) * np.uint16(levels) if levels > 1 else picture
    assert film_share(picture) == pytest.approx(300 * 260 / picture.size, rel=0.02)


@pytest.mark.parametrize(
    "width", [((0, 0), (0, 0)), ((100, 0), (90, 90)), ((0, 0), (90, 90)), ((100, 100), (0, 90))]
)
def test_a_frame_that_leaves_a_side_open_is_none(width: tuple[tuple[int, int], tuple[int, int]]) -> None:
    assert film_share(framed(width, 0)) == 1.0


def test_nothing_but_a_frame_is_none() -> None:
    assert film_share(np.full((50, 50), 7, np.uint8)) == 1.0


@pytest.mark.parametrize(("border", "told"), [(0, False), (20, False), (150, True)])
def test_a_film_in_a_wide_frame_is_told_of(border: int, told: bool) -> None:
    file = BytesIO()
    Image.fromarray(framed(((border, border), (border, border)))).save(file, "JPEG", quality=85)
    warnings = " ".join(read(file.getvalue()).warnings)
    assert ("of the picture: crop the empty frame away" in warnings) == told

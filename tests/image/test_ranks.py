"""Ranks are those of sorting, whichever way they are found."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from pneumoscope.image.ranks import ranks

DTYPES = [np.uint8, np.uint16]
# One pixel, few, as many as are sorted, more, and several bands of more.
SHAPES = [(1, 1), (70, 90), (256, 512), (257, 512), (700, 900)]


def same_as_sorting(pixels):
    ordered, found = np.sort(pixels, axis=None), ranks(pixels)
    size = ordered.size
    assert (found.least, found.greatest, found.size) == (ordered[0], ordered[-1], size)
    assert found.levels() == np.unique(pixels).size
    for rank in {0, size // 200, size // 3, size // 2, size * 99 // 100, size - 1}:
        assert found.at(rank) == ordered[rank]
    for value in {0, int(ordered[size // 2]), int(ordered[-1]) // 50, int(ordered[-1])}:
        assert found.up_to(value) == (ordered <= value).sum()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("highest", [0, 1, 200, 255, 256, 4095, 65535])
def test_even_noise(dtype, shape, highest):
    highest = min(highest, np.iinfo(dtype).max)
    same_as_sorting(np.random.default_rng(2).integers(0, highest, shape, dtype=dtype, endpoint=True))


@pytest.mark.parametrize("period", [1, 13, 25, 38])
def test_pixels_that_no_sample_shows(period):
    """A sample takes every so many pixels: here those that it takes are bright, and all others dark."""
    pixels = np.arange(600 * 700, dtype=np.uint32).reshape(600, 700) % 5000
    pixels.reshape(-1)[:: pixels.size // (1 << 14)] = 60_000 + period
    pixels[:, ::period] += 300
    same_as_sorting(pixels.astype(np.uint16))


@pytest.mark.parametrize("black", [0.0, 0.01, 0.3, 0.9])
@pytest.mark.parametrize("white", [0.0, 0.01, 0.09])
def test_pixels_that_share_one_value(black, white):
    drawn = np.random.default_rng(4).random((600, 700))
    pixels = (2000 + drawn * 40_000).astype(np.uint16)
    pixels[drawn < black] = 0
    pixels[drawn > 1 - white] = 65_535
    same_as_sorting(pixels)
    background = int((pixels == 0).sum())
    for rank in {max(background - 1, 0), background, background + 40, background + 2000}:
        assert ranks(pixels).at(rank) == np.sort(pixels, axis=None)[rank]


@pytest.mark.parametrize("dtype", DTYPES)
def test_views_and_read_only_pixels(dtype):
    drawn = np.random.default_rng(3).integers(0, np.iinfo(dtype).max, (900, 1100), dtype=dtype)
    drawn.flags.writeable = False
    for view in (drawn[::2, ::3], drawn[:, ::2], drawn.T, drawn[:, ::-1]):
        same_as_sorting(view)


@given(nps.arrays(np.uint16, (40, 30), elements=st.integers(0, 65535)))
def test_any_few(pixels):
    same_as_sorting(pixels)

"""The view is blind to size, padding and exposure; the description sees negatives and turns."""

import numpy as np
import pytest
from PIL import Image

from generated import chest_like
from pneumoscope.errors import RejectedFilmError
from pneumoscope.image.appearance import (
    APPEARANCE_LENGTH,
    VIEW_SIZE,
    appearance,
    exposure,
    film_view,
    view_and_exposure,
)
from pneumoscope.image.radiograph import Radiograph


def film(pixels: np.ndarray) -> Radiograph:
    return Radiograph(np.ascontiguousarray(pixels), "film", "ARRAY")


def far(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other.astype(float)).mean())


@pytest.mark.parametrize("seed", range(4))
def test_view_is_blind_to_margins_size_and_depth(seed: int) -> None:
    pixels = chest_like(seed, height=256, width=256, noise=0.0)
    view = film_view(film(pixels))
    assert view.shape == (VIEW_SIZE, VIEW_SIZE)
    assert view.dtype == np.uint8
    framed = np.pad(pixels, ((40, 25), (30, 60)), constant_values=0)
    large = np.asarray(Image.fromarray(pixels).resize((1400, 1700), Image.Resampling.BICUBIC))
    assert far(film_view(film(framed)), view) < 6
    assert far(film_view(film(large)), view) < 6
    assert far(film_view(film(pixels.astype(np.uint16) * 257)), view) < 1
    assert far(film_view(film(255 - pixels)), view) > 40


def test_margins_that_leave_little_are_kept() -> None:
    pixels = np.zeros((200, 200), np.uint8)
    pixels[90:100, 90:110] = 200
    pixels[0, 0] = 255
    pixels[100:110, 90:110] = 100
    assert film_view(film(pixels)).mean() < 30


def test_blank_has_no_view() -> None:
    with pytest.raises(RejectedFilmError, match="blank"):
        film_view(film(np.full((100, 100), 7, np.uint8)))


def test_brightness_is_the_mean_of_each_cell_of_the_smoothed_view() -> None:
    view = film_view(film(chest_like(2)))
    padded = np.pad(view / 255, 1, mode="edge")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    smooth = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 16
    cells = smooth.reshape(16, 3, 16, 3).mean((1, 3))
    np.testing.assert_allclose(appearance(view)[:256].reshape(16, 16), cells - cells.mean(), atol=1e-6)


def test_appearance_of_many_is_that_of_each() -> None:
    views = np.stack([film_view(film(chest_like(seed))) for seed in range(5)])
    described = appearance(views)
    assert described.shape == (5, APPEARANCE_LENGTH)
    assert described.dtype == np.float32
    for view, row in zip(views, described, strict=True):
        np.testing.assert_allclose(appearance(view), row, rtol=1e-5, atol=1e-6)


def test_edges_agree_with_a_plain_loop() -> None:
    view = film_view(film(chest_like(3)))
    image = np.pad(view / 255.0, 1, mode="edge")
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
    smooth = np.array(
        [[(image[r : r + 3, c : c + 3] * kernel).sum() for c in range(VIEW_SIZE)] for r in range(VIEW_SIZE)]
    )
    padded = np.pad(smooth, 1, mode="edge")
    cells = np.zeros((8, 8, 8))
    for r in range(VIEW_SIZE):
        for c in range(VIEW_SIZE):
            across, down = padded[r + 1, c + 2] - padded[r + 1, c], padded[r + 2, c + 1] - padded[r, c + 1]
            for k in range(8):
                along = across * np.cos(k * np.pi / 4) + down * np.sin(k * np.pi / 4)
                cells[r // 6, c // 6, k] += max(along, 0.0) / 36
    around = np.pad(cells.sum(-1), 1, mode="edge")
    total = np.array([[around[r : r + 3, c : c + 3].mean() for c in range(8)] for r in range(8)])
    np.testing.assert_allclose(
        appearance(view)[-512:].reshape(8, 8, 8), cells / (total[..., None] + 0.02), rtol=1e-3, atol=1e-4
    )


def test_exposure_counts_the_ends_of_the_scale() -> None:
    pixels = np.tile(np.arange(100, dtype=np.uint8), (100, 1)) + 50
    pixels[:, :30] = 255
    pixels[:, 90:] = 0
    used = exposure(film(pixels))
    assert used.white == pytest.approx(0.3, abs=0.01)
    assert used.black == pytest.approx(0.1, abs=0.01)
    assert used.contrast == pytest.approx(1.0)
    assert used.levels == 62


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_contrast_is_that_of_the_percentiles(dtype) -> None:
    generator = np.random.default_rng(5)
    for spread in (2, 40, 60_000):
        pixels = generator.integers(3, min(spread + 4, np.iinfo(dtype).max), (151, 173)).astype(dtype)
        low, high = np.percentile(pixels, (0.5, 99.5))
        used = exposure(film(pixels))
        assert used.contrast == pytest.approx((high - low) / np.iinfo(dtype).max, abs=1e-12)
        assert used.levels == np.unique(pixels).size


def test_view_and_exposure_are_found_together() -> None:
    large = film(np.kron(chest_like(7), np.ones((3, 3), np.uint8)))
    view, used = view_and_exposure(large)
    np.testing.assert_array_equal(view, film_view(large))
    assert used == exposure(large)

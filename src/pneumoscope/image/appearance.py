"""What a film looks like from afar: numbers by which the guard tells a chest film from anything else.

Everything is computed on a square of 48 pixels, after flat margins have been cut off and exposure has been
taken out. At that size the resolution, the sharpness, the aspect ratio and the file format of the source
are gone; what is left is where the film is bright and dark, and which way its edges run.
"""

import math
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from pneumoscope.image.frame import thinned
from pneumoscope.image.prepare import PrepareParameters, make_plate
from pneumoscope.image.radiograph import Pixels, Radiograph
from pneumoscope.image.ranks import Ranks, ranks

__all__ = [
    "APPEARANCE_LENGTH",
    "VIEW_SIZE",
    "Exposure",
    "appearance",
    "exposure",
    "film_view",
    "view_and_exposure",
]

VIEW_SIZE = 48
_VIEW = PrepareParameters(size=VIEW_SIZE, fit="stretch", intensity="percentile", resample="bilinear")
_SAMPLED_SIDE = 320  # the film is thinned out to about this many pixels a side before anything is counted
_FLAT_SHARE = 0.03  # a margin is flat where it varies by less than this share of the film's range
_SMALLEST_REST = 0.3  # of the film's height or width; margins that leave less are not cut

_CELLS = 8
_DIRECTIONS = 8
_BRIGHTNESS_CELLS = 16
_NEIGHBOURHOOD_FLOOR = 0.02
_GREYS = 16
APPEARANCE_LENGTH = _BRIGHTNESS_CELLS**2 * 3 // 2 + _GREYS + _CELLS**2 * _DIRECTIONS

_ANGLES = np.arange(_DIRECTIONS) * (2 * np.pi / _DIRECTIONS)
_COMPASS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)]).astype(np.float32)  # (2, D)


@dataclass(frozen=True, slots=True)
class Exposure:
    """How a film uses its grey scale; shares of the pixels inside flat margins, 0..1.

    Attributes:
        white: share at the film's brightest value.
        black: share at the film's darkest value.
        contrast: spread of the middle 99 % of the pixels, as a share of the full scale of the file.
        levels: number of grey values in use, of a sample of the pixels.
    """

    white: float
    black: float
    contrast: float
    levels: int


def view_and_exposure(film: Radiograph) -> tuple[NDArray[np.uint8], Exposure]:
    """The film as the guard sees it, and how it uses its grey scale, on a sample of its pixels.

    Args:
        film: as read.

    Returns:
        view: (VIEW_SIZE, VIEW_SIZE) uint8, stretched to a square, its own percentiles at black and white.
        exposure: of the same sample.

    Raises:
        RejectedFilmError: the film is blank.
    """
    sample = _without_margins(_thinned(film.pixels))
    values = ranks(sample)
    view, _ = make_plate(replace(film, pixels=sample), _VIEW, values)
    return view, _exposure_of(values, np.iinfo(sample.dtype).max)


def film_view(film: Radiograph) -> NDArray[np.uint8]:
    """The first of `view_and_exposure`."""
    return make_plate(replace(film, pixels=_without_margins(_thinned(film.pixels))), _VIEW)[0]


def exposure(film: Radiograph) -> Exposure:
    """The second of `view_and_exposure`; a blank film has one, too."""
    sample = _without_margins(_thinned(film.pixels))
    return _exposure_of(ranks(sample), np.iinfo(sample.dtype).max)


def _exposure_of(values: Ranks, full_scale: int) -> Exposure:
    below = values.up_to(values.greatest - 1) if values.greatest else 0
    low, high = (_percentile(values, percent) for percent in (0.5, 99.5))
    return Exposure(
        white=(values.size - below) / values.size,
        black=values.up_to(values.least) / values.size,
        contrast=(high - low) / full_scale,
        levels=values.levels(),
    )


def _percentile(values: Ranks, percent: float) -> float:
    """What `numpy.percentile` gives."""
    place = percent / 100 * (values.size - 1)
    below, above = values.at(math.floor(place)), values.at(math.ceil(place))
    return below + (above - below) * (place - math.floor(place))


def appearance(view: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Describe a view: brightness by place, how far left and right differ, greys in use, edges by place.

    Edges are taken relative to those around them, so a pale film and a hard one look alike. Directions run
    all the way round: from dark to bright differs from bright to dark, which is how a negative is known.

    Args:
        view: (..., VIEW_SIZE, VIEW_SIZE) uint8.

    Returns:
        (..., APPEARANCE_LENGTH) float32, without unit.
    """
    lead = view.shape[:-2]
    image = view.reshape(-1, VIEW_SIZE, VIEW_SIZE).astype(np.float32) / 255.0
    image = _smoothed(image)
    brightness = _cell_means(image, _BRIGHTNESS_CELLS)
    brightness = brightness - brightness.mean((1, 2), keepdims=True)
    half = _BRIGHTNESS_CELLS // 2
    asymmetry = np.abs(brightness[:, :, :half] - brightness[:, :, : half - 1 : -1])
    parts = [brightness, asymmetry, _histogram(image), _edges(image)]
    joined = np.concatenate([part.reshape(len(image), -1) for part in parts], axis=1)
    return joined.reshape(*lead, APPEARANCE_LENGTH)


def _histogram(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Square roots of the shares of _GREYS bands of grey in (N, S, S), (N, _GREYS)."""
    count = len(image)
    band = np.minimum((image * _GREYS).astype(np.int64), _GREYS - 1)
    band += np.arange(count)[:, None, None] * _GREYS
    shares = np.bincount(band.ravel(), minlength=count * _GREYS).reshape(count, _GREYS) / VIEW_SIZE**2
    return np.sqrt(shares).astype(np.float32)


def _smoothed(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Binomial smoothing of (N, S, S) along both axes: sharp and soft sources become alike."""
    padded = _bordered(image)
    rows = padded[:, :-2] + 2.0 * padded[:, 1:-1] + padded[:, 2:]
    smooth: NDArray[np.float32] = (rows[:, :, :-2] + 2.0 * rows[:, :, 1:-1] + rows[:, :, 2:]) / 16.0
    return smooth


def _edges(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Strength of the edges of (N, S, S) by cell and direction, (N, C, C, D), relative to those around."""
    padded = _bordered(image)
    across = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    down = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    compass = _COMPASS[..., np.newaxis, np.newaxis, np.newaxis]
    along = compass[0] * across + compass[1] * down  # (D, N, S, S)
    np.maximum(along, 0.0, out=along)
    strength = np.ascontiguousarray(np.moveaxis(_cell_means(along, _CELLS), 0, -1))
    total = _bordered(strength.sum(-1))  # (N, C + 2, C + 2)
    rows = total[:, :-2] + total[:, 1:-1] + total[:, 2:]
    around = (rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]) / 9.0
    relative: NDArray[np.float32] = strength / (around[..., np.newaxis] + _NEIGHBOURHOOD_FLOOR)
    return relative


def _bordered(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, S + 2, S + 2) of (N, S, S): the outermost rows and columns twice."""
    tall = np.concatenate([images[:, :1], images, images[:, -1:]], axis=1)
    return np.concatenate([tall[:, :, :1], tall, tall[:, :, -1:]], axis=2)


def _cell_means(images: NDArray[np.float32], cells: int) -> NDArray[np.float32]:
    """Means of (..., S, S) in cells, (..., cells, cells); numpy's own takes four times as long."""
    side = VIEW_SIZE // cells
    parts = images.reshape(*images.shape[:-2], cells, side, cells, side)
    rows = sum((parts[..., column] for column in range(1, side)), start=parts[..., 0])
    squares = sum((rows[..., row, :] for row in range(1, side)), start=rows[..., 0, :])
    return squares / np.float32(side**2)


def _thinned(pixels: Pixels) -> Pixels:
    """Every n-th row and column: grey values stay what they are, and large films cost no more."""
    return cast(Pixels, np.ascontiguousarray(thinned(pixels, _SAMPLED_SIDE)))


def _without_margins(pixels: Pixels) -> Pixels:
    """Cut flat margins off: padding, collimator, a frame; all of it stays where little would be left."""
    flat = _FLAT_SHARE * (float(pixels.max()) - float(pixels.min()))
    kept = pixels
    for axis in (1, 0):
        spread = kept.max(axis=axis).astype(np.int64) - kept.min(axis=axis)
        busy = np.flatnonzero(spread > flat)
        if busy.size == 0 or busy[-1] + 1 - busy[0] < _SMALLEST_REST * spread.size:
            return pixels
        kept = kept[busy[0] : busy[-1] + 1] if axis == 1 else kept[:, busy[0] : busy[-1] + 1]
    return kept

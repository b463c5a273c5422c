"""An empty frame around a film: padding, collimator, the black of a screenshot, the ground of a page scan."""

import numpy as np
from numpy.typing import NDArray

from pneumoscope.image.radiograph import Pixels

__all__ = ["Box", "filled_share", "framed_film", "thinned"]

Box = tuple[int, int, int, int]
"""(top, left, height, width) in pixels."""

_EVEN = 0.02  # of the range of greys: what JPEG leaves of one grey
# Of the inside of their frame. Of 9,382 films cut to the lungs 3 have more, of 2,101 others in frames 2 less.
_FILM_INSIDE = 0.65
_LINES = 32  # looked at together
_SAMPLED_SIDE = 320  # pixels a side, about, of which greys are counted
# Of a line at the edge, and how far from its grey they may lie. Of 1,018 whole films of five sources one has
# less than 0.73 of its area left, and that one lies in a frame (counted by a script that is not kept).
_MOST_OF_LINE, _NEARLY_EVEN = 0.9, 0.04
_RINGS = 32  # frames within frames


def framed_film(pixels: Pixels) -> Box:
    """Where the film lies in its frame, of any width on any side; all of the picture where it has none.

    A row or column at the edge is frame where it is of one grey, and those beyond it are while they are of
    that grey. Within a frame there may be another: what is left is looked at again. A film that was cut to
    the lungs stays as it is: of what is inside a frame little has the frame's grey, of the rectangle around
    lungs much has.

    >>> picture = np.zeros((40, 40), np.uint8)
    >>> picture[10:30, 20:40] = np.arange(400).reshape(20, 20) % 251
    >>> framed_film(picture)
    (10, 20, 20, 20)

    Args:
        pixels: (H, W).
    """
    whole = (0, 0, *pixels.shape)
    top, left, height, width = whole
    greys: set[int] = set()
    even = 0.0
    for _ in range(_RINGS):
        inside = pixels[top : top + height, left : left + width]
        even = _EVEN * _spread(thinned(inside, _SAMPLED_SIDE))
        rows, columns = _edges(inside, even, greys)
        if even == 0 or rows[0] >= rows[1] or columns[0] >= columns[1]:  # nothing but frames
            return whole
        if (rows[1] - rows[0], columns[1] - columns[0]) == (height, width):
            break
        top, height = top + rows[0], rows[1] - rows[0]
        left, width = left + columns[0], columns[1] - columns[0]
    inside = pixels[top : top + height, left : left + width]
    return (top, left, height, width) if _is_film(thinned(inside, _SAMPLED_SIDE), greys, even) else whole


def filled_share(pixels: Pixels) -> float:
    """Share of the picture that the film fills, 0 to 1, where its frame need not be clean.

    A line is frame here, too, where something is written in it, or where its one grey has grain.

    Args:
        pixels: (H, W).

    >>> film = (np.arange(40000).reshape(200, 200) * 7 % 251).astype(np.uint8)
    >>> picture = np.pad(film, 100)
    >>> picture[20:30, 20:30] = 255  # a letter
    >>> filled_share(film), filled_share(picture), framed_film(picture) == (100, 100, 200, 200)
    (1.0, 0.25, False)
    """
    inside = whole = thinned(pixels, _SAMPLED_SIDE)
    greys: set[int] = set()
    for _ in range(_RINGS):
        even = _NEARLY_EVEN * _spread(inside)
        before = inside.shape
        for _ in range(4):  # sides: each is the first rows of the picture turned
            inside = inside[_soiled_depth(inside, even, greys) :].T[::-1]
        if inside.size == 0 or even == 0:
            return 1.0
        if inside.shape == before:
            break
    return inside.size / whole.size if greys and _is_film(inside, greys, even) else 1.0


def _soiled_depth(lines: Pixels, even: float, greys: set[int]) -> int:
    """How many lines, from the first on, are mostly of the grey that most of the first is."""
    if len(lines) == 0 or lines.shape[1] == 0:
        return 0
    grey = int(np.median(lines[0]))
    for first in range(0, len(lines), _LINES):
        block = lines[first : first + _LINES]
        near = (block >= grey - even) & (block <= grey + even)
        frame = np.count_nonzero(near, axis=1) >= _MOST_OF_LINE * lines.shape[1]
        if not frame.all():
            depth = first + int(frame.argmin())
            break
    else:
        depth = len(lines)
    if depth:
        greys.add(grey)
    return depth


def _is_film(inside: Pixels, greys: set[int], even: float) -> bool:
    """Whether little of what frames leave has their greys: else it is the rectangle around lungs cut out."""
    film = np.ones(inside.shape, dtype=bool)
    for grey in greys:
        film &= (inside > grey + even) | (inside < grey - even)
    return bool(np.count_nonzero(film) >= _FILM_INSIDE * film.size)


def _edges(inside: Pixels, even: float, greys: set[int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """First row, and one past the last, that is no frame; likewise of columns, within those rows.

    The greys of what is frame are added to `greys`.
    """
    top = _depth(inside, even, greys)
    bottom = len(inside) - _depth(inside[::-1], even, greys)
    if top >= bottom:
        return (top, bottom), (0, inside.shape[1])
    columns = inside[top:bottom].T
    left = _depth(columns, even, greys)
    return (top, bottom), (left, len(columns) - _depth(columns[::-1], even, greys))


def _depth(lines: Pixels, even: float, greys: set[int]) -> int:
    """How many lines, from the first on, are of the one grey of the first."""
    if _spread(lines[0]) > even:
        return 0
    grey = int(np.median(lines[0]))
    greys.add(grey)
    for first in range(0, len(lines), _LINES):
        block = lines[first : first + _LINES]
        spread = block.max(1).astype(np.int64) - block.min(1)
        frame = (spread <= even) & (np.abs(block[:, 0].astype(np.int64) - grey) <= even)
        if not frame.all():
            return first + int(frame.argmin())
    return len(lines)


def _spread(greys: NDArray[np.uint8] | NDArray[np.uint16]) -> int:
    return int(greys.max()) - int(greys.min())


def thinned(pixels: Pixels, side: int) -> Pixels:
    """Every n-th row and column, a view: about `side` pixels on the longer side, with the greys they have."""
    step = max(1, max(pixels.shape) // side)
    return pixels[::step, ::step]

"""A film and its evidence as a person is shown them: the film's own black and white."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pneumoscope.errors import RejectedFilmError
from pneumoscope.image.prepare import Geometry, PrepareParameters, make_plate
from pneumoscope.image.radiograph import Radiograph
from pneumoscope.report.contour import contour_coverage
from pneumoscope.runtime.film import Film

__all__ = [
    "CONTOUR_SHARE",
    "SHOWN_PERCENTILES",
    "contour_strokes",
    "displayed",
    "scored_part",
    "shown_evidence",
]

CONTOUR_SHARE = 0.5
"""The contour runs at this share of the bundle's limit."""
SHOWN_PERCENTILES = (0.5, 99.5)
"""Of a film's grey values: the first is shown black, the second white."""

_STROKES = ((4.5, 0.0, 0.5), (2.2, 255.0, 1.0))
"""Width in pixels of a picture of `_STROKES_FOR` pixels, grey and opacity: a white line in a dark one."""
_STROKES_FOR = 768


def displayed(radiograph: Radiograph, size: int) -> tuple[NDArray[np.uint8], Geometry]:
    """The film on a black square, its own percentiles black and white.

    Args:
        radiograph: as read.
        size: side of the square, pixels.

    Returns:
        grey: (size, size) uint8.
        geometry: where the film lies on it.
    """
    parameters = PrepareParameters(
        size=size, fit="letterbox", intensity="percentile", percentiles=SHOWN_PERCENTILES, resample="lanczos"
    )
    try:
        return make_plate(radiograph, parameters)
    except RejectedFilmError:
        # A film of two grey levels leaves the percentiles nothing to stretch.
        return make_plate(radiograph, parameters.model_copy(update={"intensity": "as-stored"}))


def scored_part(scored: Geometry, shown: Geometry) -> tuple[int, int, int, int]:
    """Top, left, height, width on the square of the part of the film that the network was given."""
    film_top, film_left, film_height, film_width = scored.film_box
    top, left = (round(at) for at in shown.point_to_plate(film_top, film_left))
    bottom, right = (round(at) for at in shown.point_to_plate(film_top + film_height, film_left + film_width))
    return top, left, max(1, bottom - top), max(1, right - left)


def shown_evidence(film: Film, height: int, width: int) -> NDArray[np.float32]:
    """The evidence over the scored part of the film.

    It is carried to this size directly: a map at the film's own size may hold many megapixels.

    Args:
        film: as scored.
        height: of the scored part on the screen, pixels.
        width: likewise.

    Returns:
        (height, width) float32, signed, logit units.
    """
    geometry = replace(film.geometry, film_size=(height, width), film_box=(0, 0, height, width))
    return geometry.to_film(film.cam)


def contour_strokes(
    evidence: NDArray[np.float32], limit: float, size: int
) -> list[tuple[NDArray[np.float32], float]]:
    """The contour as strokes to be laid over a film, lowest first.

    Args:
        evidence: (H, W) float32 as shown.
        limit: of the bundle, logit units.
        size: longest side of the picture, pixels; lines grow with it.

    Returns:
        for each stroke its opacity, (H, W) float32 from 0 to 1, and its grey, 0 to 255.
    """
    scale = size / _STROKES_FOR
    return [
        (opacity * contour_coverage(evidence, CONTOUR_SHARE * limit, scale * width), grey)
        for width, grey, opacity in _STROKES
    ]

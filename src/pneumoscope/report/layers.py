"""A scored film as three pictures of one shape, for a viewer that lays them over each other."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscope.report.colour import evidence_colours, evidence_opacity
from pneumoscope.report.display import contour_strokes, displayed, scored_part, shown_evidence
from pneumoscope.runtime.film import Film

__all__ = ["FilmLayers", "render_layers"]


@dataclass(frozen=True, slots=True, eq=False)
class FilmLayers:
    """The pictures; each covers the whole film.

    Attributes:
        film: "L", black and white are the film's own.
        evidence: "RGBA", transparent where there is no evidence for pneumonia; the colours are absolute.
        contour: "LA", the line at half of the bundle's limit.
        hottest: evidence at the film's hottest point, logit units; below zero where all speaks against it.
    """

    film: Image.Image
    evidence: Image.Image
    contour: Image.Image
    hottest: float


def render_layers(film: Film, longest: int) -> FilmLayers:
    """Draw a scored film and, apart from it, its evidence.

    Args:
        film: as scored.
        longest: pixels of the pictures' longest side.
    """
    grey, shown = displayed(film.radiograph, longest)
    top, left, height, width = shown.plate_box
    part_top, part_left, part_height, part_width = scored_part(film.geometry, shown)
    evidence = np.zeros(grey.shape, dtype=np.float32)
    evidence[part_top : part_top + part_height, part_left : part_left + part_width] = shown_evidence(
        film, part_height, part_width
    )
    rows, columns = slice(top, top + height), slice(left, left + width)
    evidence = evidence[rows, columns]
    return FilmLayers(
        Image.fromarray(grey[rows, columns]),
        Image.fromarray(_coloured(evidence, film.heatmap_limit)),
        Image.fromarray(_line(evidence, film.heatmap_limit, longest)),
        float(evidence.max()),
    )


def _coloured(evidence: NDArray[np.float32], limit: float) -> NDArray[np.uint8]:
    """(H, W, 4) uint8 of (H, W) evidence."""
    colours = evidence_colours(evidence, limit)  # (H, W, 3)
    opacity = 255.0 * evidence_opacity(evidence, limit)[..., None]  # (H, W, 1)
    layer: NDArray[np.uint8] = np.rint(np.concatenate([colours, opacity], axis=-1)).astype(np.uint8)
    return layer


def _line(evidence: NDArray[np.float32], limit: float, size: int) -> NDArray[np.uint8]:
    """(H, W, 2) uint8: grey and opacity of all strokes laid over each other."""
    grey = np.zeros(evidence.shape, dtype=np.float32)  # times its opacity
    opacity = np.zeros(evidence.shape, dtype=np.float32)
    for cover, level in contour_strokes(evidence, limit, size):
        grey += cover * (np.float32(level) - grey)
        opacity += cover * (np.float32(1.0) - opacity)
    np.divide(grey, opacity, out=grey, where=opacity > 0)
    return np.rint(np.stack([grey, 255.0 * opacity], axis=-1)).astype(np.uint8)

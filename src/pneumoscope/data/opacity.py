"""Opacities drawn into the lungs of normal films, where radiologists found them in others.

A film and its copy with an opacity differ in nothing else: not in hospital, machine, view, body or frame.
What is drawn is no copy of any disease. It has what consolidation and ground glass have in common: grey moves
towards that of soft tissue, vessels lose contrast, borders are soft, and the lung's edge may vanish in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from pneumoscope.data.lungs import Box, Mask, rectangle_of

__all__ = ["Opacities", "draw_devices", "draw_opacities"]

Grey = NDArray[np.float32]

_STRENGTH = (0.3, 0.95)  # share of the way to soft tissue, from faint ground glass to dense consolidation
_SEEN = 0.35  # share of an opacity's full effect that still counts as opacity
_SMALLEST = 0.004  # share of the film; a smaller opacity is not drawn
_LEAST = 7.0  # grey levels that an opacity changes at its core, where there is room
_FINE = 4  # lines are drawn this much larger and scaled down


@dataclass(frozen=True, slots=True)
class Opacities:
    """A film with opacities.

    Attributes:
        film: (S, S) uint8.
        boxes: (x, y, width, height) in fractions of the film, tight around each opacity that can be seen.
    """

    film: NDArray[np.uint8]
    boxes: tuple[Box, ...]


def draw_opacities(
    film: NDArray[np.uint8],
    lungs: Mask,
    boxes: Sequence[Box],
    generator: np.random.Generator,
    *,
    outside: bool = False,
) -> Opacities:
    """Draw an opacity into each box, as far as it lies in the lungs.

    Args:
        film: (S, S) uint8, whole and normal.
        lungs: (S, S) bool, not empty.
        boxes: where to draw, (x, y, width, height) in fractions of the film.
        generator: of shape, density and grain.
        outside: draw what lies outside of the lungs and their surroundings instead, and black stays black:
            the same brush where it means nothing.
    """
    side = film.shape[0]
    grey = film.astype(np.float32)
    coarse = ndimage.gaussian_filter(grey, side / 25)
    reach = ndimage.binary_dilation(lungs, iterations=int(generator.integers(1, 6)))
    allowed = ndimage.gaussian_filter(reach.astype(np.float32), side / 90)
    if outside:
        body = ndimage.gaussian_filter((grey > 0).astype(np.float32), side / 90)
        allowed = np.clip(1 - 2 * allowed, 0, 1) * body
    around = grey[~lungs & (grey > 0)]
    if not around.size:
        return Opacities(film, ())
    tissue = np.percentile(around, generator.uniform(50, 85))
    density = generator.uniform(*_STRENGTH)
    detail_lost = generator.uniform(0.3, 0.95)
    drawn, shown = grey.copy(), []
    for box in boxes:
        shape = _shape(box, side, generator) * allowed
        strength = np.clip(density * generator.uniform(0.75, 1.25), 0.2, 1.0)
        # Where the lung is as bright as tissue already, tissue over it is brighter still.
        rise = strength * np.maximum(tissue - coarse, 0.12 * (255 - coarse))
        seen = shape > _SEEN
        if seen.mean() < _SMALLEST:
            continue
        rise *= max(1.0, _LEAST / max(1e-3, float(rise[seen].mean())))
        detail = drawn - coarse
        drawn += shape * (rise - strength * detail_lost * detail)
        drawn += shape * strength * _grain(side, generator) * generator.uniform(0.5, 4)
        top, bottom, left, right = rectangle_of(seen)
        x, y, across, down = (round(value / side, 6) for value in (left, top, right - left, bottom - top))
        shown.append((x, y, across, down))
    return Opacities(np.clip(np.rint(drawn), 0, 255).astype(np.uint8), tuple(shown))


def _shape(box: Box, side: int, generator: np.random.Generator) -> Grey:
    """(S, S) in [0, 1]: a cloud that about fills a box, with a soft and uneven border, patchy or even."""
    x, y, width, height = (value * side for value in box)
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    across = (columns - (x + width / 2)) / max(width / 2, 2.0)
    down = (rows - (y + height / 2)) / max(height / 2, 2.0)
    roundness = generator.uniform(1.7, 3.0)
    distance = (np.abs(across) ** roundness + np.abs(down) ** roundness) ** (1 / roundness)
    size = np.sqrt(max(width * height, 16.0))
    distance += generator.uniform(0.1, 0.5) * _smooth_noise(side, size / 5, generator)
    softness = generator.uniform(0.08, 0.35)
    cloud = 1 / (1 + np.exp(np.clip((distance - 0.85) / softness * 2, -30, 30)))
    if generator.random() < 0.5:
        patches = _smooth_noise(side, size / generator.uniform(6, 14), generator)
        cloud *= np.clip(0.75 + generator.uniform(0.1, 0.4) * patches, 0.1, 1)
    return np.asarray(cloud, dtype=np.float32)


def _smooth_noise(side: int, width: float, generator: np.random.Generator) -> Grey:
    """(S, S) of mean 0 and standard deviation 1."""
    noise = ndimage.gaussian_filter(generator.normal(size=(side, side)).astype(np.float32), max(width, 0.7))
    return np.asarray((noise - noise.mean()) / noise.std(), dtype=np.float32)


def _grain(side: int, generator: np.random.Generator) -> Grey:
    """Fine and coarser grain, (S, S), standard deviation about 1."""
    fine = _smooth_noise(side, generator.uniform(0.7, 1.2), generator)
    return (0.6 * fine + 0.8 * _smooth_noise(side, generator.uniform(1.8, 4), generator)).astype(np.float32)


def draw_devices(film: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Draw tubes, leads and electrodes over a film, as those of patients in bed have: they are no disease.

    Args:
        film: (S, S) uint8.
        generator: of number, course and brightness.
    """
    side = film.shape[0]
    size = side * _FINE
    layer = Image.new("L", (size, size))
    pen = ImageDraw.Draw(layer)
    for _ in range(int(generator.integers(1, 5))):
        points = _course(size, generator)
        ink = int(generator.integers(60, 200))
        pen.line(points, fill=ink, width=int(_FINE * generator.uniform(0.5, 1.6)), joint="curve")
        if generator.random() < 0.5:
            x, y = points[-1]
            radius = size * generator.uniform(0.008, 0.02)
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)
    drawn = np.asarray(layer.resize((side, side), Image.Resampling.BOX), dtype=np.float32) / 255
    grey = film.astype(np.float32)
    return np.clip(np.rint(grey + drawn * (255 - grey)), 0, 255).astype(np.uint8)


def _course(size: int, generator: np.random.Generator) -> list[tuple[float, float]]:
    """A smooth curve across a part of the film: a cubic Bezier in 24 points."""
    knots = generator.uniform(0.05, 0.95, size=(4, 2)) * size
    steps = np.linspace(0, 1, 24)[:, np.newaxis]
    curve = (
        (1 - steps) ** 3 * knots[0]
        + 3 * (1 - steps) ** 2 * steps * knots[1]
        + 3 * (1 - steps) * steps**2 * knots[2]
        + steps**3 * knots[3]
    )
    return [(float(x), float(y)) for x, y in curve]

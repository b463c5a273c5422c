"""What a model could see without seeing the disease: of the file, its record, and parts of the plate."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscope.data.audit.films import Films
from pneumoscope.data.manifest import ManifestRow
from pneumoscope.image.prepare import PrepareParameters

__all__ = [
    "AUDIT_PREPARE",
    "Features",
    "PlateFeatures",
    "label_features",
    "lung_template",
    "plate_features",
    "record_features",
]

Features = NDArray[np.float32]

# Stretched, so that geometry stays out of the pixels: it is asked about by itself. The grey scale is left as
# stored, because exposure is one of the things that can go with the label.
AUDIT_PREPARE = PrepareParameters(size=96, fit="stretch", intensity="as-stored")

_CELL = 4  # pixels; the plate is 24 x 24 cells
_CELLS = AUDIT_PREPARE.size // _CELL
# Grey at and below this is taken for background: collimator, padding, or what was cut away.
_BLACK = 5
_FILMS_AT_ONCE = 1024

# Where lungs may lie, on a 24 x 24 grid: cells in which at least one in twenty of 9,396 adult films has lung
# (by the shape of the RSNA challenge films that others cut to the lungs), joined with their mirror image.
_LUNGS = """
........................
........##....##........
......############......
.....##############.....
....################....
...##################...
...##################...
...##################...
..####################..
..####################..
..####################..
..####################..
..####################..
..####################..
.######################.
.##########..##########.
.##########..##########.
.##########..##########.
..########....########..
..########....########..
..#####..........#####..
........................
........................
........................
"""


def lung_template() -> NDArray[np.bool_]:
    """(24, 24) cells of the plate in which lungs may lie; 60 % of the film."""
    return np.array([[mark == "#" for mark in line] for line in _LUNGS.split()])


def record_features(rows: Sequence[ManifestRow]) -> dict[str, Features]:
    """What the file and its record say, without a pixel.

    Args:
        rows: N rows with width, height and format.

    Returns:
        name of the check to (N, K) float32; NaN where the record does not say.
    """
    formats = {name: number for number, name in enumerate(sorted({row.format or "" for row in rows}))}
    views = {name: number for number, name in enumerate(sorted({row.view for row in rows if row.view}))}
    width = np.array([row.width or 0 for row in rows], dtype=np.float32)
    height = np.array([row.height or 0 for row in rows], dtype=np.float32)
    aspect, short, long = width / height, np.minimum(width, height), np.maximum(width, height)
    kind = np.array([formats[row.format or ""] for row in rows], dtype=np.float32)
    return {
        "file-size": np.array([[row.bytes] for row in rows], dtype=np.float32),
        "aspect-ratio": aspect[:, np.newaxis],
        "short-side": short[:, np.newaxis],
        "geometry": np.stack([width, height, aspect, short, long, kind], axis=1),
        "view": np.array([[views[row.view] if row.view else np.nan] for row in rows], dtype=np.float32),
        "age": np.array([[np.nan if row.age is None else row.age] for row in rows], dtype=np.float32),
    }


@dataclass(frozen=True, eq=False)
class PlateFeatures:
    """What parts of the plate say, one row per film, float32.

    Attributes:
        border: (N, 88) mean and spread of grey in the blocks of the outer frame, 31 % of the area.
        thumbnail: (N, 64) the film at 8 x 8.
        outside_lungs: (N, K) mean and spread of grey in the blocks outside the lung template.
        corners: (N, 96) fine contrast in the four corners: burned-in letters, markers, grain, sharpness.
        background: (N, 145) share of black in each block, and of the whole plate.
        cells: (N, 576) the film at 24 x 24, for the search for copies.
    """

    border: Features
    thumbnail: Features
    outside_lungs: Features
    corners: Features
    background: Features
    cells: Features


def _pooling(cells: int, size: int) -> Features:
    """(cells, size) matrix that averages neighbouring rows."""
    return np.repeat(np.eye(cells, dtype=np.float32), size // cells, axis=1) * np.float32(cells / size)


def _pool(matrix: Features, images: Features) -> Features:
    """(B, s, s) to (B, c, c): average rows and columns with a (c, s) matrix."""
    return np.asarray(matrix @ images @ matrix.T, dtype=np.float32)


def _spread(mean: Features, mean_of_squares: Features) -> Features:
    return np.sqrt(np.maximum(mean_of_squares - mean * mean, 0.0))


def _corner_contrast(plates: NDArray[np.uint8]) -> Features:
    """(B, 96) mean and largest step between neighbouring pixels, per 8 x 8 block of the corners."""
    size = plates.shape[1]
    top, side = size // 4, size // 3
    parts = []
    for rows in (slice(0, top), slice(size - top, size)):
        for columns in (slice(0, side), slice(size - side, size)):
            corner = plates[:, rows, columns].astype(np.int16)
            step = np.zeros(corner.shape, dtype=np.int16)
            np.maximum(
                np.abs(np.diff(corner, axis=2, append=corner[:, :, -1:])),
                np.abs(np.diff(corner, axis=1, append=corner[:, -1:])),
                out=step,
            )
            blocks = step.reshape(len(step), top // 8, 8, side // 8, 8)  # (B, 3, 8, 4, 8)
            parts += [blocks.mean(axis=(2, 4), dtype=np.float32), blocks.max(axis=(2, 4)).astype(np.float32)]
    return np.concatenate([part.reshape(len(plates), -1) for part in parts], axis=1)


def plate_features(films: Films) -> PlateFeatures:
    """Compute everything that is asked of plates, in one pass over the cache.

    Args:
        films: with plates made by `AUDIT_PREPARE`.
    """
    size = AUDIT_PREPARE.size
    fine, middle, coarse = _pooling(_CELLS, size), _pooling(12, _CELLS), _pooling(8, _CELLS)
    frame = np.ones((12, 12), dtype=bool)
    frame[1:-1, 1:-1] = False
    outside = (~lung_template()).astype(np.float32)
    share = _pool(middle, outside)  # (12, 12) of each block outside the lungs
    has_outside = share > 0
    some: Features = np.where(has_outside, share, np.float32(1.0))
    parts: dict[str, list[Features]] = {
        name: [] for name in ("border", "thumbnail", "outside_lungs", "corners", "background", "cells")
    }
    for start in range(0, len(films), _FILMS_AT_ONCE):
        stored = films.plates[films.plate_rows[start : start + _FILMS_AT_ONCE]]  # (B, S, S)
        count = len(stored)
        grey = stored.astype(np.float32)
        cells, squares = _pool(fine, grey), _pool(fine, grey * grey)  # (B, 24, 24)
        blocks = _pool(middle, cells)  # (B, 12, 12)
        spread = _spread(blocks, _pool(middle, squares))
        masked = _pool(middle, cells * outside) / some
        masked_spread = _spread(masked, _pool(middle, squares * outside) / some)
        black = _pool(middle, _pool(fine, (stored <= _BLACK).astype(np.float32)))
        black = black.reshape(count, -1)
        parts["border"].append(np.concatenate([blocks[:, frame], spread[:, frame]], axis=1))
        parts["thumbnail"].append(_pool(coarse, cells).reshape(count, -1))
        parts["outside_lungs"].append(
            np.concatenate([masked[:, has_outside], masked_spread[:, has_outside]], axis=1)
        )
        parts["corners"].append(_corner_contrast(stored))
        parts["background"].append(np.concatenate([black, black.mean(axis=1, keepdims=True)], axis=1))
        parts["cells"].append(cells.reshape(count, -1))
    return PlateFeatures(**{name: np.concatenate(arrays) for name, arrays in parts.items()})


def label_features(rows: Sequence[ManifestRow], plates: PlateFeatures) -> dict[str, Features]:
    """What each check that looks for the label is given, by the check's name: (N, K) float32.

    Args:
        rows: N rows with width, height and format.
        plates: of the same films.
    """
    return {
        **record_features(rows),
        "border": plates.border,
        "corners": plates.corners,
        "background": plates.background,
        "outside-lungs": plates.outside_lungs,
        "thumbnail": plates.thumbnail,
    }

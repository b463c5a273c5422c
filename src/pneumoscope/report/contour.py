"""A thin, smooth line where a map crosses a level."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["contour_coverage", "smooth_cells"]

_FINER = 16
"""Pixels of the smooth map per cell."""
_BLUR = _FINER // 4
"""Standard deviation of the blur in those pixels: a quarter of a cell."""


def contour_coverage(field: NDArray[np.float32], level: float, width: float) -> NDArray[np.float32]:
    """How much of each pixel the line `field == level` covers.

    The distance to the line is, to first order, |field - level| / |gradient|: smooth edges without tracing.

    Args:
        field: (H, W) float32, smooth.
        level: in the field's units.
        width: of the line, pixels.

    Returns:
        (H, W) float32, 0 to 1; all zero where the field does not reach the level.
    """
    if min(field.shape) < 2 or not field.min() < level < field.max():
        return np.zeros(field.shape, dtype=np.float32)
    down, right = np.gradient(field)
    steepness = np.hypot(down, right)
    # Nothing is covered beyond half the width plus half a pixel, so only pixels within it are divided.
    reach = np.float32(width / 2 + 0.5)
    offset = np.abs(field - np.float32(level))
    distance = np.full(field.shape, reach, dtype=np.float32)
    np.divide(offset, steepness, out=distance, where=offset < reach * steepness)
    coverage: NDArray[np.float32] = np.minimum(reach - distance, np.float32(1.0))
    return coverage


def smooth_cells(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """A coarse map without the corners of its cells, for the eye: blurred by a quarter of a cell.

    Nothing is added: no value leaves the range of the cells around it, and a flat map stays as it is.

    Args:
        cells: (h, w) float32.

    Returns:
        (16 h, 16 w) float32 over the same area, in the same units.
    """
    rows, columns = cells.shape
    finer = Image.fromarray(np.ascontiguousarray(cells, dtype=np.float32)).resize(
        (columns * _FINER, rows * _FINER), Image.Resampling.BILINEAR
    )
    reach = 3 * _BLUR
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / _BLUR) ** 2)
    taps = (taps / taps.sum()).astype(np.float32)
    padded = np.pad(np.asarray(finer), reach, mode="edge")
    across = np.lib.stride_tricks.sliding_window_view(padded, taps.size, axis=1) @ taps  # (16 h + 24, 16 w)
    smooth: NDArray[np.float32] = np.lib.stride_tricks.sliding_window_view(across, taps.size, axis=0) @ taps
    return smooth

"""A thin, smooth line where a map crosses a level."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["contour_coverage"]


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

"""An empty frame around a film, as screenshots, page scans and padded exports have it."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["film_share"]

_EVEN = 0.02  # of all grey values: what JPEG leaves of a frame of one grey


def film_share(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> float:
    """Share of the picture that lies inside a frame of one grey on all four sides.

    Only a frame on every side counts: films often end in black on one or two.

    >>> picture = np.zeros((40, 40), np.uint8)
    >>> picture[10:30, 10:30] = np.arange(50, 70)
    >>> film_share(picture)
    0.25

    Args:
        pixels: (H, W).

    Returns:
        0 to 1; 1 where there is no frame, or nothing but a frame.
    """
    most = int(np.iinfo(pixels.dtype).max * _EVEN)
    edges = (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1])
    # Most films end here, without a look at all their pixels.
    if any(int(edge.max()) - int(edge.min()) > most for edge in edges):
        return 1.0
    sides: list[float] = []
    for axis in (1, 0):
        lines = np.flatnonzero(pixels.max(axis) - pixels.min(axis) > most)
        if lines.size == 0 or lines[0] == 0 or lines[-1] == pixels.shape[1 - axis] - 1:
            return 1.0
        sides.append((int(lines[-1]) + 1 - int(lines[0])) / pixels.shape[1 - axis])
    return sides[0] * sides[1]

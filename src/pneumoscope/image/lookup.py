"""Passes over all pixels of a film, a band at a time: tables looked up and values counted.

numpy indexes and counts by way of a copy of 8 bytes per pixel; a band's copy stays in the processor's cache.
"""

from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscope.image.radiograph import Pixels

__all__ = ["count_values", "look_up"]

_BAND_PIXELS = 1 << 16

_Entries = TypeVar("_Entries", bound=NDArray[Any])


def look_up(table: _Entries, words: NDArray[np.unsignedinteger[Any]]) -> _Entries:
    """The table's entry for each word.

    Args:
        table: (N,) of any type.
        words: any shape, unsigned, all below N.

    Returns:
        Same shape as `words`, of the table's type; `table[words]` in a third of the time.
    """
    # From bytes to bytes Python's own way takes half the time of numpy's.
    if table.dtype == words.dtype == np.uint8 and table.size == 1 << 8:
        moved = bytearray(np.ascontiguousarray(words)).translate(table.tobytes())
        return cast(_Entries, np.frombuffer(moved, np.uint8).reshape(words.shape))
    flat = words.reshape(-1)  # (P,)
    entries = np.empty(flat.size, table.dtype)
    for begin in range(0, flat.size, _BAND_PIXELS):
        band = slice(begin, begin + _BAND_PIXELS)
        # No word is clipped: the mode only lets numpy write into the result without another copy.
        np.take(table, flat[band], out=entries[band], mode="clip")
    return cast(_Entries, entries.reshape(words.shape))


def count_values(pixels: Pixels) -> NDArray[np.int64]:
    """How many pixels have each value.

    Args:
        pixels: (H, W) uint8 or uint16.

    Returns:
        (256,) or (65536,) int64.
    """
    if pixels.dtype == np.uint8:
        return np.asarray(Image.fromarray(pixels).histogram(), dtype=np.int64)
    flat = pixels.reshape(-1)  # (P,)
    counts = np.zeros(1 << 16, np.int64)
    # Bands larger by four: each adds a table of as many counts.
    for begin in range(0, flat.size, 4 * _BAND_PIXELS):
        counts += np.bincount(flat[begin : begin + 4 * _BAND_PIXELS], minlength=counts.size)
    return counts

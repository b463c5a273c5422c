"""Passes over all pixels of a film: tables looked up, values counted, values found by their rank.

numpy indexes and counts by way of a copy of 8 bytes per pixel; a band's copy stays in the processor's cache.
"""

from collections.abc import Iterable
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscope.image.radiograph import Pixels

__all__ = ["SortedValues", "count_values", "look_up"]

_BAND_PIXELS = 1 << 16

_Entries = TypeVar("_Entries", bound=NDArray[Any])


def look_up(table: _Entries, words: NDArray[np.unsignedinteger[Any]]) -> _Entries:
    """The table's entry for each word.

    Args:
        table: (N,) of any type.
        words: any shape, unsigned, all below N.

    Returns:
        Same shape as `words`, of the table's type; `table[words]` in half the time.
    """
    # From bytes to bytes Python's own way takes half the time of numpy's.
    if table.dtype == words.dtype == np.uint8 and table.size == 1 << 8:
        moved = bytearray(np.ascontiguousarray(words)).translate(table.tobytes())
        return cast(_Entries, np.frombuffer(moved, np.uint8).reshape(words.shape))
    flat = words.reshape(-1)  # (P,)
    entries = np.empty(flat.size, table.dtype)
    for begin in range(0, flat.size, _BAND_PIXELS):
        band = slice(begin, begin + _BAND_PIXELS)
        # No word is wrapped: the mode only lets numpy write into the result without another copy, and is
        # the fastest that does.
        np.take(table, flat[band], out=entries[band], mode="wrap")
    return cast(_Entries, entries.reshape(words.shape))


def count_values(pixels: Pixels) -> NDArray[np.int64]:
    """How many pixels have each value.

    Args:
        pixels: (H, W) uint8 or uint16.

    Returns:
        (256,) or (65536,) int64.
    """
    if pixels.dtype == np.uint8:
        return _count_bytes(cast(NDArray[np.uint8], pixels))
    flat = pixels.reshape(-1)  # (P,)
    counts = np.zeros(1 << 16, np.int64)
    # Bands larger by four: each adds a table of as many counts.
    for begin in range(0, flat.size, 4 * _BAND_PIXELS):
        counts += np.bincount(flat[begin : begin + 4 * _BAND_PIXELS], minlength=counts.size)
    return counts


class SortedValues:
    """What sorting a film's pixels would tell, without sorting them, in half the time that counting takes.

    Values of 16 bits are counted by their upper byte; those of one upper byte are then counted by the lower
    one, for the few upper bytes that matter.

    Args:
        pixels: (H, W) uint8 or uint16.

    Attributes:
        least: the smallest value.
        greatest: the largest value.
    """

    def __init__(self, pixels: Pixels) -> None:
        self._pixels = pixels
        self._bytes = pixels.dtype == np.uint8
        self._upper = cast(NDArray[np.uint8], pixels)
        if not self._bytes:
            self._upper = np.empty(pixels.shape, np.uint8)
            np.right_shift(pixels, 8, out=self._upper, casting="unsafe")
        self._up_to = _count_bytes(self._upper).cumsum()  # (256,)
        self.least, self.greatest = int(pixels.min()), int(pixels.max())

    def up_to(self, value: int) -> int:
        """How many pixels have this value or a smaller one."""
        return int(self._up_to[value] if self._bytes else np.count_nonzero(self._pixels <= value))

    def at(self, ranks: Iterable[int]) -> list[int]:
        """Values at these places, counted from 0, of all pixels in ascending order."""
        values = []
        for rank in ranks:
            upper = int(np.searchsorted(self._up_to, rank, side="right"))
            if self._bytes:
                values.append(upper)
                continue
            place = rank - (int(self._up_to[upper - 1]) if upper else 0)
            lower = int(np.searchsorted(self._lower_counts(upper).cumsum(), place, side="right"))
            values.append(upper << 8 | lower)
        return values

    def _lower_counts(self, upper: int) -> NDArray[np.int64]:
        """(256,) int64: how many pixels of this upper byte have each lower one."""
        counts = np.zeros(256, np.int64)
        flat, uppers = self._pixels.reshape(-1), self._upper.reshape(-1)  # (P,)
        for begin in range(0, flat.size, 4 * _BAND_PIXELS):
            band = slice(begin, begin + 4 * _BAND_PIXELS)
            chosen = flat[band][uppers[band] == upper]
            if chosen.size:
                counts += _count_bytes(chosen.astype(np.uint8)[np.newaxis])
        return counts


def _count_bytes(values: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(256,) int64: how many of (H, W) uint8 have each value."""
    return np.asarray(Image.fromarray(values).histogram(), dtype=np.int64)

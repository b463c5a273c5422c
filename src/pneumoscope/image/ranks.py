"""What sorting a film's pixels would tell, in a fraction of the time: values by rank, and ranks by value."""

from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscope.image.radiograph import Pixels

__all__ = ["Ranks", "ranks"]

_FEW_PIXELS = 1 << 17  # that are sorted
_SAMPLE = 1 << 14  # pixels of a film that has more of them
_MARGIN = 1 << 7  # places in the sample, either way, within which a value of all pixels is looked for
_BAND_PIXELS = 1 << 17


class Ranks(Protocol):
    """Pixels in ascending order; places among them are counted from 0.

    Attributes:
        least: the smallest value.
        greatest: the largest value.
        size: number of pixels.
    """

    least: int
    greatest: int
    size: int

    def up_to(self, value: int) -> int:
        """How many pixels have this value or a smaller one; `value` is 0 at least."""

    def at(self, rank: int) -> int:
        """The value at this place."""

    def levels(self) -> int:
        """How many different values there are."""


def ranks(pixels: Pixels) -> Ranks:
    """Order the pixels of a film, as far as it is needed to answer.

    Args:
        pixels: (H, W) uint8 or uint16, at least one.
    """
    if pixels.dtype == np.uint8:
        return _OfBytes(cast(NDArray[np.uint8], pixels))
    words = cast(NDArray[np.uint16], pixels)
    return _OfFew(words) if pixels.size <= _FEW_PIXELS else _OfMany(words)


class _OfBytes:
    """Of all 256 values it is counted how many pixels have them."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        counts = _count_bytes(pixels)
        present = np.flatnonzero(counts)
        self.least, self.greatest, self.size = int(present[0]), int(present[-1]), pixels.size
        self._levels = present.size
        self._up_to = counts.cumsum()  # (256,)

    def up_to(self, value: int) -> int:
        return int(self._up_to[value])

    def at(self, rank: int) -> int:
        return int(np.searchsorted(self._up_to, rank, side="right"))

    def levels(self) -> int:
        return self._levels


class _OfFew:
    """Sorted indeed, by radix, which numpy does with 16 bits where a stable order is asked for."""

    def __init__(self, pixels: NDArray[np.uint16]) -> None:
        self._ordered = np.sort(pixels, axis=None, kind="stable")
        self.least, self.greatest, self.size = int(self._ordered[0]), int(self._ordered[-1]), pixels.size

    def up_to(self, value: int) -> int:
        return int(np.searchsorted(self._ordered, value, side="right"))

    def at(self, rank: int) -> int:
        return int(self._ordered[rank])

    def levels(self) -> int:
        return 1 + int(np.count_nonzero(self._ordered[1:] != self._ordered[:-1]))


class _OfMany:
    """A sample tells between which values one lies; sorting the pixels there tells which it is."""

    def __init__(self, pixels: NDArray[np.uint16]) -> None:
        self._pixels = pixels.reshape(-1)  # (P,)
        self._sample = np.sort(self._pixels[:: pixels.size // _SAMPLE], kind="stable")
        self.least, self.greatest, self.size = int(pixels.min()), int(pixels.max()), pixels.size

    def up_to(self, value: int) -> int:
        return 0 if value < self.least else int(np.count_nonzero(self._pixels <= value))

    def at(self, rank: int) -> int:
        place = rank * self._sample.size // self.size
        first, last = place - _MARGIN, place + _MARGIN
        # Above the value a margin below, where it can be: that may be the black of a third of the film.
        low = int(min(int(self._sample[first]) + 1, self._sample[place])) if first > 0 else self.least
        high = int(self._sample[last]) if last < self._sample.size else self.greatest
        between = self._between(low, high)
        below = self.size - between.size if high == self.greatest else self.up_to(low - 1)
        if below <= rank < below + between.size:
            return int(between[rank - below])
        return int(np.sort(self._pixels, kind="stable")[rank])  # the sample misled

    def levels(self) -> int:
        return int(np.unique(self._pixels).size)

    def _between(self, low: int, high: int) -> NDArray[np.uint16]:
        """Pixels of these values and those between, sorted."""
        first, span = np.uint16(low), np.uint16(high - low)
        # A band at a time, which stays in the processor's cache.
        bands = (self._pixels[begin : begin + _BAND_PIXELS] for begin in range(0, self.size, _BAND_PIXELS))
        # Values below `low` wrap round, to above the span.
        return np.sort(np.concatenate([band[band - first <= span] for band in bands]), kind="stable")


def _count_bytes(values: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(256,) int64: how many of (H, W) uint8 have each value."""
    return np.asarray(Image.fromarray(values).histogram(), dtype=np.int64)

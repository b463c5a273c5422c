"""Tables looked up for all pixels of a film, a band at a time.

numpy indexes by way of a copy of 8 bytes per pixel; a band's copy stays in the processor's cache.
"""

from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

__all__ = ["look_up"]

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

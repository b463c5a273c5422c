"""Rows of a JPEG that were never in its file: a decoder makes them up without a word."""

import numpy as np
from PIL import Image

from pneumoscope.image.decoding import StructureError

__all__ = ["check_jpeg_rows"]

_FILLED = 128  # the grey of a block without coefficients
_BLOCK = 8  # rows


def check_jpeg_rows(image: Image.Image) -> None:
    """Refuse a decoded JPEG whose coded data ended before its rows did, whatever marker stands behind them.

    libjpeg fills blocks that are missing with the grey of no coefficient, 128, and says so to nobody who
    does not listen. A film in a frame of that very grey has it above, too.

    Args:
        image: decoded, not turned.

    Raises:
        StructureError: rows are missing.
    """
    width, height = image.size
    last = image.crop((0, height - 1, width, height)).getextrema()
    if last not in ((_FILLED, _FILLED), ((_FILLED, _FILLED),) * 3):
        return
    filled = (np.asarray(image).reshape(height, -1) == _FILLED).all(axis=1)
    missing = 0 if filled[0] else int(filled[::-1].argmin())
    if missing >= _BLOCK:
        raise StructureError(
            f"the JPEG data are cut short: the last {missing:,} of its {height:,} rows are missing"
        )

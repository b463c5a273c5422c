"""Where the lungs of any film are: by its mask, by its cut, by our network, or by where lungs mostly lie."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscope.data.audit.features import lung_template
from pneumoscope.data.lung_finder import LungFinder
from pneumoscope.data.lung_masks import SMALLEST_LUNGS, with_margin
from pneumoscope.data.lungs import lung_mask
from pneumoscope.errors import DataError, UsageError
from pneumoscope.evaluation.variants import FindLungs, Lungs
from pneumoscope.image.radiograph import Pixels, Radiograph

__all__ = ["film_lungs", "is_cut"]

# Films that others cut to the lungs show at most 0.38 of their area and 0.04 of their frame; no whole film of
# eight sets showed less than 0.48 of its area (1,250 films looked at).
_SHOWN_AT_MOST = 0.45
_FRAME_SHOWN_AT_MOST = 0.05
_FRAME = 50  # the frame is one part in this many of each side
_BLACK_8_BIT = 8


def _as_8_bit(pixels: Pixels) -> NDArray[np.uint8]:
    return (pixels if pixels.dtype == np.uint8 else pixels >> 8).astype(np.uint8, copy=False)


def is_cut(pixels: Pixels) -> bool:
    """Whether a film was cut to the lungs: most of it is black, and so is all of its frame.

    Args:
        pixels: (H, W) uint8 or uint16.
    """
    shown = _as_8_bit(pixels) > _BLACK_8_BIT
    down, across = (max(1, side // _FRAME) for side in shown.shape)
    frame = np.ones_like(shown)
    frame[down:-down, across:-across] = False
    return bool(shown.mean() <= _SHOWN_AT_MOST and shown[frame].mean() <= _FRAME_SHOWN_AT_MOST)


def film_lungs(masks: Path | None = None) -> FindLungs:
    """A finder of lungs.

    Args:
        masks: folder with `NAME.png` or `NAME_lung.png` of films named `NAME`, white inside the lungs, of any
            size; None where there are none.

    Returns:
        A function that takes the film's mask where there is one, else its cut, else what the network that
        comes with the package finds, with a margin around it, else the audit's template.

    Raises:
        UsageError: `masks` is no folder.
    """
    if masks is not None and not masks.is_dir():
        raise UsageError(
            f"--lungs {masks}: there is no such folder; name one that holds NAME.png of each film"
        )

    finder = LungFinder()

    def find(film: Radiograph) -> Lungs:
        given = _given(masks, film) if masks is not None else None
        if given is not None:
            return Lungs(given, "mask")
        grey = _as_8_bit(film.pixels)
        if is_cut(grey):
            return Lungs(lung_mask(grey), "cut")
        found = finder.find(grey)
        if found.mean() >= SMALLEST_LUNGS:
            return Lungs(with_margin(found), "network")
        return Lungs(_fitted(lung_template(), film), "template")

    return find


def _fitted(mask: NDArray[np.bool_], film: Radiograph) -> NDArray[np.bool_]:
    """(h, w) to the film's (H, W)."""
    return np.asarray(Image.fromarray(mask).resize((film.width, film.height), Image.Resampling.NEAREST))


def _given(masks: Path, film: Radiograph) -> NDArray[np.bool_] | None:
    """The mask in the folder, or None.

    Raises:
        DataError: it is no picture.
    """
    stem = Path(film.source).stem
    for path in (masks / f"{stem}.png", masks / f"{stem}_lung.png"):
        if not path.is_file():
            continue
        try:
            with Image.open(path) as picture:
                inside = np.asarray(picture.convert("L")) > 127
        except OSError as error:
            raise DataError(f"{path} cannot be read as a mask ({error}); write it again, as PNG") from error
        return _fitted(inside, film)
    return None

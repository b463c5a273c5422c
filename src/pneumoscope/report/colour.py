"""Evidence to colour: one table, one absolute scale, the same for every film.

The colours rise evenly in lightness and are told apart with any form of colour blindness; the opacity rises
with the evidence, so that a film without evidence is shown as it is.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["OPACITY_AT_LIMIT", "blend", "evidence_colours", "evidence_opacity"]

# 25 evenly spaced colours of "inferno", from number 64 of 256 on: its darkest quarter would vanish on a film.
# Source: S. van der Walt and N. Smith, https://bids.github.io/colormap (CC0).
_ANCHORS = bytes.fromhex(
    "57106e 64156f 71196e 7d1e6d 8a226a 972766 a32c61 b0315b bc3754 c73e4c d24644 db503b "
    "e45a31 eb6429 f1711f f67e14 f98c0a fb9b06 fcaa0f fbba1f f9c932 f5d949 f2e865 f3f586 fcffa4"
)

OPACITY_AT_LIMIT = 0.75
"""Never 1: the film stays readable under the strongest evidence."""


@cache
def _table() -> NDArray[np.float32]:
    """The anchors joined by straight lines: (256, 3) float32, 0 to 255."""
    anchors = np.frombuffer(_ANCHORS, dtype=np.uint8).reshape(-1, 3)  # (25, 3)
    at = np.linspace(0, len(anchors) - 1, 256)
    channels = [np.interp(at, np.arange(len(anchors)), anchors[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def _share(evidence: NDArray[np.float32], limit: float) -> NDArray[np.float32]:
    share: NDArray[np.float32] = np.clip(evidence / np.float32(limit), 0.0, 1.0)
    return share


def evidence_colours(evidence: NDArray[np.float32], limit: float) -> NDArray[np.float32]:
    """Colour of each pixel; it depends on that pixel's evidence and the bundle's limit alone.

    Args:
        evidence: (...) float32, signed, logit units.
        limit: logit units at which the colours saturate.

    Returns:
        (..., 3) float32, sRGB, 0 to 255.
    """
    colours: NDArray[np.float32] = _table()[np.rint(_share(evidence, limit) * 255.0).astype(np.intp)]
    return colours


def evidence_opacity(evidence: NDArray[np.float32], limit: float) -> NDArray[np.float32]:
    """Opacity of the colour: 0 where there is no evidence or evidence against, highest at the limit.

    Args:
        evidence: (...) float32, signed, logit units.
        limit: logit units at which the opacity saturates.

    Returns:
        (...) float32, 0 to `OPACITY_AT_LIMIT`.
    """
    return _share(evidence, limit) * np.float32(OPACITY_AT_LIMIT)


def blend(grey: NDArray[np.uint8], evidence: NDArray[np.float32], limit: float) -> NDArray[np.uint8]:
    """Lay the evidence over a film.

    Args:
        grey: (H, W) uint8, the film.
        evidence: (H, W) float32, signed, logit units.
        limit: logit units at which colour and opacity saturate.

    Returns:
        (H, W, 3) uint8; equal to the film wherever the evidence is zero or negative.
    """
    opacity = evidence_opacity(evidence, limit)[..., None]  # (H, W, 1)
    film = grey[..., None].astype(np.float32)
    return np.rint(film + opacity * (evidence_colours(evidence, limit) - film)).astype(np.uint8)

"""The same film with another geometry, or with the disease taken out: what a model is stressed with.

Geometry says nothing about disease, so a score should hardly move. Without its lungs a film says nothing
about pneumonia, so a model that still tells the labels apart looks at something else, and one that is still
sure claims to know what it cannot see.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscope.image.radiograph import Pixels, Radiograph

__all__ = ["BORDER_SHARE", "VARIANTS", "FindLungs", "Lungs", "Variant"]

BORDER_SHARE = 1 / 12
"""Share of height and width that the border takes on each side: 31 % of the area, as in the audit."""

_RAMP = (0.4, 0.6)  # share of full scale at the top and at the bottom of a film of which only a shape is left

LungOrigin = Literal["mask", "cut", "network", "template"]


class Lungs(NamedTuple):
    """Where the lungs of a film are.

    Attributes:
        mask: (H, W) bool.
        origin: "mask" of this film; "cut": the film is black outside its lungs; "network" that looked for
            them; "template": where lungs mostly are.
    """

    mask: NDArray[np.bool_]
    origin: LungOrigin


FindLungs = Callable[[Radiograph], Lungs]
"""Finds the lungs of a film."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One change of a film.

    Attributes:
        name: key.
        title: for people, with the amount.
        kind: "geometry", or "evidence" where the lungs are taken out.
        make: pixels and lungs of a film to other pixels of the same dtype; None where it does not apply.
    """

    name: str
    title: str
    kind: Literal["geometry", "evidence"]
    make: Callable[[Pixels, Lungs], Pixels | None]


def _of_depth(values: NDArray[Any], pixels: Pixels) -> Pixels:
    """Values as the dtype of the film that they were made of."""
    return values.astype(np.uint8) if pixels.dtype == np.uint8 else values.astype(np.uint16)


def _stretched(width: float) -> Callable[[Pixels, Lungs], Pixels]:
    def make(pixels: Pixels, _: Lungs) -> Pixels:
        rows, columns = pixels.shape
        film = Image.fromarray(pixels if pixels.dtype == np.uint8 else pixels.astype(np.float32))
        scaled = film.resize((max(1, round(columns * width)), rows), Image.Resampling.BILINEAR)
        return _of_depth(np.rint(np.asarray(scaled)), pixels)

    return make


def _padded(down: float, across: float) -> Callable[[Pixels, Lungs], Pixels]:
    def make(pixels: Pixels, _: Lungs) -> Pixels:
        rows, columns = pixels.shape
        vertical, horizontal = round(rows * down), round(columns * across)
        return _of_depth(np.pad(pixels, ((vertical, vertical), (horizontal, horizontal))), pixels)

    return make


def _cropped(share: float) -> Callable[[Pixels, Lungs], Pixels]:
    def make(pixels: Pixels, _: Lungs) -> Pixels:
        rows, columns = pixels.shape
        top, left = round(rows * share), round(columns * share)
        return pixels[top : rows - top, left : columns - left]

    return make


def _without_lungs(pixels: Pixels, lungs: Lungs) -> Pixels | None:
    if lungs.origin == "cut" or not lungs.mask.any():  # of a cut film nothing would be left
        return None
    return _of_depth(np.where(lungs.mask, 0, pixels), pixels)


def _border_only(pixels: Pixels, lungs: Lungs) -> Pixels | None:
    if lungs.origin == "cut":
        return None
    rows, columns = pixels.shape
    down, across = round(rows * BORDER_SHARE), round(columns * BORDER_SHARE)
    border = pixels.copy()
    border[down : rows - down, across : columns - across] = 0
    return border


def _shape_only(pixels: Pixels, lungs: Lungs) -> Pixels | None:
    if lungs.origin != "cut" or not lungs.mask.any():
        return None
    # Not one grey: a film of one grey is blank, and no bundle scores it.
    ramp = np.linspace(*_RAMP, len(pixels))[:, np.newaxis] * np.iinfo(pixels.dtype).max
    return _of_depth(np.where(lungs.mask, np.rint(ramp), 0), pixels)


VARIANTS: tuple[Variant, ...] = (
    Variant("narrower", "stretched: width x 0.80", "geometry", _stretched(0.80)),
    Variant("wider", "stretched: width x 1.25", "geometry", _stretched(1.25)),
    Variant("padded-across", "padded: 15 % left and right", "geometry", _padded(0.0, 0.15)),
    Variant("padded-down", "padded: 15 % above and below", "geometry", _padded(0.15, 0.0)),
    Variant("cropped-5", "cropped: 5 % of each side", "geometry", _cropped(0.05)),
    Variant("cropped-10", "cropped: 10 % of each side", "geometry", _cropped(0.10)),
    Variant("lungs-out", "lungs blacked out", "evidence", _without_lungs),
    Variant("border-only", "only the border left", "evidence", _border_only),
    Variant("shape-only", "only the shape of the cut left", "evidence", _shape_only),
)
"""Every change, in the order of the page."""

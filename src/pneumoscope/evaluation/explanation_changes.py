"""Small changes of a film that say nothing about disease, and the way back for maps and points.

A film that is shot a second time lies a little elsewhere, is a little brighter, or was compressed. What is
shifted, turned or enlarged is filled with the pixels of the film's edge.
"""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from pneumoscope.image.radiograph import Pixels

__all__ = ["CHANGES", "Alteration", "Change", "Move"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Move:
    """Turn and enlarge about the film's centre, then shift.

    Attributes:
        degrees: counter-clockwise.
        scale: above 1 enlarges.
        down: share of the longest side.
        right: share of the longest side.
    """

    degrees: float = 0.0
    scale: float = 1.0
    down: float = 0.0
    right: float = 0.0

    def _forward(self, shape: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
        """Matrix (2, 2) and offset (2,) from pixels of the film to pixels of the moved one."""
        angle = np.deg2rad(self.degrees)
        # Rows go down: counter-clockwise for the eye is this sign.
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = self.scale * turn
        centre = (np.array(shape) - 1.0) / 2.0
        shift = np.array([self.down, self.right]) * max(shape)
        return matrix, centre + shift - matrix @ centre

    def pixels(self, pixels: Pixels) -> Pixels:
        """The moved film, (H, W) of the same dtype."""
        matrix, offset = self._forward(pixels.shape)
        back = np.linalg.inv(matrix)
        moved = ndimage.affine_transform(
            pixels.astype(np.float32), back, -back @ offset, order=1, mode="nearest"
        )
        rounded: Pixels = np.rint(moved).astype(pixels.dtype)
        return rounded

    def map_back(self, heatmap: NDArray[np.float32]) -> NDArray[np.float32]:
        """A map of the moved film on the pixels of the film itself, (H, W); nan where they went out of it."""
        matrix, offset = self._forward(heatmap.shape)
        brought: NDArray[np.float32] = ndimage.affine_transform(
            heatmap, matrix, offset, order=1, mode="constant", cval=np.nan
        )
        return brought

    def point_back(self, point: tuple[float, float], shape: tuple[int, ...]) -> tuple[float, float]:
        """Where (row, column) of the moved film lies on the film itself; it may lie outside."""
        matrix, offset = self._forward(shape)
        row, column = np.linalg.solve(matrix, np.array(point) - offset).tolist()
        return row, column


Alteration = Callable[[Pixels], Pixels]


@dataclass(frozen=True, slots=True)
class Change:
    """One small change.

    Attributes:
        name: for people, with the amount.
        kind: shift, turn, size, grey or compression.
        move: what changes places.
        alter: what changes grey values.
    """

    name: str
    kind: str
    move: Move = Move()
    alter: Alteration | None = None

    def pixels(self, pixels: Pixels) -> Pixels:
        """The changed film, (H, W) uint8 or uint16."""
        return self.move.pixels(pixels) if self.alter is None else self.alter(pixels)


def _grey(brightness: float = 0.0, contrast: float = 1.0, gamma: float = 1.0) -> Alteration:
    """Contrast about the film's mean grey, brightness in shares of white, and gamma."""

    def alter(pixels: Pixels) -> Pixels:
        white = float(np.iinfo(pixels.dtype).max)
        share = pixels / white
        share = (share - share.mean()) * contrast + share.mean() + brightness
        altered: Pixels = np.rint(np.clip(share, 0.0, 1.0) ** gamma * white).astype(pixels.dtype)
        return altered

    return alter


def _jpeg(quality: int) -> Alteration:
    """Compressed and read back; JPEG holds 8 bits."""

    def alter(pixels: Pixels) -> Pixels:
        shown = pixels if pixels.dtype == np.uint8 else np.rint(pixels / 257.0).astype(np.uint8)
        buffer = BytesIO()
        Image.fromarray(shown).save(buffer, format="JPEG", quality=quality)
        return np.asarray(Image.open(buffer))

    return alter


CHANGES: tuple[Change, ...] = (
    *(
        Change(f"shift {share:.0%} {word}", "shift", Move(down=share * down, right=share * right))
        for share in (0.02, 0.05)
        for word, down, right in (("up", -1, 0), ("down", 1, 0), ("left", 0, -1), ("right", 0, 1))
    ),
    *(Change(f"turn {degrees:+d}°", "turn", Move(degrees=degrees)) for degrees in (-5, -2, 2, 5)),
    *(Change(f"size x {scale:g}", "size", Move(scale=scale)) for scale in (0.95, 1.05)),
    Change("brightness -10%", "grey", alter=_grey(brightness=-0.1)),
    Change("brightness +10%", "grey", alter=_grey(brightness=0.1)),
    Change("contrast x 0.8", "grey", alter=_grey(contrast=0.8)),
    Change("contrast x 1.25", "grey", alter=_grey(contrast=1.25)),
    Change("gamma 0.8", "grey", alter=_grey(gamma=0.8)),
    Change("gamma 1.25", "grey", alter=_grey(gamma=1.25)),
    Change("JPEG, quality 75", "compression", alter=_jpeg(75)),
    Change("JPEG, quality 40", "compression", alter=_jpeg(40)),
)
"""Every change that the map is tested with."""

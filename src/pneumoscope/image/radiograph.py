"""What reading a file yields: pixels, and the few facts about the film that later steps need."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pixels", "Radiograph"]

Pixels = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, slots=True, eq=False)
class Radiograph:
    """One film as a person would see it: upright as stored, dense is bright.

    No name, birth date or identifier of the patient is ever kept here.

    Attributes:
        pixels: (H, W) uint8 or uint16, read-only; 0 is black, the dtype's maximum is white.
        source: how the caller named the film; used in messages and records.
        format: "PNG", "JPEG", "TIFF", "BMP", "WEBP", "DICOM", "ARRAY" or "IMAGE".
        view_position: DICOM View Position (0018,5101), "PA", "AP", or None where unknown.
        modality: DICOM Modality (0008,0060), or None for other files.
        body_part: DICOM Body Part Examined (0018,0015), or None.
        age_years: DICOM Patient's Age (0010,1010) in years, or None.
        warnings: sentences for the person who reads the result.
    """

    pixels: Pixels
    source: str
    format: str
    view_position: str | None = None
    modality: str | None = None
    body_part: str | None = None
    age_years: float | None = None
    warnings: tuple[str, ...] = field(default=())

    @property
    def height(self) -> int:
        """Rows of the film."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns of the film."""
        return int(self.pixels.shape[1])

    def part(self, top: int, left: int, height: int, width: int) -> "Radiograph":
        """The same film with only this rectangle left, in pixels; a view, no copy."""
        return replace(self, pixels=self.pixels[top : top + height, left : left + width])

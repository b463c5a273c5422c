"""From a film to the network's input: the one function that training, scoring and benchmarks share.

Three steps, each a parameter of the bundle: a grey scale (`intensity`), a square plate (`fit`, `size`,
`resample`), and a normalisation (`mean`, `std`). The plate is uint8, so a training cache of plates holds
exactly what the runtime computes; `normalise` is a table of 256 numbers, so both agree bit for bit.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, field_validator

from pneumoscope.errors import RejectedFilmError
from pneumoscope.image.frame import Box, framed_film
from pneumoscope.image.limits import check_sides
from pneumoscope.image.lookup import look_up
from pneumoscope.image.radiograph import Pixels, Radiograph
from pneumoscope.image.ranks import Ranks, ranks

__all__ = [
    "Geometry",
    "PrepareParameters",
    "film_inside",
    "make_plate",
    "normalise",
    "plate_geometry",
    "prepare",
]

# Collimator black, lungs cut out by others and burned-in borders say nothing about exposure: pixels below
# this share of the film's brightest one are left out of the percentiles.
_BACKGROUND_SHARE = 0.02

# Multiplications that OpenBLAS leaves to the calling thread; each film has a thread already.
_LONE_PRODUCT = 200_000

_RESAMPLE = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


class PrepareParameters(BaseModel):
    """How a film becomes the network's input; part of every bundle.

    Attributes:
        size: height and width of the plate in pixels.
        fit: "letterbox" scales the longest side to `size` and pads with black; "stretch" scales both sides
            to `size`; "centre-crop" cuts the central square and scales it.
        cut_frame: whether an empty frame around the film is cut off first (`framed_film`), whose width says
            nothing about the patient.
        intensity: "as-stored" keeps the file's grey scale; "percentile" maps the film's own `percentiles`
            to black and white, which removes exposure and window.
        percentiles: lower and upper percentile of the film's foreground, in percent.
        resample: antialiased kernel of the scaling (Pillow's).
        mean: subtracted after division by 255.
        std: divided by after that.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(default=224, ge=16, le=4096)
    fit: Literal["letterbox", "stretch", "centre-crop"] = "letterbox"
    cut_frame: bool = False
    intensity: Literal["as-stored", "percentile"] = "as-stored"
    percentiles: tuple[float, float] = (0.5, 99.5)
    resample: Literal["bilinear", "bicubic", "lanczos"] = "bilinear"
    mean: float = 0.5
    std: float = Field(default=0.5, gt=0)

    @field_validator("percentiles")
    @classmethod
    def _ascend(cls, percentiles: tuple[float, float]) -> tuple[float, float]:
        low, high = percentiles
        if not 0 <= low < high <= 100:
            raise ValueError(f"the lower must be below the upper, both within 0 to 100, not {low} and {high}")
        return percentiles

    def sha256(self) -> str:
        """Hex digest of the canonical JSON of all parameters; equal digests prepare alike."""
        stated = self.model_dump(mode="json")
        if not self.cut_frame:
            del stated["cut_frame"]  # bundles older than it keep their digest
        text = json.dumps(stated, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Geometry:
    """Which part of the film lies where on the plate, and the way back.

    Attributes:
        film_size: (H, W) of the film in pixels.
        plate_size: height and width of the plate in pixels.
        film_box: (top, left, height, width) of the part of the film that was kept, film pixels.
        plate_box: (top, left, height, width) of where it lies on the plate, plate pixels.
    """

    film_size: tuple[int, int]
    plate_size: int
    film_box: tuple[int, int, int, int]
    plate_box: tuple[int, int, int, int]

    def to_film(self, plate_map: NDArray[np.float32]) -> NDArray[np.float32]:
        """Carry a map on the plate back to the film's own pixels.

        Args:
            plate_map: (h, w) float32 covering the whole plate at any resolution.

        Returns:
            (H, W) float32, in the map's units: a cubic spline whose control points are the map's cells, so
            that no corner of a cell shows and no value leaves the range of the cells around it; zero where
            the film was not on the plate.
        """
        top, left, height, width = self.plate_box
        film_top, film_left, film_height, film_width = self.film_box
        down = _interpolation(plate_map.shape[0], self.plate_size, top, height, film_height)  # (H, h)
        across = _interpolation(plate_map.shape[1], self.plate_size, left, width, film_width)  # (W, w)
        kept = _product(down, plate_map.astype(np.float32, copy=False) @ across.T)  # (H, W)
        if kept.shape == self.film_size:
            return kept
        film_map = np.zeros(self.film_size, dtype=np.float32)
        film_map[film_top : film_top + film_height, film_left : film_left + film_width] = kept
        return film_map

    def point_to_plate(self, row: float, column: float) -> tuple[float, float]:
        """Map a point, (row, column) in continuous film pixels, to continuous plate pixels."""
        film_top, film_left, film_height, film_width = self.film_box
        top, left, height, width = self.plate_box
        return (
            top + (row - film_top) * height / film_height,
            left + (column - film_left) * width / film_width,
        )

    def point_to_film(self, row: float, column: float) -> tuple[float, float]:
        """Map a point, (row, column) in continuous plate pixels, to continuous film pixels."""
        film_top, film_left, film_height, film_width = self.film_box
        top, left, height, width = self.plate_box
        return (
            film_top + (row - top) * film_height / height,
            film_left + (column - left) * film_width / width,
        )


def plate_geometry(
    height: int, width: int, parameters: PrepareParameters, inside: Box | None = None
) -> Geometry:
    """Where a film lies on its plate.

    Args:
        height: of the film in pixels.
        width: of the film in pixels.
        parameters: of the bundle.
        inside: what its frame leaves of it, where that is cut off.
    """
    size = parameters.size
    film_box = top, left, rows, columns = inside or (0, 0, height, width)
    plate_box = (0, 0, size, size)
    if parameters.fit == "letterbox":
        longest = max(rows, columns)
        box_height = max(1, round(rows * size / longest))
        box_width = max(1, round(columns * size / longest))
        plate_box = ((size - box_height) // 2, (size - box_width) // 2, box_height, box_width)
    elif parameters.fit == "centre-crop":
        side = min(rows, columns)
        film_box = (top + (rows - side) // 2, left + (columns - side) // 2, side, side)
    return Geometry((height, width), size, film_box, plate_box)


def _product(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """The matrix product, by rows of `left` so few that BLAS wakes no thread of its own to take part."""
    product = np.empty((len(left), right.shape[1]), np.float32)
    rows = max(1, _LONE_PRODUCT // right.size)
    for top in range(0, len(left), rows):
        np.matmul(left[top : top + rows], right, out=product[top : top + rows])
    return product


def _interpolation(cells: int, plate_size: int, start: int, length: int, pixels: int) -> NDArray[np.float32]:
    """How much each cell of a map has of each pixel, along one axis: uniform cubic B-splines, as a matrix.

    Beyond the first and the last cell the map goes on as they are.

    Args:
        cells: that cover the whole plate.
        plate_size: pixels of the plate.
        start: first pixel of the plate that the film lies on.
        length: how many it lies on.
        pixels: of the film that lie there.

    Returns:
        (pixels, cells) float32; rows sum to one.
    """
    rows = np.arange(pixels)
    at = (start + (rows + 0.5) * length / pixels) * cells / plate_size - 0.5  # 0 is the first cell's centre
    before = np.floor(at).astype(np.intp)
    t = at - before
    parts = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    matrix = np.zeros((pixels, cells), np.float32)
    for offset, part in enumerate(parts, start=-1):
        matrix[rows, np.clip(before + offset, 0, cells - 1)] += part / 6
    return matrix


def _grey_table(values: Ranks, full_scale: int, parameters: PrepareParameters) -> NDArray[np.uint8] | None:
    """Table from stored value to 8-bit grey, or None where it would change nothing.

    Raises:
        ValueError: all foreground pixels have one value.
    """
    if values.least == values.greatest:
        raise ValueError
    if parameters.intensity == "as-stored":
        if full_scale == 255:
            return None
        low, high = 0, full_scale
    else:
        background = values.up_to(int(values.greatest * _BACKGROUND_SHARE))
        wanted = np.asarray(parameters.percentiles) / 100.0 * (values.size - background)
        low, high = (values.at(background + int(count) - 1) for count in np.ceil(np.maximum(wanted, 1.0)))
        if high <= low:
            raise ValueError
    table = np.full(full_scale + 1, 255, np.uint8)
    table[:low] = 0
    greys = np.arange(high - low + 1, dtype=np.float64)
    greys *= 255.0 / (high - low)
    table[low : high + 1] = np.rint(greys, out=greys)
    return table


def film_inside(film: Radiograph, parameters: PrepareParameters) -> Box:
    """Where the film lies in the picture: all of it, or what is left without a frame that is cut off.

    Args:
        film: as read.
        parameters: of the bundle.

    Raises:
        RejectedFilmError: it is too small, or a strip, without its frame.
    """
    whole = (0, 0, film.height, film.width)
    inside = framed_film(film.pixels) if parameters.cut_frame else whole
    if inside != whole:
        check_sides(film.source, *inside[2:])
    return inside


def make_plate(
    film: Radiograph,
    parameters: PrepareParameters,
    values: Ranks | None = None,
    *,
    inside: Box | None = None,
) -> tuple[NDArray[np.uint8], Geometry]:
    """Grey scale and geometry: the 8-bit square image that a training cache holds.

    Args:
        film: as read.
        parameters: of the bundle.
        values: `ranks` of all of the film's pixels, where the caller has them.
        inside: what `film_inside` gives, where the caller has it.

    Returns:
        plate: (size, size) uint8, black where there is no film.
        geometry: the way back to the film's pixels.

    Raises:
        RejectedFilmError: the film is blank, or too small, or a strip, without its frame.
    """
    top, left, height, width = inside = inside or film_inside(film, parameters)
    kept = film.pixels
    if (height, width) != kept.shape:
        kept = cast(Pixels, np.ascontiguousarray(kept[top : top + height, left : left + width]))
        values = None
    try:
        full_scale = int(np.iinfo(kept.dtype).max)
        table = _grey_table(values or ranks(kept), full_scale, parameters)
    except ValueError:
        raise RejectedFilmError(
            film.source,
            "the image is blank: all or nearly all of its foreground is one grey",
            "send the film itself",
        ) from None
    grey = kept if table is None else look_up(table, kept)
    geometry = plate_geometry(film.height, film.width, parameters, inside)
    film_top, film_left, film_height, film_width = geometry.film_box
    film_top, film_left = film_top - top, film_left - left
    top, left, height, width = geometry.plate_box
    scaled = Image.fromarray(grey).resize(
        (width, height),
        _RESAMPLE[parameters.resample],
        box=(film_left, film_top, film_left + film_width, film_top + film_height),
    )
    if (height, width) == (parameters.size, parameters.size):
        return np.asarray(scaled), geometry
    plate = np.zeros((parameters.size, parameters.size), dtype=np.uint8)
    plate[top : top + height, left : left + width] = np.asarray(scaled)
    return plate, geometry


def normalise(plates: NDArray[np.uint8], parameters: PrepareParameters) -> NDArray[np.float32]:
    """Plates to the network's input range.

    Args:
        plates: (..., S, S) uint8.
        parameters: of the bundle.

    Returns:
        (..., 1, S, S) float32, (plate / 255 - mean) / std.
    """
    table = ((np.arange(256) / 255.0 - parameters.mean) / parameters.std).astype(np.float32)
    return np.expand_dims(look_up(table, plates), axis=-3)


def prepare(
    film: Radiograph, parameters: PrepareParameters, *, inside: Box | None = None
) -> tuple[NDArray[np.float32], Geometry]:
    """A film to the network's input.

    Args:
        film: as read.
        parameters: of the bundle.
        inside: what `film_inside` gives, where the caller has it.

    Returns:
        input: (1, S, S) float32.
        geometry: the way back to the film's pixels.

    Raises:
        RejectedFilmError: as `make_plate`.
    """
    plate, geometry = make_plate(film, parameters, inside=inside)
    return normalise(plate, parameters), geometry

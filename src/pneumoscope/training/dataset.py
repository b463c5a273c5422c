"""Films of a manifest as training sees them: targets, plates of the cache, masks from radiologists' boxes."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pneumoscope.errors import DataError
from pneumoscope.image.frame import Box as FilmBox
from pneumoscope.image.prepare import PrepareParameters, normalise, plate_geometry
from pneumoscope.training.draws import CPU
from pneumoscope.training.folds import fold_of
from pneumoscope.training.recipe import DataChoice

if TYPE_CHECKING:
    from pneumoscope.data.cache import PlateCache
    from pneumoscope.data.manifest import ManifestRow

__all__ = ["Films", "Plates", "box_on_plate", "select_films", "trained_rows"]

Box = tuple[float, float, float, float]
Rectangle = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Films:
    """The films of one split, column by column.

    Attributes:
        sha256: of N files.
        sources: of N films.
        targets: (N,) int64, 0 or 1.
        shapes: (H, W) of N films in pixels.
        boxes: (x, y, width, height) in fractions of the film; None where no radiologist drew boxes, an empty
            tuple where one looked and found nothing.
        views: of N films, empty where unknown.
        folds: (N,) int64, the fold of each film's patient; None where nobody asks.
    """

    sha256: tuple[str, ...]
    sources: tuple[str, ...]
    targets: NDArray[np.int64]
    shapes: tuple[tuple[int, int], ...]
    boxes: tuple[tuple[Box, ...] | None, ...]
    views: tuple[str, ...]
    folds: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.sha256)


def trained_rows(rows: Iterable["ManifestRow"], data: DataChoice) -> list["ManifestRow"]:
    """Rows that a recipe trains or validates on, in the manifest's order: what the caches must hold."""
    sources = None if data.sources is None else set(data.sources)
    fold = data.left_out_fold
    return [
        row
        for row in rows
        if row.label in data.targets
        and (sources is None or row.source in sources)
        and (row.split == "validation" or (row.split == "train" and not (fold and fold.holds(row))))
    ]


def select_films(
    rows: Iterable["ManifestRow"],
    split: str,
    data: DataChoice,
    *,
    boxed_negatives: bool = False,
    folds: int | None = None,
) -> Films:
    """The films of one split that a recipe uses.

    Args:
        rows: of the manifest.
        split: "train" or "validation".
        data: sources and targets.
        boxed_negatives: films of target 0 without boxes count as looked at and empty.
        folds: into how many parts the patients are dealt; None where nobody asks.
    """
    chosen = [row for row in trained_rows(rows, data) if row.split == split]
    targets = [data.targets[str(row.label)] for row in chosen]
    boxes = [_boxes(row) for row in chosen]
    if boxed_negatives:
        boxes = [
            () if own is None and target == 0 else own for own, target in zip(boxes, targets, strict=True)
        ]
    return Films(
        sha256=tuple(row.sha256 for row in chosen),
        sources=tuple(row.source for row in chosen),
        targets=np.asarray(targets, dtype=np.int64),
        shapes=tuple((row.height or 0, row.width or 0) for row in chosen),
        boxes=tuple(boxes),
        views=tuple(row.view or "" for row in chosen),
        folds=None if folds is None else np.array([fold_of(row, folds) for row in chosen], dtype=np.int64),
    )


def _boxes(row: "ManifestRow") -> tuple[Box, ...] | None:
    if row.boxes is None:
        return None
    try:
        return tuple((float(x), float(y), float(w), float(h)) for x, y, w, h in json.loads(row.boxes))
    except (ValueError, TypeError) as error:
        raise DataError(f"{row.path}: its boxes are no list of [x, y, width, height]: {row.boxes}") from error


def box_on_plate(
    box: Box, shape: tuple[int, int], prepare: PrepareParameters, inside: FilmBox | None = None
) -> Rectangle:
    """Pixels of the plate that a box of the film covers.

    Args:
        box: (x, y, width, height) in fractions of the film.
        shape: (H, W) of the film in pixels.
        prepare: decides where the film lies on the plate.
        inside: what was left of the film when its frame was cut off.

    Returns:
        (top, bottom, left, right) of the pixels whose centres lie inside, end-exclusive, within the plate.
    """
    geometry = plate_geometry(*shape, prepare, inside)
    x, y, width, height = box
    top, left = geometry.point_to_plate(y * shape[0], x * shape[1])
    bottom, right = geometry.point_to_plate((y + height) * shape[0], (x + width) * shape[1])
    first_row, last_row, first_column, last_column = (
        int(np.clip(np.floor(edge + 0.5), 0, prepare.size)) for edge in (top, bottom, left, right)
    )
    return first_row, last_row, first_column, last_column


class Plates:
    """Films with their plates at one size.

    Args:
        films: of one split.
        cache: that holds their plates.
        masks: whether boxes are wanted.
        lungs: (N, g, g) uint8, where the lungs of the films are, if that is wanted.

    Raises:
        DataError: the cache misses a film.
    """

    def __init__(
        self, films: Films, cache: "PlateCache", *, masks: bool, lungs: NDArray[np.uint8] | None = None
    ) -> None:
        self.films = films
        self.prepare = cache.parameters
        self._plates = cache.plates
        self._lungs = lungs
        self._rows = np.array([cache.index_of(sha256) for sha256 in films.sha256], dtype=np.int64)
        self._rectangles: list[list[Rectangle]] | None = None
        if masks:
            self._rectangles = [
                [box_on_plate(box, shape, self.prepare, cache.inside(sha256)) for box in boxes or ()]
                for boxes, shape, sha256 in zip(films.boxes, films.shapes, films.sha256, strict=True)
            ]
            self._annotated = np.array([boxes is not None for boxes in films.boxes], dtype=np.float32)

    def __len__(self) -> int:
        return len(self.films)

    def plates(self, indices: Sequence[int] | NDArray[np.int64]) -> Tensor:
        """(B, S, S) uint8 plates of some films, copied from the cache."""
        return torch.from_numpy(np.array(self._plates[self._rows[indices]], subok=False))

    def targets(self, indices: Sequence[int] | NDArray[np.int64]) -> Tensor:
        """(B,) float32 targets, 0 or 1."""
        return torch.from_numpy(self.films.targets[indices].astype(np.float32))

    def masks(self, indices: Sequence[int] | NDArray[np.int64]) -> tuple[Tensor, Tensor] | None:
        """Masks of some films, where they are wanted.

        Returns:
            masks: (B, S, S) uint8, 255 inside a box.
            annotated: (B,) float32, 1 where a radiologist looked for boxes.
        """
        if self._rectangles is None:
            return None
        masks = torch.zeros((len(indices), self.prepare.size, self.prepare.size), dtype=torch.uint8)
        for mask, index in zip(masks, indices, strict=True):
            for top, bottom, left, right in self._rectangles[index]:
                mask[top:bottom, left:right] = 255
        return masks, torch.from_numpy(self._annotated[indices])

    def folds(self, indices: Sequence[int] | NDArray[np.int64]) -> Tensor | None:
        """(B,) int64 on the CPU, the folds of some films' patients; None where nobody asks."""
        return None if self.films.folds is None else torch.from_numpy(self.films.folds[indices])

    def lungs(self, indices: Sequence[int] | NDArray[np.int64], device: torch.device = CPU) -> Tensor | None:
        """(B, S, S) uint8 on a device, 255 in the lungs and around them; None where it is not wanted."""
        if self._lungs is None:
            return None
        coarse = torch.from_numpy(self._lungs[indices]).unsqueeze(1).to(device)  # (B, 1, g, g)
        return functional.interpolate(coarse, size=self.prepare.size, mode="nearest").squeeze(1)

    def inputs(self, indices: Sequence[int] | NDArray[np.int64]) -> Tensor:
        """(B, 1, S, S) float32 without augmentation: what the runtime computes, bit for bit."""
        return torch.from_numpy(normalise(self.plates(indices).numpy(), self.prepare))

"""Films of a manifest on which radiologists drew: outlines in mask files, or boxes in the manifest."""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscope.data.lung_finder import LungFinder
from pneumoscope.data.lungs import lung_mask
from pneumoscope.data.manifest import ManifestRow, check_sources
from pneumoscope.data.sources.rsna import RSNA_LUNGS
from pneumoscope.data.sources.segmentations import COVID19_SEGMENTATIONS, MASK_INSIDE, mask_of
from pneumoscope.errors import DataError, UsageError
from pneumoscope.evaluation.explanation_films import Marks
from pneumoscope.evaluation.localisation import boxes_mask
from pneumoscope.image.radiograph import Radiograph
from pneumoscope.image.read import FilmRoot

__all__ = ["BoxedFilm", "OutlinedFilm", "marked_films"]

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class BoxedFilm:
    """A film with boxes around what is dense.

    Attributes:
        path: of the file.
        patient: equal for films of one patient.
        source: name of the data set.
        boxes: (x, y, width, height) each, shares of the film.
        lungs: tells the lungs of an 8-bit film, (H, W) uint8 to (H, W) bool.
    """

    path: Path
    patient: str
    source: str
    boxes: tuple[tuple[float, float, float, float], ...]
    lungs: Callable[[NDArray[np.uint8]], Mask] = field(repr=False, compare=False)

    def marks(self, radiograph: Radiograph) -> Marks:
        """Pixels inside a box, and inside the lungs."""
        pixels = radiograph.pixels
        grey = (pixels if pixels.dtype == np.uint8 else pixels >> 8).astype(np.uint8)
        return Marks(boxes_mask(self.boxes, radiograph.height, radiograph.width), self.lungs(grey))


@dataclass(frozen=True, slots=True)
class OutlinedFilm:
    """A film with masks of lesions and lungs.

    Attributes:
        path: of the file.
        patient: equal for films of one patient.
        source: name of the data set.
        lesions: file of the lesions' mask.
        lungs: file of the lungs' mask.
    """

    path: Path
    patient: str
    source: str
    lesions: Path
    lungs: Path

    def marks(self, radiograph: Radiograph) -> Marks:
        """Pixels inside lesions and lungs.

        Raises:
            DataError: a mask cannot be read, or is not of the film's height and width.
        """
        shape = radiograph.pixels.shape
        return Marks(_read_mask(self.lesions, shape), _read_mask(self.lungs, shape))


def marked_films(
    rows: Sequence[ManifestRow],
    root: FilmRoot,
    split: str,
    *,
    sources: Collection[str] | None = None,
) -> list[BoxedFilm | OutlinedFilm]:
    """Films of one split that show pneumonia and have outlines or boxes, in the manifest's order.

    Lungs are known by their outline; of films that somebody cut to the lungs, by the cut; of other films with
    boxes, by `LungFinder`, whose mistakes then stand in every figure that needs lungs.

    Args:
        rows: of the manifest.
        root: folder that its paths are relative to.
        split: "train", "validation" or "test".
        sources: only these; None for all.

    Raises:
        UsageError: a source is not in the manifest, or no film is left.
    """
    check_sources(rows, sources or ())
    films: list[BoxedFilm | OutlinedFilm] = []
    find_lungs = LungFinder().find
    for row in rows:
        if (
            row.split != split
            or row.label != "PNEUMONIA"
            or (sources is not None and row.source not in sources)
        ):
            continue
        path, patient = root / row.path, row.patient or f"film {row.path}"
        boxes = tuple((x, y, width, height) for x, y, width, height in json.loads(row.boxes or "[]"))
        if row.source == COVID19_SEGMENTATIONS.name:
            lesions, lungs = mask_of(path, "lesion"), mask_of(path, "lung")
            films.append(OutlinedFilm(path, patient, row.source, lesions, lungs))
        elif boxes:
            cut = row.source == RSNA_LUNGS.name
            films.append(BoxedFilm(path, patient, row.source, boxes, lung_mask if cut else find_lungs))
    if not films:
        chosen = f" of {', '.join(sources)}" if sources else ""
        raise UsageError(
            f"the split {split!r}{chosen} holds no film with pneumonia on which a lesion or a box was drawn"
        )
    return films


def _read_mask(path: Path, shape: tuple[int, ...]) -> Mask:
    """(H, W) bool."""
    try:
        with Image.open(path) as picture:
            mask = np.asarray(picture.convert("L")) > MASK_INSIDE
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable mask ({error}); fetch the data set again") from error
    if mask.shape != shape:
        raise DataError(f"{path} is {mask.shape}, its film {shape}: it is the mask of another film")
    return mask

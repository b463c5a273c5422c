"""Films that exist both whole and cut to the lungs: the cut says where the lungs of the whole are."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from json import loads
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscope.data.composed_films import plate_of
from pneumoscope.data.lungs import Box, lung_mask, texture_agreement
from pneumoscope.data.manifest import ManifestRow, check_sources
from pneumoscope.data.processes import processes
from pneumoscope.errors import DataError

__all__ = ["LungFilm", "lung_films"]

_SAME_FILM = 0.4  # agreement of texture: with its own cut at least 0.6, with others at most 0.16


@dataclass(frozen=True, slots=True)
class LungFilm:
    """A film with its lungs.

    Attributes:
        film: (S, S) uint8.
        lungs: (S, S) bool.
        boxes: of a radiologist, fractions of the film.
        split: of the manifest.
        whole: the film shows more than its lungs.
    """

    film: NDArray[np.uint8]
    lungs: NDArray[np.bool_]
    boxes: tuple[Box, ...]
    split: str
    whole: bool


def lung_films(
    rows: Sequence[ManifestRow], root: Path, *, cut_source: str, whole_source: str, workers: int | None = 1
) -> tuple[list[LungFilm], list[LungFilm]]:
    """Films whose lungs are known.

    Args:
        rows: of a built manifest; those of splits "train" and "validation" are used.
        root: that their paths are relative to.
        cut_source: name of the source of cut films.
        whole_source: name of the source that holds some of the same films whole.
        workers: processes, None for one per core.

    Returns:
        whole: normal films of `whole_source`, each with the lungs that its own cut shows.
        cut: all films of `cut_source`.

    Raises:
        UsageError: the manifest has no such source.
        DataError: no film is there whole and cut.
        FilmError: a film cannot be read.
    """
    check_sources(rows, (cut_source, whole_source))
    used = [row for row in rows if row.split in ("train", "validation")]
    cut_rows = [row for row in used if row.source == cut_source]
    whole_rows = [row for row in used if row.source == whole_source and row.label == "NORMAL" and row.patient]
    with processes(workers) as each:
        cut = list(each(_cut, [(root / row.path, row) for row in cut_rows]))
        of_patient = defaultdict(list)
        for row, film in zip(cut_rows, cut, strict=True):
            if row.label == "NORMAL" and film.lungs.any():
                of_patient[row.patient].append(film)
        tasks = [
            (root / row.path, row, tuple(of_patient[row.patient]))
            for row in whole_rows
            if row.patient in of_patient
        ]
        whole = [film for film in each(_whole, tasks) if film is not None]
    if not whole:
        raise DataError(
            f"no film of {whole_source} is also among the normal films of {cut_source}: "
            "lungs can only be learnt from films that exist whole and cut"
        )
    return whole, [film for film in cut if film.lungs.any()]


def _cut(task: tuple[Path, ManifestRow]) -> LungFilm:
    path, row = task
    plate = plate_of(path)
    return LungFilm(plate, lung_mask(plate), tuple(_boxes(row)), str(row.split), whole=False)


def _boxes(row: ManifestRow) -> Iterator[Box]:
    yield from (tuple(box) for box in loads(row.boxes or "[]"))


def _whole(task: tuple[Path, ManifestRow, tuple[LungFilm, ...]]) -> LungFilm | None:
    """The film with the lungs of the cut that has its texture, if there is one."""
    path, row, cuts = task
    plate = plate_of(path)
    agreement = [texture_agreement(plate, cut.film, cut.lungs) for cut in cuts]
    best = int(np.argmax(agreement))
    if agreement[best] < _SAME_FILM:
        return None
    return LungFilm(plate, cuts[best].lungs, (), str(row.split), whole=True)

"""Which films are scored, and what is known about them: of a manifest, of a folder, or of a csv."""

import csv
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pneumoscope.errors import DataError, UsageError
from pneumoscope.image.read import FILM_SUFFIXES, FilmRoot, begins_like_dicom

__all__ = [
    "DEFAULT_TARGETS",
    "LabelledFilm",
    "ManifestFilm",
    "csv_films",
    "folder_films",
    "manifest_films",
]

DEFAULT_TARGETS: Mapping[str, int] = {"NORMAL": 0, "PNEUMONIA": 1}


class ManifestFilm(Protocol):
    """What evaluation needs of a manifest row."""

    @property
    def source(self) -> str:
        """Name of the data set."""

    @property
    def path(self) -> str:
        """Relative to the root, posix."""

    @property
    def label(self) -> str | None:
        """PNEUMONIA, NORMAL, OTHER, UNCERTAIN or None."""

    @property
    def patient(self) -> str | None:
        """Key of the patient, or None where unknown."""

    @property
    def split(self) -> str | None:
        """Split that it is used in, or None."""


@dataclass(frozen=True, slots=True)
class LabelledFilm:
    """One film with its truth.

    Attributes:
        path: of the file.
        target: 1 where it shows pneumonia, else 0.
        patient: equal for films of one patient; unknown patients are each their own.
        source: the group that it is reported under.
    """

    path: Path
    target: int
    patient: str
    source: str


def manifest_films(
    rows: Iterable[ManifestFilm],
    root: FilmRoot,
    split: str,
    *,
    sources: Collection[str] | None = None,
    targets: Mapping[str, int] = DEFAULT_TARGETS,
) -> list[LabelledFilm]:
    """Films of one split of a manifest, in the manifest's order.

    Args:
        rows: of the manifest.
        root: folder that its paths are relative to.
        split: "train", "validation" or "test".
        sources: only these; None for all.
        targets: target of each label; films of other labels are left out.

    Raises:
        UsageError: a source is not in the manifest, or no film is left.
    """
    rows = list(rows)
    known = {row.source for row in rows}
    for source in sources or ():
        if source not in known:
            raise UsageError(f"the manifest has no source {source!r}: it has {', '.join(sorted(known))}")
    films = [
        LabelledFilm(root / row.path, targets[row.label], row.patient or f"film {row.path}", row.source)
        for row in rows
        if row.split == split
        and row.label is not None
        and row.label in targets
        and (sources is None or row.source in sources)
    ]
    if not films:
        chosen = f" of {', '.join(sources)}" if sources else ""
        raise UsageError(f"the split {split!r}{chosen} holds no film labelled {' or '.join(targets)}")
    return films


def folder_films(folder: Path, *, targets: Mapping[str, int] = DEFAULT_TARGETS) -> list[LabelledFilm]:
    """Films in subfolders named after their label, sorted by path; every film is its own patient.

    Args:
        folder: holds one folder per label, in any case, each searched to any depth.
        targets: target of each label.

    Raises:
        UsageError: the subfolder of a label is missing, or they hold no film.
    """
    labelled = {path.name.upper(): path for path in sorted(folder.iterdir()) if path.is_dir()}
    for label in targets:
        if label not in labelled:
            raise UsageError(
                f"{folder} has no subfolder {label}: it must hold {' and '.join(sorted(targets))}"
            )
    films = [
        LabelledFilm(path, target, f"film {path.relative_to(folder).as_posix()}", folder.name)
        for label, target in sorted(targets.items())
        for path in sorted(labelled[label].rglob("*"))
        if path.is_file()
        and (path.suffix.lower() in FILM_SUFFIXES or (not path.suffix and begins_like_dicom(path)))
    ]
    if not films:
        raise UsageError(f"{folder} holds no film in its subfolders {' and '.join(sorted(targets))}")
    return films


def csv_films(path: Path, *, targets: Mapping[str, int] = DEFAULT_TARGETS) -> list[LabelledFilm]:
    """Films that a csv lists, in its order.

    Args:
        path: of a csv with the columns `path` (relative to the csv, or absolute) and `label`, and perhaps
            `patient` and `source`; other columns are ignored. Films of labels without a target are left out.
        targets: target of each label, compared in upper case.

    Raises:
        DataError: a column is missing, or a line is incomplete.
        UsageError: no film is left.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = csv.DictReader(file)
        missing = {"path", "label"} - set(lines.fieldnames or ())
        if missing:
            raise DataError(f"{path} has no column {sorted(missing)[0]!r}: it must have path and label")
        films = []
        for line in lines:
            if not line["path"] or not line["label"]:
                raise DataError(f"{path}, line {lines.line_num}: path or label is empty")
            target = targets.get(line["label"].strip().upper())
            if target is None:
                continue
            name = line["path"].strip()
            patient = (line.get("patient") or "").strip() or f"film {name}"
            source = (line.get("source") or "").strip() or path.stem
            films.append(LabelledFilm(path.parent / name, target, patient, source))
    if not films:
        raise UsageError(f"{path} lists no film labelled {' or '.join(sorted(targets))}")
    return films

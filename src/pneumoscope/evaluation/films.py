"""Which films are scored, and what is known about them: of a manifest, of a folder, or of a csv."""

import csv
import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from pneumoscope.errors import DataError, UsageError
from pneumoscope.image.read import FILM_SUFFIXES, FilmRoot, begins_like_dicom

__all__ = [
    "DEFAULT_TARGETS",
    "LabelledFilm",
    "ListedFilms",
    "ManifestFilm",
    "age_group",
    "csv_films",
    "folder_films",
    "manifest_films",
]

DEFAULT_TARGETS: Mapping[str, int] = {"NORMAL": 0, "PNEUMONIA": 1}

_CSV_COLUMNS = ("path", "patient", "source", "view", "age", "population")
_AGE_GROUPS = (
    (5.0, "0 to 4 years"),
    (18.0, "5 to 17 years"),
    (40.0, "18 to 39 years"),
    (65.0, "40 to 64 years"),
    (math.inf, "65 years and over"),
)


def age_group(years: float | None) -> str:
    """Name of the group that an age belongs to; "" where the age is unknown.

    Args:
        years: not negative.

    >>> age_group(4.9), age_group(5), age_group(None)
    ('0 to 4 years', '5 to 17 years', '')
    """
    if years is None:
        return ""
    return next(name for below, name in _AGE_GROUPS if years < below)


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

    @property
    def view(self) -> str | None:
        """PA, AP or another view position, or None where unknown."""

    @property
    def age(self) -> float | None:
        """Years, or None where unknown."""

    @property
    def population(self) -> str | None:
        """paediatric, adult or mixed, or None where unknown."""


@dataclass(frozen=True, slots=True)
class LabelledFilm:
    """One film with its truth.

    Attributes:
        path: of the file.
        target: 1 where it shows pneumonia, else 0.
        patient: equal for films of one patient; unknown patients are each their own.
        source: the group that it is reported under.
        view: PA, AP or another view position; "" where unknown.
        age_group: as `age_group` names it; "" where unknown.
        population: paediatric, adult or mixed; "" where unknown.
    """

    path: Path
    target: int
    patient: str
    source: str
    view: str = ""
    age_group: str = ""
    population: str = ""


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
            named = ", ".join(sorted(known - {""}))
            raise UsageError(f"the manifest has no source {source!r}: it has {named}")
    films = [
        LabelledFilm(
            root / row.path,
            targets[row.label],
            row.patient or f"film {row.path}",
            row.source,
            view=row.view or "",
            age_group=age_group(row.age),
            population=row.population or "",
        )
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
        folder: holds folders named after labels, in any case, each searched to any depth.
        targets: target of each label.

    Raises:
        UsageError: the subfolder of a label is missing, or they hold no film.
    """
    labelled: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            labelled.setdefault(path.name.upper(), []).append(path)
    for label in targets:
        if label not in labelled:
            raise UsageError(
                f"{folder} has no subfolder {label}: it must hold {' and '.join(sorted(targets))}"
            )
    films = [
        LabelledFilm(path, target, f"film {path.relative_to(folder).as_posix()}", folder.name)
        for label, target in sorted(targets.items())
        for path in sorted(path for each in labelled[label] for path in each.rglob("*"))
        if path.is_file()
        and (path.suffix.lower() in FILM_SUFFIXES or (not path.suffix and begins_like_dicom(path)))
    ]
    if not films:
        raise UsageError(f"{folder} holds no film in its subfolders {' and '.join(sorted(targets))}")
    return films


class ListedFilms(NamedTuple):
    """What a csv lists.

    Attributes:
        films: those of labels with a target, in its order.
        labels: how many lines have each label, in capitals, with a target or without.
    """

    films: list[LabelledFilm]
    labels: Mapping[str, int]


def csv_films(path: Path, *, targets: Mapping[str, int] = DEFAULT_TARGETS) -> ListedFilms:
    """Films that a csv lists, in its order.

    Args:
        path: of a csv with the columns `path` (relative to the csv, or absolute) and `label`, and perhaps
            `patient`, `source`, `view`, `age` (years) and `population`; other columns are ignored. Films of
            labels without a target are left out.
        targets: target of each label, compared in upper case.

    Raises:
        DataError: it is no csv in UTF-8, a column is missing, a line is incomplete, an age is no number of
            years, or a film is listed twice.
        UsageError: no film is left.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            listed = _listed(csv.DictReader(file), path, targets)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no csv in UTF-8 ({error}): save it as one") from error
    if not listed.films:
        raise UsageError(f"{path} lists no film labelled {' or '.join(sorted(targets))}")
    return listed


def _listed(lines: "csv.DictReader[str]", path: Path, targets: Mapping[str, int]) -> ListedFilms:
    head = [name.strip().lower() for name in lines.fieldnames or ()]
    lines.fieldnames = head
    missing = sorted({"path", "label"} - set(head))
    if missing:
        parted = " (its columns must be parted by commas)" if len(head) == 1 and ";" in head[0] else ""
        raise DataError(f"{path} has no column {missing[0]!r}: it must have path and label{parted}")
    films: dict[Path, LabelledFilm] = {}
    labels: Counter[str] = Counter()
    for line in lines:
        where = f"{path}, line {lines.line_num}"
        if not line["path"] or not line["label"]:
            raise DataError(f"{where}: path or label is empty")
        label = line["label"].strip().upper()
        labels[label] += 1
        target = targets.get(label)
        if target is None:
            continue
        told = {column: (line.get(column) or "").strip() for column in _CSV_COLUMNS}
        film = LabelledFilm(
            path.parent / told["path"],
            target,
            told["patient"] or f"film {told['path']}",
            told["source"] or path.stem,
            view=told["view"].upper(),
            age_group=age_group(_years(told["age"], where)),
            population=told["population"].lower(),
        )
        if film.path in films:
            raise DataError(f"{where}: {told['path']} is listed again; list each film once")
        films[film.path] = film
    return ListedFilms(list(films.values()), labels)


def _years(text: str, where: str) -> float | None:
    """An age as a csv has it; None where it is empty."""
    if not text:
        return None
    try:
        years = float(text)
    except ValueError:
        years = math.nan
    if not 0.0 <= years < math.inf:
        raise DataError(f"{where}: the age {text!r} is no number of years; write it as 63 or 0.5")
    return years

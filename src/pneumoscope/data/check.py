"""The checks of a build on somebody's own folder, before they train or score with it."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from pneumoscope.data.build import Pool, build_rows
from pneumoscope.data.duplicates import duplicate_sets
from pneumoscope.data.film import PoolFilm
from pneumoscope.data.scan import Progress
from pneumoscope.errors import UsageError

__all__ = ["FolderCheck", "Problem", "check_folder"]

_LEAST_SIDE = 200
_ASPECT_RANGE = (0.5, 2.2)
_LEAST_FILMS_PER_LABEL = 10
_TELLING_AUC = 0.7


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to look at.

    Attributes:
        kind: "unreadable", "rejected", "blank", "duplicate", "label conflict", "size", "shape" or "geometry".
        paths: the files concerned, relative to the folder; empty where it concerns the folder as a whole.
        words: what is wrong.
    """

    kind: str
    paths: tuple[str, ...]
    words: str


@dataclass(frozen=True, slots=True)
class FolderCheck:
    """What was found.

    Attributes:
        files: files in the folder.
        films: readable films.
        labels: label to number of films; "(none)" where the folder gives none.
        problems: in the order of their kinds.
    """

    files: int
    films: int
    labels: dict[str, int]
    problems: tuple[Problem, ...]


def check_folder(directory: Path, *, workers: int = 1, progress: Progress | None = None) -> FolderCheck:
    """Look for unreadable files, copies, label conflicts and shapes that give the label away.

    Labels are taken from folders named PNEUMONIA, NORMAL, OTHER or UNCERTAIN, or from `films.csv`; without
    them the films are checked all the same. Nothing is written into the folder.

    Args:
        directory: the folder.
        workers: processes that read files.
        progress: told how many files were looked at.

    Raises:
        UsageError: the folder holds no film.
        DataError: there is no such folder, or its table cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="pneumoscope-check-") as scratch:
        pool = build_rows(
            directory, Path(scratch), folders={"folder": "."}, workers=workers, progress=progress
        )
    readable = [row for row in pool.rows if row.format is not None]
    bad = [row for row in pool.rows if row.reason and row.reason.startswith(("unreadable", "rejected"))]
    if not readable and not bad:
        raise UsageError(f"{directory}: there is no film in this folder")
    problems = [Problem((row.reason or "").partition(":")[0], (row.path,), row.reason or "") for row in bad]
    problems += [
        Problem("blank", (film.path,), "every pixel has nearly the same value")
        for film in pool.films
        if film.seen.phash is None
    ]
    problems += _copies(pool)
    problems += [problem for film in pool.films for problem in _geometry(film)]
    problems += _telling_geometry(pool.films)
    labels: dict[str, int] = {}
    for film in pool.films:
        name = film.claim.label or "(none)"
        labels[name] = labels.get(name, 0) + 1
    return FolderCheck(len(pool.rows), len(pool.films), dict(sorted(labels.items())), tuple(problems))


def _copies(pool: Pool) -> list[Problem]:
    problems: list[Problem] = []
    for members in duplicate_sets(len(pool.films), pool.matches):
        films = [pool.films[index] for index in members]
        paths = tuple(film.path for film in films)
        identical = len({film.seen.sha256 for film in films}) == 1
        words = "the same bytes" if identical else "the same film, in another size, shape or format"
        problems.append(Problem("duplicate", paths, words))
        labels = sorted({film.claim.label for film in films if film.claim.label})
        if len(labels) > 1:
            problems.append(Problem("label conflict", paths, f"one film is labelled {' and '.join(labels)}"))
    return problems


def _geometry(film: PoolFilm) -> list[Problem]:
    """A film too small to show an opacity, or of a shape that no frontal chest film has."""
    width, height = film.seen.width or 0, film.seen.height or 0
    problems: list[Problem] = []
    if min(width, height) < _LEAST_SIDE:
        words = f"{width} x {height} pixels: too small to show a faint opacity (from {_LEAST_SIDE} on)"
        problems.append(Problem("size", (film.path,), words))
    low, high = _ASPECT_RANGE
    if height and not low <= width / height <= high:
        words = (
            f"{width} x {height} pixels: is this a whole frontal film? (width by height from {low} to {high})"
        )
        problems.append(Problem("shape", (film.path,), words))
    return problems


def _telling_geometry(films: Sequence[PoolFilm]) -> list[Problem]:
    """Does size or shape alone tell pneumonia from normal? Then a model can cheat with it."""
    labelled = [film for film in films if film.claim.label in ("PNEUMONIA", "NORMAL")]
    truth = [film.claim.label == "PNEUMONIA" for film in labelled]
    if min(sum(truth), len(truth) - sum(truth)) < _LEAST_FILMS_PER_LABEL:
        return []
    from sklearn.metrics import roc_auc_score

    facts: dict[str, list[float]] = {
        "the ratio of width to height": [
            (film.seen.width or 0) / max(film.seen.height or 0, 1) for film in labelled
        ],
        "the shorter side": [min(film.seen.width or 0, film.seen.height or 0) for film in labelled],
        "the file's size": [film.seen.size for film in labelled],
    }
    problems: list[Problem] = []
    for name, values in facts.items():
        area = float(roc_auc_score(truth, values))
        if max(area, 1.0 - area) >= _TELLING_AUC:
            of_ill = median(value for value, ill in zip(values, truth, strict=True) if ill)
            of_well = median(value for value, ill in zip(values, truth, strict=True) if not ill)
            words = (
                f"{name} alone tells PNEUMONIA from NORMAL with AUC {max(area, 1.0 - area):.2f} "
                f"(medians {of_ill:.4g} and {of_well:.4g}): a model can cheat with it"
            )
            problems.append(Problem("geometry", (), words))
    return problems

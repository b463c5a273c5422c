"""Which films a command line means, and what the files written for each of them are called."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from pneumoscope.errors import UsageError
from pneumoscope.image.read import FILM_SUFFIXES, begins_like_dicom

__all__ = ["Plan", "film_stem", "output_stems", "plan_films"]

# PACS exports name files by their UID, "1.2.840.113619.2": what follows the last dot is no suffix.
_UID_TAIL = re.compile(r"\.\d+")
_INDEX_OF_A_DICOM_DISC = "DICOMDIR"


@dataclass(frozen=True, slots=True)
class Plan:
    """Films to score, in order.

    Attributes:
        films: paths as the caller gave them, or joined to the folder that the caller gave.
        left_out: files in those folders that are no films by their name.
    """

    films: tuple[str, ...]
    left_out: int


def plan_films(paths: Sequence[str], standard_input: TextIO) -> Plan:
    """Expand files, folders and `-` into a list of films.

    A file is taken whatever its name, also one that does not exist: it becomes a record that says so. A
    folder is searched with all folders in it, sorted by name; links to folders in it are not followed.

    Args:
        paths: as typed; `-` stands for the lines of `standard_input`, each a file or folder.
        standard_input: read only for `-`.

    Raises:
        UsageError: `-` is given twice, or a folder cannot be read.
    """
    if list(paths).count("-") > 1:
        raise UsageError("'-' is given twice, but standard input can be read only once")
    films: list[str] = []
    left_out = 0
    for path in _named(paths, standard_input):
        if not Path(path).is_dir():
            films.append(path)
            continue
        for found in _walk(path):
            if _is_film(found):
                films.append(found)
            else:
                left_out += 1
    return Plan(tuple(films), left_out)


def _named(paths: Sequence[str], standard_input: TextIO) -> Iterator[str]:
    for path in paths:
        if path == "-":
            lines = (line.rstrip("\r\n") for line in standard_input)
            yield from (line for line in lines if line.strip())
        else:
            yield path


def _walk(folder: str) -> Iterator[str]:
    """All files below a folder, files and folders sorted together by name."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise UsageError(f"{folder} cannot be searched: {error.strerror}; check its permissions") from error
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path)
        else:
            yield entry.path


def _is_film(path: str) -> bool:
    name = Path(path)
    if not name.is_file() or name.name == _INDEX_OF_A_DICOM_DISC:
        return False
    suffix = name.suffix.lower()
    if suffix in FILM_SUFFIXES:
        return True
    return (not suffix or _UID_TAIL.fullmatch(suffix) is not None) and begins_like_dicom(name)


def film_stem(path: str) -> str:
    """Name of a film's output files, without suffix.

    >>> film_stem("ward/film.dcm"), film_stem("ward/1.2.840.113619")
    ('film', '1.2.840.113619')
    """
    name = Path(path)
    return name.name if _UID_TAIL.fullmatch(name.suffix) else name.stem


def output_stems(paths: Iterable[str]) -> list[str]:
    """One unique stem per film, in order.

    The first film of a name gets its own stem, the next ones `<stem>-2`, `<stem>-3` and so on, past any
    stem that another film has by itself. Letters that differ only in case count as equal, because they do
    on some file systems. Equal lists give equal names.

    >>> output_stems(["a/film.png", "b/film.png", "b/film-2.png", "c/film.dcm"])
    ['film', 'film-3', 'film-2', 'film-4']
    """
    stems = [film_stem(path) for path in paths]
    taken = {stem.casefold() for stem in stems}
    last_number: dict[str, int] = {}
    unique: list[str] = []
    for stem in stems:
        key = stem.casefold()
        if key not in last_number:
            last_number[key] = 1
            unique.append(stem)
            continue
        number = last_number[key] + 1
        while f"{key}-{number}" in taken:
            number += 1
        last_number[key] = number
        taken.add(f"{key}-{number}")
        unique.append(f"{stem}-{number}")
    return unique

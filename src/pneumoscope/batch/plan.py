"""Which films a command line means, and what the files written for each of them are called."""

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from pneumoscope.batch.urls import begin_like_dicom, files_below, is_url, local_path, open_url
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
        left_out: files in those folders that are no films by their name or kind.
    """

    films: tuple[str, ...]
    left_out: int


def plan_films(paths: Sequence[str], standard_input: TextIO) -> Plan:
    """Expand files, folders and `-` into a list of films.

    A file is taken whatever its name, also one that does not exist: it becomes a record that says so. A
    folder is searched with all folders in it, sorted by name; links to folders in it are not followed. A URL
    without the suffix of a film is a folder if its file system says so.

    Args:
        paths: as typed; `-` stands for the lines of `standard_input`, each a file or folder.
        standard_input: read only for `-`.

    Raises:
        UsageError: `-` is given twice or is no text of this system, or a folder cannot be read.
        MissingExtraError: there is a URL, but no fsspec.
    """
    if list(paths).count("-") > 1:
        raise UsageError("'-' is given twice, but standard input can be read only once")
    films: list[str] = []
    left_out = 0
    for path in map(local_path, _named(paths, standard_input)):
        if is_url(path):
            taken, others = _behind_url(path)
            films += taken
            left_out += others
            continue
        if not os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where a folder hides its files
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
            for number, line in enumerate(standard_input):
                if "\0" in line:
                    raise UsageError(
                        f"line {number + 1} of standard input holds a NUL, which no path does: give the list "
                        "as UTF-8 (in PowerShell: -Encoding utf8), with one path a line"
                    )
                # A list that was written on Windows may begin with a byte order mark.
                named = (line if number else line.removeprefix("\ufeff")).rstrip("\r\n")
                if named.strip():
                    yield named
        else:
            yield path


def _walk(folder: str) -> Iterator[str]:
    """All files below a folder, files and folders sorted together by name."""
    pending = [(folder, True)]
    while pending:
        path, is_folder = pending.pop()
        if not is_folder:
            yield path
            continue
        try:
            entries = sorted(os.scandir(path), key=lambda entry: entry.name, reverse=True)
            pending += [(entry.path, entry.is_dir(follow_symlinks=False)) for entry in entries]
        except OSError as error:
            raise UsageError(
                f"{path!r} cannot be searched ({error.strerror}); check its permissions"
            ) from error


def _behind_url(url: str) -> tuple[list[str], int]:
    """Films that a URL means, and how many other files there are."""
    open_url(url)
    name, _, _ = url.partition("?")
    files = None if _is_film_by_name(name) else files_below(url)
    if files is None:
        return [url], 0
    by_name = {file: _is_film_by_name(file) for file in files}
    undecided = [file for file, is_film in by_name.items() if is_film is None]
    by_name.update(zip(undecided, begin_like_dicom(undecided), strict=True))
    films = [file for file, is_film in by_name.items() if is_film]
    return films, len(files) - len(films)


def _is_film(path: str) -> bool:
    is_film = _is_film_by_name(path)
    if is_film is None:
        return begins_like_dicom(path)
    return is_film and _may_be_a_file(path)


def _is_film_by_name(path: str) -> bool | None:
    """Whether a file is a film; None where its first bytes must tell."""
    name = Path(path)
    if name.name == _INDEX_OF_A_DICOM_DISC:
        return False
    suffix = name.suffix.lower()
    if suffix in FILM_SUFFIXES:
        return True
    return None if not suffix or _UID_TAIL.fullmatch(suffix) else False


def _may_be_a_file(path: str) -> bool:
    """Not a pipe or a link to a folder. A broken link may be: its record will say what is wrong with it."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116
    except OSError:
        return True


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

"""Files written beside the records: one overlay and one evidence map per film, never over a film."""

import os
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from PIL.PngImagePlugin import PngInfo

from pneumoscope.batch.plan import output_stems
from pneumoscope.batch.writing import cause_and_remedy
from pneumoscope.errors import PneumoscopeError, UsageError
from pneumoscope.image.raster import OVERLAY_SOFTWARE
from pneumoscope.runtime.film import Film

__all__ = ["OutputFolders", "refuse_to_overwrite"]


class _Writer(Protocol):
    def __call__(self, film: Film, file: BinaryIO) -> None: ...


class OutputFolders:
    """Writes `<stem>.png` and `<stem>.npy` for scored films; stems are those of `output_stems`.

    Each file appears whole or not at all, and replaces an older one of its name.

    Args:
        films: paths of all films, in order.
        overlays: folder for overlays, made where it does not exist, or None.
        heatmaps: folder for (H, W) float32 maps in logit units, or None.
        records: file that the records go to, or None.

    Raises:
        UsageError: a folder cannot be made, or a file would fall on one of the films or on the records.
    """

    def __init__(
        self,
        films: Sequence[str],
        *,
        overlays: Path | None,
        heatmaps: Path | None,
        records: Path | None = None,
    ) -> None:
        self._folders: list[tuple[Path, str, _Writer]] = []
        if overlays is not None:
            self._folders.append((overlays, ".png", _write_overlay))
        if heatmaps is not None:
            self._folders.append((heatmaps, ".npy", _write_heatmap))
        self._stems = output_stems(films) if self._folders else []
        for folder, suffix, _ in self._folders:
            outputs = [folder / f"{stem}{suffix}" for stem in self._stems]
            refuse_to_overwrite(films, outputs)
            if records is not None and _places([records])[0] in _places(outputs):
                raise UsageError(f"{records} would be both the records and a film's file: name another --out")
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UsageError(f"{folder} cannot be made a folder: {cause_and_remedy(error)}") from error

    @property
    def places(self) -> tuple[Path, ...]:
        """The folders that are written to."""
        return tuple(folder for folder, _, _ in self._folders)

    def write(self, index: int, film: Film) -> None:
        """Write the files of the film at `index` in the list of films.

        Raises:
            PneumoscopeError: a file cannot be written.
        """
        for folder, suffix, write in self._folders:
            path = folder / f"{self._stems[index]}{suffix}"
            part = folder / f".{os.getpid()}-{index}{suffix}.part"
            try:
                with part.open("wb") as file:
                    write(film, file)
                part.replace(path)
            except OSError as error:
                part.unlink(missing_ok=True)
                raise PneumoscopeError(f"{path} cannot be written: {cause_and_remedy(error)}") from error


def refuse_to_overwrite(films: Sequence[str], outputs: Sequence[Path]) -> None:
    """Make sure that no output falls on a film, be it by another name, a link or a hard link.

    Names that differ only in case count as equal, because they are on some file systems.

    Raises:
        UsageError: one does.
    """
    if not outputs:
        return
    places = set(_places(films))
    existing = {output: identity for output in outputs if (identity := _identity(output)) is not None}
    identities = {_identity(film) for film in films} if existing else set()
    for output, place in zip(outputs, _places(outputs), strict=True):
        if place in places or (output in existing and existing[output] in identities):
            raise UsageError(f"{output} is one of the films and would be overwritten: write elsewhere")


def _places(paths: Iterable[str | Path]) -> list[tuple[str, str]]:
    """Folder, without links, and name of each file; the files need not exist."""

    @cache
    def real(folder: str) -> str:
        return folder if "\0" in folder else os.path.realpath(folder)

    split = (os.path.split(path) for path in paths)
    return [(real(folder or os.curdir), name.casefold()) for folder, name in split]


def _identity(path: str | Path) -> tuple[int, int] | None:
    """What all names of one file have in common; None where there is no file."""
    try:
        found = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):  # ValueError: a null character
        return None
    return found.st_dev, found.st_ino


def _write_overlay(film: Film, file: BinaryIO) -> None:
    mark = PngInfo()
    mark.add_text("Software", OVERLAY_SOFTWARE)
    film.overlay().save(file, format="PNG", pnginfo=mark)


def _write_heatmap(film: Film, file: BinaryIO) -> None:
    np.save(file, film.heatmap, allow_pickle=False)

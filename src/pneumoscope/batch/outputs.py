"""Files written beside the records: one overlay and one evidence map per film, never over a film."""

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from pneumoscope.batch.plan import output_stems
from pneumoscope.errors import PneumoscopeError, UsageError
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

    Raises:
        UsageError: a folder cannot be made, or a file would fall on one of the films.
    """

    def __init__(self, films: Sequence[str], *, overlays: Path | None, heatmaps: Path | None) -> None:
        self._folders: list[tuple[Path, str, _Writer]] = []
        if overlays is not None:
            self._folders.append((overlays, ".png", _write_overlay))
        if heatmaps is not None:
            self._folders.append((heatmaps, ".npy", _write_heatmap))
        self._stems = output_stems(films) if self._folders else []
        for folder, suffix, _ in self._folders:
            refuse_to_overwrite(films, [folder / f"{stem}{suffix}" for stem in self._stems])
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UsageError(f"{folder} cannot be made a folder: {error.strerror}") from error

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
                raise PneumoscopeError(f"{path} cannot be written: {error.strerror}") from error


def refuse_to_overwrite(films: Sequence[str], outputs: Sequence[Path]) -> None:
    """Make sure that no output falls on a film.

    Names that differ only in case count as equal, because they are on some file systems.

    Raises:
        UsageError: one does.
    """
    real_folder = cache(os.path.realpath)

    def place(path: str | Path) -> tuple[str, str]:
        folder, name = os.path.split(path)
        return real_folder(folder or os.curdir), name.casefold()

    written = {place(output): output for output in outputs}
    if not written:
        return
    for film in films:
        output = written.get(place(film))
        if output is not None:
            raise UsageError(f"{output} is one of the films and would be overwritten: write elsewhere")


def _write_overlay(film: Film, file: BinaryIO) -> None:
    film.overlay().save(file, format="PNG")


def _write_heatmap(film: Film, file: BinaryIO) -> None:
    np.save(file, film.heatmap, allow_pickle=False)

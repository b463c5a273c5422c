"""Views that the guard is fitted on and judged by: chest films, what they become, and everything else."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from pneumoscope.data.distortions import SPOILED, as_sent
from pneumoscope.data.drawn_images import ARTIFICIAL, FROM_LUNGS
from pneumoscope.data.manifest import ManifestRow
from pneumoscope.errors import DataError, FilmError, RejectedFilmError
from pneumoscope.image.appearance import film_view
from pneumoscope.image.radiograph import Radiograph
from pneumoscope.image.read import read

__all__ = ["CUT_SOURCES", "Example", "ExampleCounts", "chest_rows", "make_examples", "small_film"]

CUT_SOURCES = frozenset({"rsna-lungs"})
"""Sources whose films are cut to the lungs: no ordinary films, and refused."""

_SMALL = 160  # longest side of what is distorted, pixels


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One view and what it is.

    Attributes:
        view: (S, S) uint8, as `film_view` gives it.
        chest: whether it is to be accepted.
        family: source of a chest film; else the kind of image, such as "hand" or "upside down".
        altered: whether it was changed after reading.
    """

    view: NDArray[np.uint8]
    chest: bool
    family: str
    altered: bool


@dataclass(frozen=True, slots=True)
class ExampleCounts:
    """How many examples of each kind are made.

    Attributes:
        films: chest films per source, at most.
        sent: altered copies of each chest film.
        spoiled: per kind.
        drawn: per kind.
        cut: films cut to the lungs, each used as it is and once as the lungs of a drawn section.
        copies: altered copies of each other image.
    """

    films: int = 4000
    sent: int = 1
    spoiled: int = 500
    drawn: int = 500
    cut: int = 700
    copies: int = 5


def chest_rows(rows: Iterable[ManifestRow], split: str) -> dict[str, list[ManifestRow]]:
    """Films of a split without copies, by source."""
    sources: dict[str, list[ManifestRow]] = {}
    for row in rows:
        if row.split == split and row.duplicate_of is None:
            sources.setdefault(row.source, []).append(row)
    return dict(sorted(sources.items()))


def small_film(path: Path) -> NDArray[np.uint8]:
    """A film scaled to at most 160 pixels a side, (H, W) uint8."""
    pixels = read(path).pixels
    grey: NDArray[np.uint8] = (pixels if pixels.dtype == np.uint8 else pixels >> 8).astype(np.uint8)
    scale = _SMALL / max(grey.shape)
    if scale >= 1:
        return grey
    height, width = (max(1, round(side * scale)) for side in grey.shape)
    return np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling.BOX))


def make_examples(
    rows: Sequence[ManifestRow],
    root: Path,
    not_films: Path | None,
    split: str,
    counts: ExampleCounts,
    generator: Generator,
    progress: Callable[[int], None] | None = None,
) -> list[Example]:
    """Read chest films of a split and other images, and make all that is made of them.

    Args:
        rows: of the manifest.
        root: the manifest's paths are relative to it.
        not_films: a folder of folders, one per family of images that are no chest films; None for none.
        split: of the chest films.
        counts: how many of each kind.
        generator: of the choice and of all changes.
        progress: told how many examples there are.

    Raises:
        DataError: the split has no chest film.
    """
    made: list[Example] = []

    def add(pixels: NDArray[np.uint8], family: str, *, chest: bool, altered: bool) -> None:
        try:
            view = film_view(Radiograph(np.ascontiguousarray(pixels), family, "ARRAY"))
        except RejectedFilmError:  # blank: refused without looking
            return
        made.append(Example(view, chest, family, altered))
        if progress is not None:
            progress(len(made))

    films: list[NDArray[np.uint8]] = []
    for source, found in chest_rows(rows, split).items():
        cut = source in CUT_SOURCES
        for index in generator.permutation(len(found))[: counts.cut if cut else counts.films]:
            pixels = small_film(root / found[index].path)
            add(pixels, "cut to the lungs" if cut else source, chest=not cut, altered=False)
            if cut:
                for name, change in FROM_LUNGS.items():
                    add(_varied(change(pixels, generator), generator), name, chest=False, altered=True)
                continue
            films.append(pixels)
            for _ in range(counts.sent):
                add(as_sent(pixels, generator), source, chest=True, altered=True)
    if not films:
        raise DataError(f"the manifest has no chest film in the split {split}: name another manifest")
    for name, change in SPOILED.items():
        for index in generator.integers(0, len(films), counts.spoiled):
            add(change(films[index], generator), name, chest=False, altered=True)
    for name, draw in ARTIFICIAL.items():
        for _ in range(counts.drawn):
            add(_varied(draw(generator), generator), name, chest=False, altered=True)
    for path in sorted(not_films.glob("*/*")) if not_films is not None else ():
        try:
            pixels = small_film(path)
        except FilmError:  # refused by reading it: no work for the guard
            continue
        add(pixels, path.parent.name, chest=False, altered=False)
        for _ in range(counts.copies):
            add(as_sent(pixels, generator), path.parent.name, chest=False, altered=True)
    return made


def _varied(pixels: NDArray[np.uint8], generator: Generator) -> NDArray[np.uint8]:
    """Half of what is drawn is framed, softened and exposed as films are: none of that tells a film."""
    return as_sent(np.ascontiguousarray(pixels), generator) if generator.random() < 0.5 else pixels

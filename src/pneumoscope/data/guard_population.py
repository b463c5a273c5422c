"""Who and what was in the training films, as the guard warns about films outside."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.random import Generator

from pneumoscope.data.guard_examples import CUT_SOURCES
from pneumoscope.data.manifest import ManifestRow
from pneumoscope.errors import DataError
from pneumoscope.image.appearance import exposure
from pneumoscope.image.guard import Population
from pneumoscope.image.read import read

__all__ = ["measure_population"]

_READ = 600  # films whose grey values are looked at
_RARE = 0.2  # percent of the films that may lie outside at either end
_YOUNGEST = {"paediatric": 1.0}  # of sources of children that state no age: years


def measure_population(
    rows: Sequence[ManifestRow], root: Path, generator: Generator, split: str = "train"
) -> Population:
    """Ranges of age, size, aspect ratio and grey values of the whole films of a split.

    Ages are those that the manifest states; sizes are the files' own.

    Args:
        rows: of the manifest.
        root: the manifest's paths are relative to it.
        generator: of the films that are read.
        split: to look at.

    Raises:
        DataError: the split has no whole film.
    """
    trained = [row for row in rows if row.split == split and row.duplicate_of is None]
    whole = [row for row in trained if row.source not in CUT_SOURCES]
    sized = [(row.width, row.height) for row in whole if row.width and row.height]
    if not sized:
        raise DataError(f"the manifest has no whole film in the split {split}: name another manifest")
    sides = np.array(sized, dtype=float)
    ages = [row.age for row in trained if row.age is not None]
    ages += [_YOUNGEST[row.population] for row in trained if row.age is None and row.population in _YOUNGEST]
    drawn = generator.permutation(len(whole))[:_READ]
    used = [exposure(read(root / whole[index].path)) for index in drawn]
    low, high = np.percentile(sides[:, 0] / sides[:, 1], (_RARE, 100 - _RARE))
    return Population(
        age_years=(float(min(ages, default=0.0)), float(max(ages, default=200.0))),
        shortest_side=int(np.percentile(sides.min(1), _RARE)),
        aspect=(round(float(min(low, 1 / high)), 3), round(float(max(high, 1 / low)), 3)),
        contrast=round(float(np.percentile([one.contrast for one in used], _RARE)), 3),
        white=round(float(np.percentile([one.white for one in used], 100 - _RARE)), 3),
        levels=int(np.percentile([one.levels for one in used], _RARE)),
    )

"""Where the lungs of many films are, coarsely, in one file beside the plates."""

import zipfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pneumoscope.data.cache import PlateCache
from pneumoscope.data.lung_finder import shared_finder
from pneumoscope.data.lungs import Mask
from pneumoscope.data.processes import processes
from pneumoscope.errors import DataError

__all__ = ["GRID", "MARGIN", "SMALLEST_LUNGS", "LungMasks", "find_lungs", "with_margin"]

GRID = 32
"""Cells per side of a coarse mask."""

MARGIN = 0.07
"""Share of the side that a mask grows by: what lies behind the heart and at its edge is lung, too."""

SMALLEST_LUNGS = 0.03
"""Share of a film; where less was found, nothing is known of its lungs."""


class LungMasks:
    """Coarse masks of many films.

    Args:
        sha256: of the N films' files.
        masks: (N, GRID, GRID) uint8, 255 in the lungs and around them, as the plate shows them.
    """

    def __init__(self, sha256: Sequence[str], masks: NDArray[np.uint8]) -> None:
        self._row_of = {digest: row for row, digest in enumerate(sha256)}
        self._masks = masks

    @classmethod
    def open(cls, path: Path) -> "LungMasks":
        """Read what `find_lungs` wrote.

        Raises:
            DataError: there is no such file, or it is damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                return cls([str(digest) for digest in stored["sha256"]], stored["masks"])
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{path}: holds no lung masks; delete it, and the next training finds them again"
            ) from error

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._row_of

    def of(self, sha256: Sequence[str]) -> NDArray[np.uint8]:
        """(M, GRID, GRID) uint8 of some films.

        Raises:
            DataError: a film is not there.
        """
        missing = [digest for digest in sha256 if digest not in self._row_of]
        if missing:
            raise DataError(
                f"no lung mask of the film with SHA-256 {missing[0]}, nor of {len(missing) - 1} others"
            )
        return self._masks[[self._row_of[digest] for digest in sha256]]

    def save(self, path: Path) -> None:
        """Write all masks; a reader sees the old file or the new one."""
        partial = path.with_suffix(".partial.npz")
        np.savez_compressed(partial, sha256=np.array(list(self._row_of)), masks=self._masks)
        partial.replace(path)


def find_lungs(
    sha256: Sequence[str], plates: PlateCache, path: Path, *, workers: int | None = 1
) -> LungMasks:
    """Find the lungs of the films that a file does not hold yet, and add them.

    Args:
        sha256: of the films' files.
        plates: that hold them, at any size.
        path: of the file, which need not be there.
        workers: processes, None for one per core; the masks do not depend on it.

    Raises:
        DataError: the cache misses a film, or the file is damaged.
    """
    known = (
        LungMasks.open(path) if path.is_file() else LungMasks((), np.zeros((0, GRID, GRID), dtype=np.uint8))
    )
    wanted = [digest for digest in dict.fromkeys(sha256) if digest not in known]
    if not wanted:
        return known
    with processes(workers) as each:
        found = list(each(_coarse_mask, [(plates.directory, plates.index_of(digest)) for digest in wanted]))
    masks = LungMasks([*known._row_of, *wanted], np.concatenate((known._masks, np.stack(found))))
    masks.save(path)
    return masks


def with_margin(lungs: Mask) -> Mask:
    """Lungs and 7 % of the film's height around them.

    Args:
        lungs: (H, W) bool.
    """
    grown = ndimage.maximum_filter(lungs.astype(np.uint8), size=2 * round(MARGIN * len(lungs)) + 1)
    return np.asarray(grown > 0)


@cache
def _plates(directory: Path) -> NDArray[np.uint8]:
    return PlateCache.open(directory).plates


def _coarse_mask(task: tuple[Path, int]) -> NDArray[np.uint8]:
    directory, row = task
    lungs = shared_finder().find(np.asarray(_plates(directory)[row]))
    if lungs.mean() < SMALLEST_LUNGS:  # all of it counts as lung
        return np.full((GRID, GRID), 255, dtype=np.uint8)
    grown = with_margin(lungs).astype(np.uint8)
    rows, columns = (np.arange(GRID) * side // GRID for side in grown.shape)
    cells = np.maximum.reduceat(np.maximum.reduceat(grown, rows, axis=0), columns, axis=1)  # (GRID, GRID)
    return cells * np.uint8(255)

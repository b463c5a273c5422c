"""The prepared cache: every film of a manifest as the plate that the runtime would compute, memory-mapped.

One directory per set of prepare parameters. A film is known by the SHA-256 of its file, so a cache outlives
a new manifest: a second build reads only the films it does not hold yet, and a killed build goes on where it
stood.
"""

import hashlib
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pneumoscope.data import plate_store
from pneumoscope.data.plate_store import CacheFailure, CacheIndex, Written
from pneumoscope.errors import DataError, FilmError
from pneumoscope.image.frame import Box
from pneumoscope.image.prepare import PrepareParameters, film_inside, make_plate
from pneumoscope.image.read import FilmRoot, read

__all__ = ["CacheFailure", "CachedFilm", "PlateCache", "build_cache", "cache_name"]

_CHUNK = 64
_SAMPLE_AT_OPEN = 32
_SAMPLE_AT_BUILD = 8
# Submitted but unfinished chunks per process: enough to keep it busy, few enough to stop quickly.
_QUEUE_PER_WORKER = 4


class CachedFilm(Protocol):
    """What the cache needs of a manifest row."""

    @property
    def sha256(self) -> str:
        """Hex digest of the file."""

    @property
    def path(self) -> str:
        """Relative to the root, posix."""


@dataclass(frozen=True, slots=True)
class _Task:
    row: int
    sha256: str
    path: str
    file: Path


def cache_name(parameters: PrepareParameters) -> str:
    """Name for the directory of one set of parameters, readable and unambiguous.

    >>> cache_name(PrepareParameters(size=160))
    '160-letterbox-as-stored-0c8ded482670'
    """
    return f"{parameters.size}-{parameters.fit}-{parameters.intensity}-{parameters.sha256()[:12]}"


class PlateCache:
    """Plates of many films, read straight from disk; safe to hand to other processes.

    Attributes:
        directory: where it lies.
        parameters: that the plates were made with.
        plates: (N, S, S) uint8 memory map, read-only; rows of unreadable films are zero and not in the index.
        failures: films that could not be read, with reasons.
    """

    def __init__(self, directory: Path, index: CacheIndex) -> None:
        self.directory = directory
        self.parameters = index.parameters
        self.failures = index.failures
        self.plates = plate_store.open_plates(directory, index.parameters.size)[: len(index.films)]
        self._films = index.films
        self._inside = index.inside
        self._row_of = {sha256: row for row, (sha256, crc) in enumerate(index.films) if crc is not None}

    @classmethod
    def open(cls, directory: str | Path) -> "PlateCache":
        """Open a built cache; an evenly spread sample of plates is checked against its checksums.

        Raises:
            DataError: there is no cache, its build did not finish, or it is damaged.
        """
        directory = Path(directory)
        index = plate_store.read_index(directory)
        if index is None:
            raise DataError(f"{directory}: no plate cache here; build it with: pneumoscope data cache")
        if not index.films:
            raise DataError(f"{directory}: the build of this cache did not finish; run it again, it resumes")
        cache = cls(directory, index)
        if len(cache.plates) < len(index.films):
            raise DataError(
                f"{directory}: {plate_store.PLATES} holds {len(cache.plates)} plates, the index "
                f"{len(index.films)}; delete the cache and build again"
            )
        cache._check(np.linspace(0, len(index.films) - 1, _SAMPLE_AT_OPEN).astype(int).tolist())
        return cache

    def __reduce__(self) -> tuple[Callable[[Path], "PlateCache"], tuple[Path]]:
        return PlateCache.open, (self.directory,)

    def __len__(self) -> int:
        return len(self._row_of)

    def __contains__(self, sha256: object) -> bool:
        return sha256 in self._row_of

    def index_of(self, sha256: str) -> int:
        """Row of a film in `plates`.

        Raises:
            DataError: the cache does not hold it.
        """
        row = self._row_of.get(sha256)
        if row is None:
            reasons = [failure.reason for failure in self.failures if failure.sha256 == sha256]
            why = reasons[0] if reasons else "not built yet; run: pneumoscope data cache"
            raise DataError(f"{self.directory}: no plate of the film with SHA-256 {sha256}: {why}")
        return row

    def inside(self, sha256: str) -> Box | None:
        """What was left of a film, in its pixels, when its frame was cut off; None where nothing was."""
        return self._inside.get(sha256)

    def verify(
        self,
        films: Iterable[CachedFilm] = (),
        root: str | FilmRoot = ".",
        *,
        sample: int = 64,
        seed: int = 0,
    ) -> None:
        """Check every plate against its checksum, and a random sample of films against their files.

        Args:
            films: manifest rows; those in the cache are eligible for the sample.
            root: their paths are relative to it.
            sample: how many films to read again.
            seed: chooses them.

        Raises:
            DataError: a plate is not what reading its file gives.
        """
        self._check(range(len(self._films)))
        eligible = [film for film in films if film.sha256 in self]
        chosen = np.random.default_rng(seed).permutation(len(eligible))[:sample]
        _compare_with_files(self, [eligible[i] for i in chosen], _folder(root))

    def _check(self, rows: Iterable[int]) -> None:
        for row in rows:
            sha256, crc = self._films[row]
            if crc is not None and plate_store.crc32(self.plates[row]) != crc:
                raise DataError(
                    f"{self.directory}: the plate of film {sha256} (row {row}) was altered; "
                    "delete the cache and build again"
                )


def build_cache(
    rows: Iterable[CachedFilm],
    root: str | FilmRoot,
    parameters: PrepareParameters,
    directory: str | Path,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> PlateCache:
    """Build or complete a cache: one plate per distinct file, in the order of first appearance.

    Films that the directory holds already keep their rows and are not read again; new ones are appended.
    The result does not depend on `workers` nor on where an earlier build was killed.

    Args:
        rows: manifest rows of the films to hold; more than the directory holds, or fewer.
        root: their paths are relative to it.
        parameters: of the plates.
        directory: of this cache and no other (see `cache_name`); made where missing.
        workers: processes; None for one per core, 1 for this process alone.
        progress: called with (films read, films to read).

    Returns:
        The cache, with unreadable films in `failures`.

    Raises:
        DataError: the directory holds a cache of other parameters or of other code, is damaged, is being
            built by another process, or there is nothing to hold.
    """
    directory, root = Path(directory), _folder(root)
    wanted: dict[str, str] = {}
    for film in rows:
        wanted.setdefault(film.sha256, film.path)
    if not wanted:
        raise DataError(f"{directory}: no films to cache; does the manifest hold any?")
    directory.mkdir(parents=True, exist_ok=True)
    index = plate_store.read_index(directory)
    if index is not None and index.parameters == parameters and wanted.keys() <= _present(index):
        # Nothing to build, and so nothing to wait for: several trainings may begin at once.
        cache = PlateCache.open(directory)
        _check_code(cache, wanted, root)
        return cache
    with plate_store.lock(directory):
        index = plate_store.read_index(directory)
        if index is None:
            index = CacheIndex(parameters)
            plate_store.write_index(directory, index)
        if index.parameters != parameters:
            raise DataError(
                f"{directory}: holds plates of {cache_name(index.parameters)}, not {cache_name(parameters)}; "
                "give each set of parameters its own directory"
            )
        films, inside = _allocate(directory, index, wanted)
        plate_store.reserve_plates(directory, len(films), parameters.size)
        if index.films:
            _check_code(PlateCache(directory, index), wanted, root)
        tasks = [
            _Task(row, sha, wanted[sha], root / wanted[sha])
            for row, (sha, crc) in enumerate(films)
            if crc is None and sha in wanted
        ]
        failures = {failure.sha256: failure for failure in index.failures}
        results = _run(tasks, parameters, directory, workers or os.cpu_count() or 1)
        for done, (task, result) in enumerate(results, start=1):
            if isinstance(result, str):
                failures[task.sha256] = CacheFailure(task.sha256, task.path, result)
            else:
                films[task.row] = (task.sha256, result.crc)
                if result.inside is not None:
                    inside[task.sha256] = result.inside
                failures.pop(task.sha256, None)
            if progress is not None:
                progress(done, len(tasks))
        kept = tuple(failures[sha256] for sha256, crc in films if crc is None and sha256 in failures)
        plate_store.write_index(directory, CacheIndex(parameters, tuple(films), kept, inside))
        plate_store.remove_journal(directory)
    return PlateCache.open(directory)


def _present(index: CacheIndex) -> set[str]:
    """Films whose plates are there."""
    return {sha256 for sha256, crc in index.films if crc is not None}


def _allocate(
    directory: Path, index: CacheIndex, wanted: dict[str, str]
) -> tuple[list[tuple[str, int | None]], dict[str, Box]]:
    """Give every film a row: rows in use stay, the rest fill up in order.

    Plates that a killed build noted count as present where their checksum holds.

    Returns:
        films: per row the file's SHA-256 and the plate's CRC-32, None where there is no plate yet.
        inside: what was left of films whose frame was cut off.
    """
    known = {sha256: row for row, (sha256, _) in enumerate(index.films)}
    new = [sha256 for sha256 in wanted if sha256 not in known]
    films: list[tuple[str, int | None] | None] = [*index.films, *[None] * len(new)]
    inside = dict(index.inside)
    journal = {plate.sha256: plate for plate in plate_store.read_journal(directory)}
    plates = (
        plate_store.open_plates(directory, index.parameters.size)
        if journal
        else np.empty((0, 0, 0), np.uint8)
    )
    for row, sha256, crc, left in journal.values():
        # Another manifest than the killed build's may have no use for a plate, or no place where it lies.
        ours = known[sha256] == row if sha256 in known else sha256 in wanted and row < len(films)
        if ours and row < len(plates) and plate_store.crc32(plates[row]) == crc:
            films[row] = (sha256, crc)
            if left is not None:
                inside[sha256] = left
    placed = {film[0] for film in films if film is not None}
    missing = iter([sha256 for sha256 in new if sha256 not in placed])
    return [(next(missing), None) if film is None else film for film in films], inside


def _folder(root: str | FilmRoot) -> FilmRoot:
    return Path(root) if isinstance(root, str) else root


def _check_code(cache: PlateCache, wanted: dict[str, str], root: FilmRoot) -> None:
    present = [
        _Task(cache.index_of(sha256), sha256, path, root / path)
        for sha256, path in wanted.items()
        if sha256 in cache
    ]
    step = max(1, len(present) // _SAMPLE_AT_BUILD)
    _compare_with_files(cache, present[::step][:_SAMPLE_AT_BUILD], root)


def _compare_with_files(cache: PlateCache, films: Sequence[CachedFilm], root: FilmRoot) -> None:
    for film in films:
        made = _plate(root / film.path, film.sha256, cache.parameters)
        if isinstance(made, str):
            raise DataError(f"{root / film.path}: in the cache {cache.directory}, but {made}")
        plate, inside = made
        same = np.array_equal(plate, cache.plates[cache.index_of(film.sha256)])
        if not same or inside != cache.inside(film.sha256):
            raise DataError(
                f"{cache.directory}: the plate of {film.path} is not what this version makes of the file; "
                "delete the cache and build again"
            )


def _plate(
    path: Path, sha256: str, parameters: PrepareParameters
) -> tuple[NDArray[np.uint8], Box | None] | str:
    """Make the plate of one film, (S, S) uint8, or say why there is none.

    Returns:
        Beside the plate, what was left of the film if its frame was cut off.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        return f"the file cannot be opened ({error.strerror}); check the root, or build the manifest again"
    if hashlib.sha256(content).hexdigest() != sha256:
        return "the file is not the one of the manifest (other SHA-256); build the manifest again"
    try:
        film = read(content, name=str(path))
        inside = film_inside(film, parameters)
        plate, _ = make_plate(film, parameters, inside=inside)
    except FilmError as error:
        return error.reason
    return plate, inside if inside != (0, 0, film.height, film.width) else None


def _make_chunk(
    tasks: Sequence[_Task], parameters: PrepareParameters, directory: Path
) -> list[Written | str]:
    """Write the plates of some films; per film what was written, or the reason why there is none."""
    plates = plate_store.open_plates(directory, parameters.size, writable=True)
    results: list[Written | str] = []
    for task in tasks:
        made = _plate(task.file, task.sha256, parameters)
        if isinstance(made, str):
            results.append(made)
            continue
        plates[task.row], inside = made
        results.append(Written(task.row, task.sha256, plate_store.crc32(made[0]), inside))
    return results


def _run(
    tasks: Sequence[_Task], parameters: PrepareParameters, directory: Path, workers: int
) -> Iterator[tuple[_Task, Written | str]]:
    """Make all plates, noting each chunk in the journal as soon as it is written; in any order."""
    chunks = iter([tasks[start : start + _CHUNK] for start in range(0, len(tasks), _CHUNK)])
    if workers == 1 or len(tasks) <= _CHUNK:
        for chunk in chunks:
            yield from _note(directory, chunk, _make_chunk(chunk, parameters, directory))
        return
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        pending: dict[Future[list[Written | str]], Sequence[_Task]] = {}
        while True:
            for chunk in islice(chunks, workers * _QUEUE_PER_WORKER - len(pending)):
                pending[pool.submit(_make_chunk, chunk, parameters, directory)] = chunk
            if not pending:
                return
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                chunk = pending.pop(future)
                yield from _note(directory, chunk, future.result())
    except BrokenProcessPool as error:
        raise DataError(
            f"{directory}: a process of the build was killed (out of memory?); run it again, it resumes"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _note(
    directory: Path, tasks: Sequence[_Task], results: Sequence[Written | str]
) -> Iterator[tuple[_Task, Written | str]]:
    plate_store.append_journal(directory, [result for result in results if isinstance(result, Written)])
    yield from zip(tasks, results, strict=True)

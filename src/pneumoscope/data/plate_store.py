"""The files of a plate cache: an array that grows in place, a journal, an index, and a lock.

A cache directory holds

    plates.npy      (N, S, S) uint8, a plain .npy file that `numpy.load(mmap_mode="r")` opens
    index.json      parameters, their hash, per row the film's SHA-256 and the plate's CRC-32, and where the
                    films lay whose frame was cut off
    journal.jsonl   only while a build runs, or after one was killed: the plates written so far

The index is replaced in one step and only after its plates are written, so a reader never sees half a build.
"""

import contextlib
import json
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from pneumoscope.errors import DataError
from pneumoscope.image.frame import Box
from pneumoscope.image.prepare import PrepareParameters

__all__ = [
    "PLATES",
    "CacheFailure",
    "CacheIndex",
    "Written",
    "append_journal",
    "crc32",
    "lock",
    "open_plates",
    "read_index",
    "read_journal",
    "remove_journal",
    "reserve_plates",
    "write_index",
]

FORMAT = 1
PLATES = "plates.npy"
_INDEX = "index.json"
_JOURNAL = "journal.jsonl"
_LOCK = "build.lock"


@dataclass(frozen=True, slots=True)
class CacheFailure:
    """A film of the manifest that has no plate.

    Attributes:
        sha256: of the file, as the manifest says.
        path: relative to the root, posix.
        reason: why there is no plate, and what to do.
    """

    sha256: str
    path: str
    reason: str


class Written(NamedTuple):
    """A plate that has been written.

    Attributes:
        row: where.
        sha256: of the film's file.
        crc: CRC-32 of the plate.
        inside: what was left of the film when its frame was cut off; None where nothing was.
    """

    row: int
    sha256: str
    crc: int
    inside: Box | None


@dataclass(frozen=True, slots=True)
class CacheIndex:
    """What index.json holds.

    Attributes:
        parameters: that the plates were made with.
        films: per row the file's SHA-256 and the plate's CRC-32, None where the film could not be read.
        failures: the films that could not be read.
        inside: of films whose frame was cut off, by their SHA-256, what was left.
    """

    parameters: PrepareParameters
    films: tuple[tuple[str, int | None], ...] = ()
    failures: tuple[CacheFailure, ...] = ()
    inside: Mapping[str, Box] = field(default_factory=dict)


def crc32(plate: NDArray[np.uint8]) -> int:
    """Checksum of one plate's bytes in row order."""
    return zlib.crc32(np.ascontiguousarray(plate).data)


def read_index(directory: Path) -> CacheIndex | None:
    """Read index.json, or None where there is none.

    Raises:
        DataError: it is damaged, of another format, or its parameters do not give its hash.
    """
    path = directory / _INDEX
    if not path.is_file():
        return None
    try:
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if stored["format"] != FORMAT:
            raise DataError(
                f"{path}: cache format {stored['format']}, not {FORMAT}; delete it and build again"
            )
        parameters = PrepareParameters.model_validate(stored["parameters"])
        films = tuple((str(sha256), None if crc is None else int(crc)) for sha256, crc in stored["films"])
        failures = tuple(CacheFailure(**failure) for failure in stored["failures"])
        inside = {str(sha256): _box(box) for sha256, box in stored.get("inside", {}).items()}
        parameters_sha256 = stored["parameters_sha256"]
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise DataError(
            f"{path}: not the index of a plate cache ({error}); delete it and build again"
        ) from error
    if parameters_sha256 != parameters.sha256():
        raise DataError(
            f"{path}: the parameters do not give the stored hash; delete the cache and build again"
        )
    if len({sha256 for sha256, _ in films}) != len(films):
        raise DataError(f"{path}: one film stands in two rows; delete the cache and build again")
    return CacheIndex(parameters, films, failures, inside)


def _box(numbers: Sequence[int]) -> Box:
    top, left, height, width = numbers
    return int(top), int(left), int(height), int(width)


def write_index(directory: Path, index: CacheIndex) -> None:
    """Replace index.json in one step."""
    stored = {
        "format": FORMAT,
        "parameters": index.parameters.model_dump(mode="json"),
        "parameters_sha256": index.parameters.sha256(),
        "films": index.films,
        "failures": [asdict(failure) for failure in index.failures],
        "inside": {sha256: index.inside[sha256] for sha256, _ in index.films if sha256 in index.inside},
    }
    temporary = directory / f"{_INDEX}.new"
    temporary.write_text(json.dumps(stored, separators=(",", ":")) + "\n", encoding="utf-8")
    temporary.replace(directory / _INDEX)


def read_journal(directory: Path) -> list[Written]:
    """Plates that a killed build had written; a last line that was cut short by the kill is left out."""
    path = directory / _JOURNAL
    if not path.is_file():
        return []
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row, sha256, crc, inside = json.loads(line)
        except ValueError:
            break
        entries.append(Written(int(row), str(sha256), int(crc), None if inside is None else _box(inside)))
    return entries


def append_journal(directory: Path, entries: Iterable[Written]) -> None:
    """Note plates as written."""
    lines = "".join(json.dumps(entry) + "\n" for entry in entries)
    with (directory / _JOURNAL).open("a", encoding="utf-8") as journal:
        journal.write(lines)


def remove_journal(directory: Path) -> None:
    """The build is complete."""
    (directory / _JOURNAL).unlink(missing_ok=True)


def open_plates(directory: Path, size: int, *, writable: bool = False) -> NDArray[np.uint8]:
    """Map plates.npy.

    Returns:
        (N, size, size) uint8 memory map.

    Raises:
        DataError: the file is missing, cut short, or of another shape or dtype.
    """
    path = directory / PLATES
    try:
        plates = np.lib.format.open_memmap(path, mode="r+" if writable else "r")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be mapped ({error}); delete the cache and build again") from error
    if plates.dtype != np.uint8 or plates.ndim != 3 or plates.shape[1:] != (size, size):
        raise DataError(
            f"{path}: holds {plates.dtype} {plates.shape}, not uint8 (N, {size}, {size}); "
            "delete the cache and build again"
        )
    return plates


def reserve_plates(directory: Path, rows: int, size: int) -> None:
    """Make plates.npy at least `rows` long; plates that are there stay where they are.

    numpy pads the header of a .npy file so that its first axis can grow in place.

    Raises:
        DataError: what is there cannot grow.
    """
    path = directory / PLATES
    if not path.exists():
        # The file appears under its name only once its header is complete.
        temporary = directory / f"{PLATES}.new"
        np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=(rows, size, size))
        temporary.replace(path)
        return
    if open_plates(directory, size).shape[0] >= rows:
        return
    with path.open("r+b") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        offset = file.tell()
        file.truncate(offset + rows * size * size)
        file.seek(0)
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|u1", "fortran_order": False, "shape": (rows, size, size)}
        )
        if file.tell() != offset:
            raise DataError(f"{path}: no room to grow; delete the cache and build again")


@contextlib.contextmanager
def lock(directory: Path) -> Iterator[None]:
    """Let one build at a time work in a directory; the lock goes with its process, however that ends.

    Raises:
        DataError: another build holds it.
    """
    with (directory / _LOCK).open("ab") as file:
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DataError(f"{directory}: another build of this cache is running") from error
        yield

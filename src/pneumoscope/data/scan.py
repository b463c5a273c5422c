"""Looking at every file once: hash, size, picture facts and signature, remembered between runs.

What was seen is kept in an SQLite file beside the manifest, keyed by path, size and time of last change: a
second run looks only at what changed, and a run that was killed goes on where its last commit was.
"""

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import astuple, dataclass, fields
from multiprocessing import get_context
from pathlib import Path, PurePosixPath

from pneumoscope.data.hashing import signature
from pneumoscope.errors import DataError, FilmError
from pneumoscope.image.read import FILM_SUFFIXES, begins_like_dicom, read

__all__ = ["Progress", "Seen", "find_files", "look_at", "scan"]

Progress = Callable[[int, int], None]
"""Called with (files done, files in all)."""

SCAN_VERSION = 2
"""Raise when the facts below are computed otherwise: what an older version saw is looked at again."""

_FILES_PER_TASK = 64
_TASKS_AHEAD = 4
_HASH_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at one file told.

    Attributes:
        path: POSIX path relative to the root.
        size: bytes.
        mtime_ns: time of last change.
        sha256: of its bytes; "" where it could not be opened.
        status: "film"; "error" or "rejected", for a file that claims to be one and is not; "other".
        format: None where it is no readable film.
        width: columns, None where it is no readable film.
        height: rows.
        view: view position of a DICOM file.
        age: years, of a DICOM file.
        phash: None where there is no picture, or one without contrast.
        miniature: 1,024 bytes, or None as above.
        reason: why a file that claims to be a film is none; None otherwise.
    """

    path: str
    size: int
    mtime_ns: int
    sha256: str
    status: str
    format: str | None = None
    width: int | None = None
    height: int | None = None
    view: str | None = None
    age: float | None = None
    phash: str | None = None
    miniature: bytes | None = None
    reason: str | None = None


def find_files(root: Path, *, without: Path | None = None) -> list[str]:
    """Every file under a folder, sorted; links to folders are not followed.

    Args:
        root: the folder.
        without: a folder to leave out, such as where results are written.

    Returns:
        POSIX paths relative to the root.

    Raises:
        DataError: the root is no folder, or a file name is no text that a table can hold.
    """
    if not root.is_dir():
        raise DataError(f"{root}: there is no such folder")
    left_out = without.resolve() if without is not None else None
    found: list[str] = []
    for directory, folders, names in os.walk(root):
        here = Path(directory)
        folders[:] = sorted(folder for folder in folders if (here / folder).resolve() != left_out)
        found.extend((here / name).relative_to(root).as_posix() for name in names if (here / name).is_file())
    for path in found:
        if not path.isprintable():
            raise DataError(f"{root}: the file name {path!a} is no printable text; rename the file")
    return sorted(found)


def look_at(root: Path, path: str) -> Seen:
    """Read one file and say what it is.

    Args:
        root: the folder that the path is relative to.
        path: POSIX path.

    Returns:
        What was seen; the file is read as a film where its name or its first bytes say that it may be one.
    """
    file = root / path
    size, changed = 0, 0
    try:
        status = file.stat()
        size, changed = status.st_size, status.st_mtime_ns
        digest = _sha256(file)
    except OSError as error:
        return Seen(path, size, changed, "", "error", reason=f"the file cannot be opened ({error.strerror})")
    if not _may_be_film(file):
        return Seen(path, size, changed, digest, "other")
    try:
        film = read(file, name=path)
    except FilmError as error:
        return Seen(path, size, changed, digest, error.status, reason=error.reason)
    look = signature(film.pixels)
    return Seen(
        path,
        size,
        changed,
        digest,
        "film",
        film.format,
        film.width,
        film.height,
        film.view_position,
        film.age_years,
        look.phash if look else None,
        look.miniature if look else None,
    )


def scan(
    root: Path,
    paths: Sequence[str],
    memory: Path,
    *,
    workers: int = 1,
    afresh: bool = False,
    progress: Progress | None = None,
) -> list[Seen]:
    """Look at files, in parallel, skipping those that were seen before and have not changed.

    Args:
        root: the folder that the paths are relative to.
        paths: POSIX paths.
        memory: SQLite file that remembers; made where it is missing.
        workers: processes; with one, this process does the work itself.
        afresh: forget what was seen before.
        progress: told how many files are done.

    Returns:
        One record per path, in order.

    Raises:
        DataError: the memory is not ours, or a decoder brought a worker process down.
    """
    if afresh:
        memory.unlink(missing_ok=True)
    with closing(_open(memory)) as database:
        todo = _unseen(database, root, paths)
        done = len(paths) - len(todo)
        if progress:
            progress(done, len(paths))
        for records in _looked_at(root, todo, workers):
            with database:
                placeholders = ", ".join("?" * len(fields(Seen)))
                database.executemany(
                    f"INSERT OR REPLACE INTO seen VALUES ({placeholders})",
                    [astuple(record) for record in records],
                )
            done += len(records)
            if progress:
                progress(done, len(paths))
        wanted = set(paths)
        records_by_path = {
            row[0]: Seen(*row) for row in database.execute("SELECT * FROM seen") if row[0] in wanted
        }
    return [records_by_path[path] for path in paths]


def _looked_at(root: Path, paths: Sequence[str], workers: int) -> Iterator[list[Seen]]:
    """Records in portions, as they are ready."""
    portions = [paths[start : start + _FILES_PER_TASK] for start in range(0, len(paths), _FILES_PER_TASK)]
    if workers <= 1 or len(portions) <= 1:
        for portion in portions:
            yield _look_at_portion(root, portion)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting: set[Future[list[Seen]]] = set()
        remaining = iter(portions)
        try:
            while True:
                for portion in remaining:
                    waiting.add(pool.submit(_look_at_portion, root, portion))
                    if len(waiting) >= workers * _TASKS_AHEAD:
                        break
                if not waiting:
                    return
                ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in ready:
                    yield future.result()
        except BrokenProcessPool as error:
            raise DataError(
                "a worker process died while reading films, most likely for lack of memory; "
                "run again, with fewer workers: what was seen so far is kept"
            ) from error
        finally:
            for future in waiting:
                future.cancel()


def _look_at_portion(root: Path, paths: Iterable[str]) -> list[Seen]:
    return [look_at(root, path) for path in paths]


def _open(memory: Path) -> sqlite3.Connection:
    """The memory, empty where it was written by another version of this module."""
    memory.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(memory)
    try:
        if database.execute("PRAGMA user_version").fetchone()[0] != SCAN_VERSION:
            with database:
                database.execute("DROP TABLE IF EXISTS seen")
                columns = ", ".join(field.name for field in fields(Seen))
                database.execute(f"CREATE TABLE seen ({columns}, PRIMARY KEY (path))")
                database.execute(f"PRAGMA user_version = {SCAN_VERSION}")
    except sqlite3.DatabaseError as error:
        database.close()
        raise DataError(f"{memory}: not a memory of seen files ({error}); delete it and run again") from error
    return database


def _unseen(database: sqlite3.Connection, root: Path, paths: Sequence[str]) -> list[str]:
    """Paths that are new or whose size or time of change differ from what was seen."""
    seen = {
        path: (size, changed)
        for path, size, changed in database.execute("SELECT path, size, mtime_ns FROM seen")
    }
    todo: list[str] = []
    for path in paths:
        known = seen.get(path)
        if known is None:
            todo.append(path)
            continue
        try:
            status = (root / path).stat()
        except OSError:
            todo.append(path)
            continue
        if known != (status.st_size, status.st_mtime_ns):
            todo.append(path)
    return todo


def _may_be_film(file: Path) -> bool:
    suffix = PurePosixPath(file.name).suffix.lower()
    return suffix in FILM_SUFFIXES or (not suffix and begins_like_dicom(file))


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_HASH_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()

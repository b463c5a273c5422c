"""A job whose result is one Parquet file.

Beside `results.parquet` lies a journal, the folder `results.parquet.parts`, for as long as the job runs:

    job.json            what the records have in common
    lock                held by the run that writes
    00000000.parquet    the first records, and so on; each appears whole, by a rename

At the end the parts become the file, again by a rename, and the journal goes. The file says how many parts it
holds, so that those which a kill left behind are known for what they are.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pneumoscope.batch.job import (
    COMMIT_RECORDS,
    COMMIT_SECONDS,
    JOB_FIELDS,
    NUMBER_FIELDS,
    JobIdentity,
    check_identity,
    job_row,
)
from pneumoscope.batch.writing import cause_and_remedy, hold
from pneumoscope.errors import MissingExtraError, PneumoscopeError, UsageError
from pneumoscope.runtime.film import Record

if TYPE_CHECKING:
    import pyarrow

__all__ = ["open_parquet_job"]

_ABOUT = b"pneumoscope"
_ROWS_PER_GROUP = 16384
_ANOTHER_FILE = "name another file, or remove this one and the folder {}"


@contextmanager
def open_parquet_job(out: Path, identity: JobIdentity) -> Iterator["ParquetJob"]:
    """Begin the job whose result is `out`, or go on with it.

    Raises:
        UsageError: `out` cannot be written, is no result of a job, holds results of another identity, or
            another run is writing it.
        MissingExtraError: pyarrow is not installed.
        PneumoscopeError: it cannot be written any more, or a part was altered.
    """
    try:
        import pyarrow  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtraError("pyarrow", "jobs") from None
    target = Path(os.path.realpath(out))
    if target.exists() and not target.is_file():
        raise UsageError(f"--out {out} cannot be written: it is no regular file; name another one")
    journal = target.with_name(f"{target.name}.parts")
    try:
        lock = _lock(journal, out)
    except OSError as error:
        raise UsageError(f"--out {out} cannot be written: {cause_and_remedy(error)}") from error
    job = None
    with lock:
        try:
            job = ParquetJob(target, journal, identity)
            try:
                yield job
            finally:
                job.commit()
        except OSError as error:
            raise PneumoscopeError(
                f"{out} cannot be written: {cause_and_remedy(error)}; what is done is kept, and the same"
                " command goes on from there"
            ) from error
        finally:
            # A job that was refused or has written nothing leaves nothing. After a finished one, what is
            # there belongs to the next run.
            if job is None or not job.finished:
                with suppress(OSError):
                    if [path.name for path in journal.iterdir()] == ["lock"]:
                        _remove(journal)


class ParquetJob:
    """The file, its journal, and the records that are not in either yet; made by `open_parquet_job`."""

    def __init__(self, target: Path, journal: Path, identity: JobIdentity) -> None:
        self._target = target
        self._journal = journal
        self._identity = identity
        self._rows: list[dict[str, str | float | None]] = []
        self._committed = time.monotonic()
        self.finished = False
        merged = self._read_about(target)
        stated = _read_identity(journal)
        remedy = _ANOTHER_FILE.format(journal.name)
        for found in (merged and merged[0], stated):
            if found:
                check_identity(str(target), found, identity, remedy)
        for leftover in journal.glob("*.new"):
            leftover.unlink()
        self._begin = merged[1] if merged else 0
        for part in self._parts():
            if int(part.stem) < self._begin:
                part.unlink()
        self._next = max([self._begin, *(int(part.stem) + 1 for part in self._parts())])
        done: set[str] = set()
        self.scored = 0
        for file in ([target] if merged else []) + self._parts():
            for batch in _batches(file, ["path", "status"]):
                done.update(batch.column("path").to_pylist())
                self.scored += batch.column("status").to_pylist().count("ok")
        self.done = frozenset(done)
        self._safe = len(done)

    @property
    def records(self) -> int:
        """Number of records, those of earlier runs and those that are not safe yet among them."""
        return self._safe + len(self._rows)

    def write(self, number: int, record: Record) -> None:  # noqa: ARG002
        """Take one record; many make a part."""
        self._rows.append(job_row(record, self._identity))
        if len(self._rows) >= COMMIT_RECORDS or time.monotonic() - self._committed >= COMMIT_SECONDS:
            self.commit()

    def commit(self) -> None:
        """Write what is waiting as the next part."""
        import pyarrow
        from pyarrow import parquet

        self._committed = time.monotonic()
        if not self._rows:
            return
        if _read_identity(self._journal) is None:
            text = json.dumps(asdict(self._identity), indent=2) + "\n"
            _put(self._journal / "job.json", lambda path: path.write_text(text, encoding="utf-8"))
        table = pyarrow.Table.from_pylist(self._rows, schema=self._schema(0))
        _put(self._journal / f"{self._next:08d}.parquet", lambda path: parquet.write_table(table, path))
        self._next += 1
        self._safe += len(self._rows)
        self._rows.clear()

    def finish(self) -> None:
        """Make one file of the former file and all parts, and remove the journal."""
        self.commit()
        parts = self._parts()
        if parts or not self._target.exists():
            files = ([self._target] if self._target.exists() else []) + parts
            merged = self._journal / "merged.new"
            self._merge(files, merged)
            _sync(merged)
            merged.replace(self._target)
            _sync(self._target.parent)
        for part in parts:
            part.unlink()
        (self._journal / "job.json").unlink(missing_ok=True)
        self.finished = True
        _remove(self._journal)

    def _merge(self, files: list[Path], merged: Path) -> None:
        """Copy rows in order, a bounded number in memory at a time."""
        import pyarrow
        from pyarrow import parquet

        schema = self._schema(self._next)
        with parquet.ParquetWriter(merged, schema) as writer:
            waiting: list[pyarrow.RecordBatch] = []
            for file in files:
                for batch in _batches(file, list(JOB_FIELDS)):
                    waiting.append(batch)
                    if sum(len(one) for one in waiting) >= _ROWS_PER_GROUP:
                        writer.write_table(pyarrow.Table.from_batches(waiting).cast(schema))
                        waiting.clear()
            if waiting:
                writer.write_table(pyarrow.Table.from_batches(waiting).cast(schema))

    def _parts(self) -> list[Path]:
        return sorted(self._journal.glob("[0-9]*.parquet"))

    def _schema(self, parts: int) -> "pyarrow.Schema":
        """Columns, and in the metadata the identity and how many parts are in the file."""
        import pyarrow

        columns = [
            (name, pyarrow.float64() if name in NUMBER_FIELDS else pyarrow.string()) for name in JOB_FIELDS
        ]
        about = json.dumps(asdict(self._identity) | {"parts": parts})
        return pyarrow.schema(columns, metadata={_ABOUT: about.encode()})

    @staticmethod
    def _read_about(target: Path) -> tuple[JobIdentity, int] | None:
        """Identity and number of parts of a finished file; None where there is no file."""
        import pyarrow
        from pyarrow import parquet

        if not target.exists():
            return None
        try:
            metadata = parquet.read_schema(target).metadata or {}
            about = json.loads(metadata[_ABOUT])
            return _identity(about), int(about["parts"])
        except (pyarrow.ArrowInvalid, KeyError, ValueError) as error:
            raise UsageError(
                f"{target} exists and is no result of this command: name another file, or remove it"
            ) from error


def _batches(file: Path, columns: list[str]) -> "Iterator[pyarrow.RecordBatch]":
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(file) as opened:
            yield from opened.iter_batches(_ROWS_PER_GROUP, columns=columns)
    except pyarrow.ArrowInvalid as error:
        raise PneumoscopeError(
            f"{file} is damaged: remove it, and the same command scores its films again"
        ) from error


def _identity(about: dict[str, Any]) -> JobIdentity:
    return JobIdentity(about["bundle_sha256"], about["model"], about["operating_point"])


def _read_identity(journal: Path) -> JobIdentity | None:
    path = journal / "job.json"
    try:
        return _identity(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (KeyError, ValueError) as error:
        raise PneumoscopeError(f"{path} is damaged: remove the folder {journal} and begin again") from error


def _put(path: Path, write: Callable[[Path], object]) -> None:
    """Let a file appear whole, and stay even if the power fails."""
    new = path.with_name(f"{path.name}.new")
    write(new)
    _sync(new)
    new.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    if path.is_dir() and os.name != "posix":  # only there can a folder be opened
        return
    descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock(journal: Path, out: Path) -> IO[bytes]:
    """Hold the journal for this process; the system lets go of it however the process ends."""
    while True:
        journal.mkdir(exist_ok=True)
        path = journal / "lock"
        try:
            file = path.open("wb")
        except FileNotFoundError:  # the run that held it has just finished
            continue
        try:
            hold(file, out)
        except (OSError, UsageError):
            file.close()
            raise
        if sys.platform == "win32":
            return file
        # It may have been removed, by a run that finished, between opening and locking.
        if path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino:
            return file
        file.close()


def _remove(journal: Path) -> None:
    with suppress(OSError):  # somebody has put something there, or begun the next run
        (journal / "lock").unlink()
        journal.rmdir()

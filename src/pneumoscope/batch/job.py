"""A job: records that are written as they come and found again by the next run, however the last one ended.

`--out results.parquet` and `--out postgresql+psycopg://...` are jobs. Each film is in the result exactly
once; what is committed stays, and a rerun of the same command scores the rest. Films that have been added
since come last; those that have gone keep their records.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pneumoscope.errors import UsageError
from pneumoscope.runtime.film import RECORD_FIELDS, Record

__all__ = [
    "COMMIT_RECORDS",
    "COMMIT_SECONDS",
    "JOB_FIELDS",
    "Job",
    "JobIdentity",
    "check_identity",
    "film_key",
    "is_job",
    "job_row",
    "open_job",
    "unscored",
]

JOB_FIELDS = (*RECORD_FIELDS, "bundle_sha256")
"""Columns of a job's result; all but the numbers are text."""

NUMBER_FIELDS = frozenset({"probability", "logit", "threshold"})
"""Those of them that are 64-bit floating point."""

# What a kill may cost: so many records, or the work of so many seconds, whichever is less.
COMMIT_RECORDS = 256
COMMIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class JobIdentity:
    """What all records of one job have in common.

    Attributes:
        bundle_sha256: of the bundle that scores.
        model: its name and version.
        operating_point: which of its thresholds decides.
    """

    bundle_sha256: str
    model: str
    operating_point: str


class Job(Protocol):
    """A result that grows.

    Attributes:
        done: keys, as `film_key` makes them, of films that have their record already.
        scored: how many of these were scored, and neither rejected nor unreadable.
    """

    done: frozenset[str]
    scored: int

    @property
    def records(self) -> int:
        """Number of records, those of earlier runs and those that are not safe yet among them."""

    def write(self, number: int, record: Record) -> None:
        """Take the record of the film at place `number` of the list; it is safe when it is committed."""

    def commit(self) -> None:
        """Make everything written safe."""

    def finish(self) -> None:
        """Commit, and bring the result into its final form: every film has its record."""


def is_job(out: str) -> bool:
    """Whether records for `out` make a job.

    >>> is_job("results.parquet"), is_job("sqlite:///results.db"), is_job("results.csv")
    (True, True, False)
    """
    return "://" in out or out.lower().endswith(".parquet")


@contextmanager
def open_job(out: str, name: str, identity: JobIdentity) -> Iterator[Job]:
    """Begin a job or go on with it; what has been written is committed however the block ends.

    Args:
        out: path of a Parquet file, or an SQLAlchemy URL of SQLite or PostgreSQL.
        name: of the job, which tells it from others in the same database; a file is one job.
        identity: of the records to come.

    Raises:
        UsageError: `out` cannot be opened, is something else, or holds results of another identity.
        MissingExtraError: a library that it takes is not installed.
        PneumoscopeError: it cannot be written any more.
    """
    if "://" in out:
        from pneumoscope.batch.sql_job import open_sql_job

        with open_sql_job(out, name, identity) as job:
            yield job
        return
    from pneumoscope.batch.parquet_job import open_parquet_job

    with open_parquet_job(Path(out), identity) as job:
        yield job


def unscored(films: Sequence[str], done: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Number and path of the films that have no record yet, each path once, in order.

    >>> list(unscored(["a.png", "b.png", "a.png", "c.png"], frozenset({"b.png"})))
    [(0, 'a.png'), (3, 'c.png')]
    """
    seen: set[str] = set()
    for number, path in enumerate(films):
        key = film_key(path)
        if key not in done and key not in seen:
            seen.add(key)
            yield number, path


def film_key(path: str) -> str:
    r"""A path as a job stores it: as it is, but for bytes that are no text, which are spelt out.

    >>> film_key("ward/film.png"), film_key("ward/\udcff.png")
    ('ward/film.png', 'ward/\\udcff.png')
    """
    if path.isprintable():  # nearly always: no copy of every path of an archive
        return path
    return path.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def job_row(record: Record, identity: JobIdentity) -> dict[str, str | float | None]:
    """A record with the keys of `JOB_FIELDS`, its texts as any database takes them."""
    row = {key: film_key(value) if isinstance(value, str) else value for key, value in record.items()}
    return row | {"bundle_sha256": identity.bundle_sha256}


def check_identity(where: str, found: JobIdentity, wanted: JobIdentity, remedy: str) -> None:
    """Refuse to mix.

    Args:
        where: the results are.
        found: what is there.
        wanted: what this run would add.
        remedy: what else to do.

    Raises:
        UsageError: they differ.
    """
    if found.bundle_sha256 != wanted.bundle_sha256:
        raise UsageError(
            f"{where} holds results of the bundle {found.model} (sha256 {found.bundle_sha256[:12]}), and"
            f" cannot go on with {wanted.model} (sha256 {wanted.bundle_sha256[:12]}): {remedy}"
        )
    if found.operating_point != wanted.operating_point:
        raise UsageError(
            f"{where} holds results at the operating point {found.operating_point}, and cannot go on at"
            f" {wanted.operating_point}: {remedy}"
        )

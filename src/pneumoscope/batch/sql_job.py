"""A job whose result is a table of a database: SQLite for one person, PostgreSQL for a team.

One table for all jobs, with the primary key (job, path): no film can be there twice. Records are committed
in transactions of many. Two runs of one job do not disturb each other: the second one's records of a film
that the first has written meanwhile are left out.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pneumoscope.batch.job import (
    COMMIT_RECORDS,
    COMMIT_SECONDS,
    JOB_FIELDS,
    NUMBER_FIELDS,
    JobIdentity,
    check_identity,
    job_row,
)
from pneumoscope.errors import MissingExtraError, PneumoscopeError, UsageError
from pneumoscope.runtime.film import Record

if TYPE_CHECKING:
    from sqlalchemy import Engine, Table

__all__ = ["TABLE", "open_sql_job"]

TABLE = "pneumoscope_results"
_DIALECTS = ("sqlite", "postgresql")
_ROWS_PER_FETCH = 10_000


@contextmanager
def open_sql_job(url: str, name: str, identity: JobIdentity) -> Iterator["SqlJob"]:
    """Begin the job `name` in a database, or go on with it; the table is made where it does not exist.

    Args:
        url: of SQLAlchemy, for example `sqlite:///results.db` or `postgresql+psycopg://user@host/database`.
        name: of the job.
        identity: of the records to come.

    Raises:
        UsageError: it is no such URL, the database cannot be reached, or the job has another identity.
        MissingExtraError: SQLAlchemy or the driver is not installed.
        PneumoscopeError: the database does not take the records any more.
    """
    try:
        from sqlalchemy import exc
    except ModuleNotFoundError:
        raise MissingExtraError("sqlalchemy", "jobs") from None
    engine, where = _engine(url)
    try:
        try:
            table = _table(engine)
            job = SqlJob(engine, table, where, name, identity)
        except exc.SQLAlchemyError as error:
            raise UsageError(
                f"{where} cannot be opened: {_cause(error)}; check the address, and that you may write there"
            ) from error
        try:
            try:
                yield job
            finally:
                job.commit()
        except exc.SQLAlchemyError as error:
            raise PneumoscopeError(
                f"{where} does not take the records: {_cause(error)}; what is done is kept, and the same"
                " command goes on from there"
            ) from error
    finally:
        engine.dispose()


class SqlJob:
    """The rows of one job, and the records that are not among them yet; made by `open_sql_job`."""

    def __init__(
        self, engine: "Engine", table: "Table", where: str, name: str, identity: JobIdentity
    ) -> None:
        from sqlalchemy import select

        self._engine = engine
        self._table = table
        self._name = name
        self._identity = identity
        self._rows: list[dict[str, Any]] = []
        self._committed = time.monotonic()
        columns = table.c
        done: set[str] = set()
        self.scored = 0
        with engine.connect() as connection:
            mine = select(columns.path, columns.status).where(columns.job == name)
            streamed = connection.execute(mine, execution_options={"yield_per": _ROWS_PER_FETCH})
            for rows in streamed.partitions():
                done.update(row.path for row in rows)
                self.scored += sum(row.status == "ok" for row in rows)
            found = (
                select(columns.bundle_sha256, columns.model, columns.operating_point)
                .where(columns.job == name)
                .distinct()
            )
            for sha256, model, operating_point in connection.execute(found).all():
                check_identity(
                    f"the job {name!r} in {where}",
                    # A film that was not scored has neither a model nor an operating point.
                    JobIdentity(sha256, model or "unknown", operating_point or identity.operating_point),
                    identity,
                    "give this one another name with --job",
                )
        self.done = frozenset(done)
        self._safe = len(done)

    @property
    def records(self) -> int:
        """Number of records, those of earlier runs and those that are not safe yet among them."""
        return self._safe + len(self._rows)

    def write(self, number: int, record: Record) -> None:
        """Take one record; many make a transaction."""
        row = job_row(record, self._identity)
        self._rows.append(row | {"job": self._name, "number": number})
        if len(self._rows) >= COMMIT_RECORDS or time.monotonic() - self._committed >= COMMIT_SECONDS:
            self.commit()

    def commit(self) -> None:
        """Write what is waiting in one transaction."""
        from sqlalchemy.dialects import postgresql, sqlite

        self._committed = time.monotonic()
        if not self._rows:
            return
        # A run that was killed may have had its last transaction on the way when this one read what is done.
        insert = (sqlite if self._engine.dialect.name == "sqlite" else postgresql).insert(self._table)
        with self._engine.begin() as connection:
            connection.execute(insert.on_conflict_do_nothing(index_elements=["job", "path"]), self._rows)
        self._safe += len(self._rows)
        self._rows.clear()

    def finish(self) -> None:
        """Commit; the table is its own final form."""
        self.commit()


def _engine(url: str) -> tuple["Engine", str]:
    """Engine of a URL, and the URL without its password."""
    from sqlalchemy import create_engine, exc, make_url

    try:
        parsed = make_url(url)
    except exc.ArgumentError:
        raise UsageError(
            "--out is no URL of SQLAlchemy: write sqlite:///results.db or postgresql+psycopg://user@host/database"
        ) from None
    where = parsed.render_as_string(hide_password=True)
    if parsed.get_backend_name() not in _DIALECTS:
        raise UsageError(f"{where} is no SQLite or PostgreSQL database, and only these are written to")
    try:
        return create_engine(parsed), where
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "jobs") from None
    except exc.NoSuchModuleError:
        raise UsageError(f"{where} names a driver that SQLAlchemy does not know: leave it out") from None


def _table(engine: "Engine") -> "Table":
    """The table, made if it is not there."""
    from sqlalchemy import Column, Double, Integer, MetaData, Table, Text

    columns = [
        Column(
            name,
            Double() if name in NUMBER_FIELDS else Text(),
            primary_key=name == "path",
            nullable=name not in ("path", "status", "bundle_sha256"),
        )
        for name in JOB_FIELDS
    ]
    metadata = MetaData()
    table = Table(
        TABLE, metadata, Column("job", Text(), primary_key=True), Column("number", Integer()), *columns
    )
    metadata.create_all(engine)
    return table


def _cause(error: Exception) -> str:
    """First line of what the database says; the rest repeats the statement, and with it the films' names."""
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]

"""Reads what a job has written, without the code that wrote it."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet
from sqlalchemy import create_engine, text


def rows_of(out: str, job: str = "default") -> list[dict[str, Any]]:
    """Rows of a result, in order: those of a Parquet file, or those of a job in a database, by number."""
    if "://" not in out:
        rows: list[dict[str, Any]] = pyarrow.parquet.read_table(out).to_pylist()
        assert not Path(f"{out}.parts").exists()
        return rows
    engine = create_engine(out)
    with closing(engine.connect()) as connection:
        statement = text("SELECT * FROM pneumoscope_results WHERE job = :job ORDER BY number")
        found = [dict(row._mapping) for row in connection.execute(statement, {"job": job})]
    engine.dispose()
    for row in found:
        assert row.pop("job") == job
        del row["number"]
    return found

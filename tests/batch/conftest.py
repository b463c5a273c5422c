"""Databases for jobs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from postgresql import postgresql_cluster, postgresql_programs


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """URL of a new PostgreSQL database; skipped, saying so, where no server is installed."""
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed: apt-get install postgresql")
    with postgresql_cluster(programs) as url:
        yield url


@pytest.fixture(params=["parquet", "sqlite", "postgresql"])
def out(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a job's records go: nothing is there yet."""
    if request.param == "parquet":
        return str(tmp_path / "results.parquet")
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'results.db'}"
    url: str = request.getfixturevalue("postgresql")
    from sqlalchemy import create_engine, text

    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS pneumoscope_results"))
    engine.dispose()
    return url

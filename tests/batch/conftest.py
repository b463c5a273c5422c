"""Databases for jobs, and a web server for films."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
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


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """Address of a server that shows the files in `tmp_path`."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=str(tmp_path))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()

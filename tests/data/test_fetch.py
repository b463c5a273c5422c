"""Downloads arrive whole, go on where they broke off, and are checked; against a server on this machine."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pneumoscope.data.fetch import fetch_file, fetch_source
from pneumoscope.data.sources import Download, find_source
from pneumoscope.errors import DataError, UsageError

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Script:
    """How the server behaves, and what it was asked."""

    content: bytes = CONTENT
    etag: str = '"one"'
    break_after: list[int] = field(default_factory=list)  # bytes to send before each broken answer
    understands_range: bool = True
    status: int = 200
    ranges: list[str | None] = field(default_factory=list)


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def address(script: Script) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            script.ranges.append(wanted)
            if script.status != 200:
                self.send_error(script.status)
                return
            start = 0
            if wanted and script.understands_range and self.headers.get("If-Range") == script.etag:
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
                self.send_response(206)
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(script.content) - 1}/{len(script.content)}"
                )
            else:
                self.send_response(200)
            body = script.content[start:]
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", script.etag)
            self.end_headers()
            self.wfile.write(body[: script.break_after.pop(0)] if script.break_after else body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/set.zip"
    server.shutdown()
    thread.join()
    server.server_close()


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_file_arrives_with_progress_and_its_hash(address: str, tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    file = fetch_file(
        Download(address, "set.zip", SHA256, len(CONTENT)),
        tmp_path / "deep",
        progress=lambda name, here, total: told.append((name, here, total)),
    )
    assert file.read_bytes() == CONTENT
    assert told[-1] == ("set.zip", len(CONTENT), len(CONTENT))
    assert [here for _, here, _ in told] == sorted(here for _, here, _ in told)
    assert names(file.parent) == ["set.zip", "set.zip.sha256"]
    assert (tmp_path / "deep/set.zip.sha256").read_text() == f"{SHA256}  set.zip\n"


def test_a_broken_download_goes_on_where_it_was(address: str, script: Script, tmp_path: Path) -> None:
    script.break_after = [300_000, 200_000]
    assert fetch_file(Download(address, "set.zip", SHA256), tmp_path).read_bytes() == CONTENT
    assert script.ranges == [None, "bytes=300000-", "bytes=500000-"]


def test_a_later_run_goes_on_too(address: str, script: Script, tmp_path: Path) -> None:
    script.break_after = [100_000] * 5
    with pytest.raises(DataError, match=r"broke off 5 times.*run again"):
        fetch_file(Download(address, "set.zip"), tmp_path)
    assert names(tmp_path) == ["set.zip.partial", "set.zip.partial.mark"]
    assert fetch_file(Download(address, "set.zip", SHA256), tmp_path).read_bytes() == CONTENT
    assert script.ranges[-1] == "bytes=500000-"


def test_a_file_that_changed_meanwhile_is_fetched_afresh(
    address: str, script: Script, tmp_path: Path
) -> None:
    script.break_after = [100_000] * 5
    with pytest.raises(DataError):
        fetch_file(Download(address, "set.zip"), tmp_path)
    script.content, script.etag = CONTENT[::-1], '"two"'
    assert fetch_file(Download(address, "set.zip"), tmp_path).read_bytes() == CONTENT[::-1]


def test_a_server_without_ranges_still_works(address: str, script: Script, tmp_path: Path) -> None:
    script.break_after, script.understands_range = [300_000], False
    assert fetch_file(Download(address, "set.zip", SHA256), tmp_path).read_bytes() == CONTENT


def test_a_complete_file_is_checked_and_not_fetched_again(
    address: str, script: Script, tmp_path: Path
) -> None:
    download = Download(address, "set.zip")
    fetch_file(download, tmp_path)
    fetch_file(download, tmp_path)
    assert len(script.ranges) == 1
    (tmp_path / "set.zip").write_bytes(CONTENT[:-1])
    with pytest.raises(DataError, match="delete it and fetch again"):
        fetch_file(download, tmp_path)


@pytest.mark.parametrize("wrong", [{"sha256": "0" * 64}, {"bytes": 17}])
def test_something_else_than_was_published_is_not_kept(
    address: str, tmp_path: Path, wrong: dict[str, object]
) -> None:
    with pytest.raises(DataError, match=r"SHA-256 is|bytes came"):
        fetch_file(Download(address, "set.zip", **wrong), tmp_path)  # type: ignore[arg-type]
    assert "set.zip" not in names(tmp_path)
    assert "set.zip.partial" not in names(tmp_path)


@pytest.mark.parametrize("status", [403, 404, 503])
def test_a_refusal_is_told(address: str, script: Script, tmp_path: Path, status: int) -> None:
    script.status = status
    with pytest.raises(DataError, match=f"the server says {status}"):
        fetch_file(Download(address, "set.zip"), tmp_path)
    assert len(script.ranges) == 1


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "/etc/hostname"])
def test_only_web_addresses_are_fetched(tmp_path: Path, url: str) -> None:
    with pytest.raises(DataError, match="only http and https"):
        fetch_file(Download(url, "x"), tmp_path)


def test_sets_behind_an_account_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Kaggle account"):
        fetch_source(find_source("rsna-challenge"), tmp_path)

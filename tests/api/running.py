"""A real server in a process of its own, on loopback, and a plain way to talk to it."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from threading import Thread
from typing import Any

import pneumoscope

LAUNCHER = Path(__file__).with_name("launch.py")
BOUNDARY = "a-line-of-no-film"


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @classmethod
    def of(cls, response: HTTPResponse) -> "Answer":
        return cls(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """A running server.

    Attributes:
        port: where it listens.
        process: its process.
        folder: its working and temporary folder.
        log: lines of its standard error so far.
    """

    port: int
    process: subprocess.Popen[bytes]
    folder: Path
    log: list[str] = field(default_factory=list)
    reader: Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, **options: Any
    ) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {}, **options)
            return Answer.of(connection.getresponse())
        finally:
            connection.close()

    def send(self, path: str, *films: bytes, name: str = "film.png", headers: Any = None) -> Answer:
        """Post films in the field that the path asks for."""
        field_ = "film" if path.split("?")[0] in ("/v1/predict", "/v1/heatmap") else "films"
        body = form(*((field_, name, film) for film in films))
        return self.ask("POST", path, body, {"content-type": FORM, **(headers or {})})

    def written(self) -> list[str]:
        """Files that the process opened for writing."""
        return (self.folder.parent / "writes").read_text().splitlines()

    def left(self) -> list[Path]:
        """Files in its working and temporary folder."""
        return list(self.folder.iterdir())

    def logged(self, words: str, seconds: float = 30) -> str:
        """The log once it holds some words: a request's line is written after its answer.

        Raises:
            AssertionError: it did not in time.
        """
        deadline = time.monotonic() + seconds
        while words not in (log := "".join(self.log)):
            assert time.monotonic() < deadline, log
            time.sleep(0.01)
        return log

    def resident_mb(self) -> float:
        """Memory of the process in megabytes; 0 where the system does not tell."""
        status = Path(f"/proc/{self.process.pid}/status")
        if not status.is_file():
            return 0.0
        return int(re.search(r"^VmRSS:\s+(\d+) kB$", status.read_text(), re.MULTILINE)[1]) / 1024

    def metric(self, name: str) -> float:
        text = self.ask("GET", "/metrics").body.decode()
        return float(re.search(rf"^{re.escape(name)} (.*)$", text, re.MULTILINE)[1])


FORM = f"multipart/form-data; boundary={BOUNDARY}"


def form(*parts: tuple[str, str, bytes]) -> bytes:
    """A form of (field, file name, content)."""
    pieces = []
    for name, file_name, content in parts:
        head = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n\r\n'
        )
        pieces += [head.encode("utf-8", "surrogateescape"), content, b"\r\n"]
    return b"".join([*pieces, f"--{BOUNDARY}--\r\n".encode()])


def head(length: int, **headers: str) -> bytes:
    """Head of a request with one film, for a plain socket."""
    lines = ["POST /v1/predict HTTP/1.1", "Host: a", f"Content-Type: {FORM}", f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


@contextmanager
def running(bundle: Path, home: Path, *options: str, token: str | None = None) -> Iterator[Server]:
    """Start `pneumoscope serve` and stop it.

    Args:
        bundle: folder of the bundle.
        home: an empty folder for what the process might write.
        options: of the command.
        token: in the environment.
    """
    folder = home / "cwd"
    folder.mkdir()
    (home / "writes").touch()
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PNEUMOSCOPE_TOKEN", "CI")
    } | {
        "TMPDIR": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(Path(pneumoscope.__file__).parents[1]),
        "OMP_NUM_THREADS": "1",
        "NOTED_WRITES": str(home / "writes"),
        **({} if token is None else {"PNEUMOSCOPE_TOKEN": token}),
    }
    command = [sys.executable, "-P", "-W", "error", str(LAUNCHER), "serve", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--model", str(bundle), *options],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    server = Server(0, process, folder)
    try:
        for line in iter(process.stderr.readline, b""):
            server.log.append(line.decode())
            if found := re.search(rb"running on http://[^ ]*:(\d+)", line):
                server.port = int(found[1])
                break
        assert server.port, "".join(server.log)
        server.reader = Thread(target=_drain, args=(server,), daemon=True)
        server.reader.start()
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)
        if server.reader is not None:
            server.reader.join(60)
        process.stderr.close()


def _drain(server: Server) -> None:
    for line in iter(server.process.stderr.readline, b""):
        server.log.append(line.decode(errors="replace"))

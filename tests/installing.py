"""Environments as a user, a container or Spaces makes them: filled by pip, away from the checkout."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

# What pip needs to find its index, its cache and the way out; all else of this process stays here.
_FOR_PIP = ("HOME", "PATH", "XDG_CACHE_HOME", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE")


def made_environment(folder: Path) -> Path:
    """A new virtual environment in a folder; returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    return folder / "bin" / "python"


def pip_variables() -> dict[str, str]:
    """What pip needs to be told here."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper() in _FOR_PIP or name.startswith("PIP_")
    }


def pip(python: Path, *arguments: str, cwd: Path) -> None:
    """Run pip of an environment in a working directory."""
    command = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, cwd=cwd, env=pip_variables(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@dataclass
class Started:
    """A server in a process of its own.

    Attributes:
        port: where it listens on this machine.
        process: itself.
        said: lines that it printed so far.
    """

    process: subprocess.Popen[str]
    port: int = 0
    said: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def started(
    command: Sequence[str | Path], environment: dict[str, str], cwd: Path, user: int | None = None
) -> Iterator[Started]:
    """Start a server that prints its address, and stop it.

    Args:
        command: and its arguments.
        environment: all of it.
        cwd: working directory.
        user: number of another user to run as; None for this one.
    """
    process = subprocess.Popen(
        [str(word) for word in command],
        env=environment | {"PYTHONUNBUFFERED": "1"},
        cwd=cwd,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    server = Started(process)
    reader = Thread(target=lambda: server.said.extend(process.stdout), daemon=True)
    try:
        for line in iter(process.stdout.readline, ""):
            server.said.append(line)
            if found := re.search(r"https?://[^\s:]+:(\d+)", line):
                server.port = int(found[1])
                break
        assert server.port, "".join(server.said)
        reader.start()
        yield server
    finally:
        process.terminate()
        process.wait(120)
        if server.port:
            reader.join(120)
        process.stdout.close()

"""Files of a run directory, each replaced whole: a kill leaves the old file or the new one, never half."""

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import torch

from pneumoscope.errors import DataError

__all__ = [
    "LOG",
    "RECIPE",
    "RUN",
    "STATE",
    "WEIGHTS",
    "Journal",
    "code_revision",
    "load_state",
    "save_state",
    "write_json",
]

RECIPE = "recipe.json"
WEIGHTS = "weights.safetensors"
STATE = "state.pt"
LOG = "log.jsonl"
RUN = "run.json"

_STATE_FORMAT = 1


def _replace(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write one JSON file, indented, with a final newline."""
    text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    _replace(path, lambda file: file.write(text.encode()))


def save_state(directory: Path, state: Mapping[str, Any]) -> None:
    """Write what a killed run needs to go on, as `state.pt`."""
    _replace(directory / STATE, lambda file: torch.save({"format": _STATE_FORMAT, **state}, file))


def load_state(directory: Path) -> dict[str, Any] | None:
    """Read `state.pt`, None where there is none. Nothing but tensors, numbers and text is unpickled.

    Raises:
        DataError: it was written by another version.
    """
    path = directory / STATE
    if not path.is_file():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if state.get("format") != _STATE_FORMAT:
        raise DataError(f"{path}: was written by another version; start the run again in a new directory")
    return state


class Journal:
    """log.jsonl: one record a line, on disk at once.

    Args:
        path: of the file.
        size: bytes to keep of what is there; the rest was written after the checkpoint that is resumed.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        with path.open("ab") as file:
            file.truncate(size)

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._path.stat().st_size

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one record."""
        with self._path.open("ab") as file:
            file.write(json.dumps(record).encode() + b"\n")


def code_revision() -> str:
    """Git commit of this code, with "-modified" where tracked files differ from it, or "unknown"."""
    folder = Path(__file__).parent
    try:
        tracked = _git(folder, "ls-files", "--", Path(__file__).name)
        if not tracked:
            return "unknown"
        modified = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".")
        return _git(folder, "rev-parse", "HEAD") + ("-modified" if modified else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

"""The Containerfile, read without building it."""

import json
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_TEXT = (ROOT / "Containerfile").read_text(encoding="utf-8")
INSTRUCTIONS = [
    tuple(line.split(None, 1))
    for line in _TEXT.replace("\\\n", " ").splitlines()
    if line and not line.startswith("#")
]


def values(name: str) -> list[str]:
    """What stands behind each instruction of a name, in order."""
    return [value for instruction, value in INSTRUCTIONS if instruction == name]


def last(name: str) -> str:
    """What stands behind the last instruction of a name: the one that counts."""
    return values(name)[-1]


def words(name: str) -> list[str]:
    """The command of an ENTRYPOINT, CMD or HEALTHCHECK, which are JSON so that no shell stands between."""
    found = json.loads("[" + last(name).split("[", 1)[1])
    assert isinstance(found, list)
    return found


def variables() -> dict[str, str]:
    """What ENV sets, but PATH."""
    pairs = dict(pair.split("=", 1) for value in values("ENV") for pair in shlex.split(value))
    return {name: value for name, value in pairs.items() if name != "PATH"}


def copied() -> list[str]:
    """Files and folders that are copied from the checkout."""
    return [
        word
        for value in values("COPY")
        for word in value.split()[:-1]
        if not value.startswith("--from") and not word.startswith("-")
    ]


def documented_runs() -> list[tuple[list[str], list[str]]]:
    """Options and arguments of each `podman run` in the Containerfile and in docs/serving.md."""
    text = _TEXT + (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    runs = [line.removeprefix("#").split() for line in text.splitlines() if "podman run" in line]
    images = [run.index("pneumoscope") for run in runs]
    return [(run[:at], run[at + 1 :]) for run, at in zip(runs, images, strict=True)]

"""The command line, run inside the test's own process."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from generated import chest_like
from pneumoscope.cli.main import main
from tiny_bundle import make_tiny_bundle


class Outcome(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `pneumoscope ARGUMENTS...` and return its exit status and what it printed."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["pneumoscope", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Outcome(int(exit_.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder `films` in the working directory: a/x.png, b/x.png, b/y.jpg, and two files that are no films."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("a/x.png", "b/x.png", "b/y.jpg")):
        path = tmp_path / "films" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(chest_like(seed, height=150 + 10 * seed, width=140, opacity=seed == 1)).save(path)
    for name in ("notes.txt", "b/list.csv"):
        (tmp_path / "films" / name).write_text("not a film")
    return Path("films")

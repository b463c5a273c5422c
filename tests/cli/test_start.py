"""What scoring one film imports: each package that it does without is time that nobody waits for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from generated import chest_like

# The packages are listed when everything has ended; `main` leaves by sys.exit.
CODE = """
import atexit, sys
atexit.register(lambda: print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr))
sys.argv[0] = "pneumoscope"
from pneumoscope.cli.main import main
main()
"""


def imported(*arguments: object, before: str = "") -> set[str]:
    """Packages that a command line brings into an interpreter that first does what is `before`."""
    environment = {name: value for name, value in os.environ.items() if name != "PYDANTIC_DISABLE_PLUGINS"}
    done = subprocess.run(
        [sys.executable, "-c", before + CODE, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return set(done.stderr.split())


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.png"
    Image.fromarray(chest_like(1, opacity=True)).save(path)
    return path


def test_png_needs_no_dicom(film: Path, tiny: Path) -> None:
    packages = imported("predict", film, "--model", tiny, "--format", "csv")
    assert {"pneumoscope", "onnxruntime", "PIL"} <= packages
    assert not packages & {"pydicom", "openjpeg", "requests", "rich", "pyarrow", "sqlalchemy"}


def test_pydantic_looks_for_no_plugins(film: Path, tiny: Path) -> None:
    """Looking would read the metadata of every package that is installed."""
    forbidden = "import importlib.metadata; importlib.metadata.distributions = None"
    assert "pydantic" in imported("predict", film, "--model", tiny, before=forbidden)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["predict", "--help"]])
def test_help_needs_no_numbers(arguments: list[str]) -> None:
    assert not imported(*arguments) & {"numpy", "onnxruntime", "PIL"}

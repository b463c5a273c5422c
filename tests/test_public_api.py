"""The names that others build on, and what importing them costs."""

import subprocess
import sys

import pytest

import pneumoscope
from pneumoscope import errors

TRAINING = {"torch", "torchvision", "timm", "onnx", "sklearn", "scipy", "yaml", "pyarrow"}
SCORING = {"numpy", "PIL", "pydicom", "onnxruntime", "pydantic"}
OTHER_EXTRAS = {"matplotlib", "pandas", "gradio", "fastapi", "ray"}


def test_names() -> None:
    assert pneumoscope.__all__ == sorted(pneumoscope.__all__)
    for name in pneumoscope.__all__:
        assert getattr(pneumoscope, name) is not None
    assert {"Film", "Failure", "Predictor", "load", *errors.__all__} <= set(pneumoscope.__all__)


def test_every_error_has_one_root() -> None:
    for name in errors.__all__:
        assert issubclass(getattr(pneumoscope, name), pneumoscope.PneumoscopeError)


def imported_by(statement: str) -> set[str]:
    """Packages that a statement brings into an interpreter of its own."""
    code = f"import sys; {statement}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    ["import pneumoscope; pneumoscope.Predictor; pneumoscope.load", "import pneumoscope.batch.scoring"],
)
def test_scoring_is_light(statement: str) -> None:
    loaded = imported_by(statement)
    assert {"pneumoscope", "numpy", "pydantic"} <= loaded
    assert not loaded & (TRAINING | OTHER_EXTRAS)


@pytest.mark.parametrize("module", ["pneumoscope", "pneumoscope.cli.main", "pneumoscope.cli.predict"])
def test_import_takes_nothing_heavy(module: str) -> None:
    loaded = imported_by(f"import {module}")
    assert "pneumoscope" in loaded
    assert not loaded & (SCORING | TRAINING | OTHER_EXTRAS)


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="module 'pneumoscope' has no attribute 'Radiology'"):
        _ = pneumoscope.Radiology
    assert dir(pneumoscope) == pneumoscope.__all__


def test_import_is_silent() -> None:
    code = "import logging, pneumoscope; assert not logging.getLogger().handlers"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

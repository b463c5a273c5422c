"""The names that others build on, and what importing them costs."""

import subprocess
import sys

import pytest

import pneumoscope
from pneumoscope import errors

TRAINING = {"torch", "torchvision", "timm", "onnx", "sklearn", "scipy", "yaml", "pyarrow"}
OTHER_EXTRAS = {"matplotlib", "pandas", "gradio", "fastapi", "ray"}


def test_names() -> None:
    assert pneumoscope.__all__ == sorted(pneumoscope.__all__)
    for name in pneumoscope.__all__:
        assert getattr(pneumoscope, name) is not None
    assert {"Film", "Failure", "Predictor", "load", *errors.__all__} <= set(pneumoscope.__all__)


def test_every_error_has_one_root() -> None:
    for name in errors.__all__:
        assert issubclass(getattr(pneumoscope, name), pneumoscope.PneumoscopeError)


@pytest.mark.parametrize("module", ["pneumoscope", "pneumoscope.cli.main", "pneumoscope.cli.predict"])
def test_import_is_light(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"pneumoscope", "numpy"} <= loaded
    assert not loaded & (TRAINING | OTHER_EXTRAS)


def test_import_is_silent() -> None:
    code = "import logging, pneumoscope; assert not logging.getLogger().handlers"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

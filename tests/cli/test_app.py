"""`pneumoscope app`: whom it lets in and what it warns of. The running page: tests/web."""

import subprocess
import sys

import pytest

from .conftest import Run


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PNEUMOSCOPE_TOKEN", raising=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "films.example.org"])
def test_other_machines_need_a_password(run: Run, host: str) -> None:
    outcome = run("app", "--host", host, "--model", "no-such-bundle")
    assert outcome.status == 2
    assert "set PNEUMOSCOPE_TOKEN, or say --without-token" in outcome.err


def test_a_weak_password_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PNEUMOSCOPE_TOKEN", "short")
    outcome = run("app", "--model", "no-such-bundle")
    assert outcome.status == 2
    assert "at least 16 characters" in outcome.err


@pytest.mark.parametrize("options", [("--operating-point", "strict"), ("--model", "no-such-bundle")])
def test_what_does_not_exist_is_told_before_the_page_opens(run: Run, options: tuple[str, str]) -> None:
    outcome = run("app", *options)
    assert outcome.err.startswith("pneumoscope: there is no ")


@pytest.mark.parametrize("verb", ["app", "predict", "serve"])
def test_modules_are_light(verb: str) -> None:
    code = f"import sys, pneumoscope.cli.{verb}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"gradio", "fastapi", "starlette", "uvicorn", "onnxruntime"}

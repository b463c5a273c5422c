"""`pneumoscope serve`: whom it lets in, said before anything is loaded. The running server: tests/api."""

import subprocess
import sys

import pytest

from .conftest import Run


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PNEUMOSCOPE_TOKEN", raising=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "films.example.org"])
def test_other_machines_need_a_token(run: Run, host: str) -> None:
    outcome = run("serve", "--host", host, "--model", "no-such-bundle")
    assert outcome.status == 2
    assert "set PNEUMOSCOPE_TOKEN, or say --without-token" in outcome.err


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_needs_none(run: Run, host: str) -> None:
    assert "there is no bundle" in run("serve", "--host", host, "--model", "no-such-bundle").err


def test_without_token_has_to_be_said(run: Run) -> None:
    outcome = run("serve", "--host", "0.0.0.0", "--without-token", "--model", "no-such-bundle")
    assert "there is no bundle" in outcome.err


@pytest.mark.parametrize("token", ["short", " spaces-around-a-token ", "tökens-are-ascii-only"])
def test_weak_token_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("PNEUMOSCOPE_TOKEN", token)
    outcome = run("serve", "--model", "no-such-bundle")
    assert outcome.status == 2
    assert "at least 16 characters" in outcome.err
    assert token not in outcome.err


def test_module_is_light() -> None:
    code = (
        "import sys, pneumoscope.cli.serve; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"fastapi", "starlette", "uvicorn", "onnxruntime"}

"""One command, its verbs, its errors and its exit status."""

import subprocess
import sys
from pathlib import Path

import pytest

import pneumoscope
from pneumoscope import errors
from pneumoscope.cli import main as module

from .conftest import Run


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"pneumoscope {pneumoscope.__version__}\n", "")


def test_help_lists_every_verb(run: Run) -> None:
    outcome = run("--help")
    assert outcome.status == 0
    for verb in module._VERBS:
        assert f" {verb} " in outcome.out


@pytest.mark.parametrize("verb", sorted(module._VERBS))
def test_every_verb_explains_itself(run: Run, verb: str) -> None:
    outcome = run(verb, "--help")
    assert outcome.status == 0
    assert f"pneumoscope {verb}" in outcome.out


def test_unknown_verb_is_wrong_usage(run: Run) -> None:
    outcome = run("predikt")
    assert outcome.status == 2
    assert "predikt" in outcome.err
    assert "predict" in outcome.err


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.UsageError("it cannot be so"), 2),
        (errors.BundleError("it cannot be so"), 1),
        (errors.DataError("it cannot be so"), 1),
        (errors.PneumoscopeError("it cannot be so"), 1),
    ],
)
def test_our_errors_are_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: errors.PneumoscopeError, status: int
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(module, "app", fail)
    assert run("anything") == (status, "", "pneumoscope: it cannot be so\n")


@pytest.mark.parametrize(
    ("package", "extra"), [("torch", "train"), ("gradio", "web"), ("timm.models", "train")]
)
def test_missing_extra_says_what_to_install(
    run: Run, monkeypatch: pytest.MonkeyPatch, package: str, extra: str
) -> None:
    def fail(**_: object) -> None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)

    monkeypatch.setattr(module, "app", fail)
    outcome = run("train")
    assert outcome.status == 1
    assert outcome.err.endswith(f"is not installed; run: pip install 'pneumoscope[{extra}]'\n")


def test_mistake_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise ModuleNotFoundError("No module named 'pneumoscop'", name="pneumoscop")

    monkeypatch.setattr(module, "app", fail)
    with pytest.raises(ModuleNotFoundError, match="pneumoscop"):
        module.main()


def test_verb_is_imported_only_when_it_is_called(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['pneumoscope', 'models']\n"
        "from pneumoscope.cli.main import main\n"
        "try: main()\n"
        "finally: print(sorted(m for m in sys.modules if m.startswith('pneumoscope.cli.')), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert "['pneumoscope.cli.main', 'pneumoscope.cli.models']" in done.stderr

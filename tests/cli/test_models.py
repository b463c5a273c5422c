"""What is shipped, and what a bundle says about itself."""

import json
from pathlib import Path

import pytest

from pneumoscope.runtime import bundle_files
from pneumoscope.runtime.bundle import open_bundle
from tiny_bundle import make_tiny_bundle, tiny_card

from .conftest import Run


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(bundle_files, "_SHIPPED", tmp_path)
    monkeypatch.setattr(bundle_files, "DEFAULT_BUNDLE", "tiny")
    return make_tiny_bundle(tmp_path / "tiny")


def test_list(run: Run, shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    outcome = run("models")
    assert (outcome.status, outcome.err) == (0, "")
    for part in ("tiny (default)", "0.1.0", "simple_cnn", "0.0 MB", "0.960 (0.940 to 0.970)"):
        assert part in outcome.out


def test_list_for_programs(run: Run, shipped: Path) -> None:
    assert json.loads(run("models", "--json").out) == [tiny_card().model_dump(mode="json")]


def test_nothing_shipped(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_files, "_SHIPPED", tmp_path)
    assert run("models") == (0, "", "no bundle is shipped with this version\n")
    assert run("models", "--json") == (0, "[]\n", "")


def test_card(run: Run, shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    outcome = run("models", "tiny")
    assert outcome.status == 0
    for part in (
        "tiny 0.1.0",
        "Artificial films.",
        "Its weights are random numbers.",
        "size 64, fit letterbox",
        "0.970 (0.940 to 0.990)",
        "auc 0.960 (0.940 to 0.970)",
        open_bundle(shipped).sha256,
    ):
        assert part in outcome.out


def test_card_for_programs(run: Run, tiny: Path) -> None:
    assert json.loads(run("models", tiny, "--json").out) == json.loads((tiny / "card.json").read_text())


def test_altered_bundle_is_not_shown(run: Run, shipped: Path) -> None:
    with (shipped / "README.md").open("a") as file:
        file.write("It is perfect.")
    for arguments in ((), ("tiny",), ("--json",)):
        outcome = run("models", *arguments)
        assert (outcome.status, outcome.out) == (1, "")
        assert "README.md is not the file that SHA256SUMS names" in outcome.err


def test_unknown_name(run: Run) -> None:
    outcome = run("models", "nothing")
    assert (outcome.status, outcome.out) == (1, "")
    assert "there is no bundle 'nothing'" in outcome.err

"""A guard travels in the bundle, hashed like everything else, and stands in front of the network."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from generated import chest_like
from pneumoscope.errors import BundleError, RejectedFilmError
from pneumoscope.image.radiograph import Radiograph
from pneumoscope.runtime.bundle import open_bundle, write_bundle
from pneumoscope.runtime.film import Failure, Film
from pneumoscope.runtime.loading import load
from pneumoscope.runtime.predictor import Predictor
from tiny_bundle import tiny_card, tiny_onnx
from tiny_guard import tiny_guard

NOISE = np.random.default_rng(3).integers(0, 256, (180, 150), np.uint8)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("guarded")
    write_bundle(directory, tiny_onnx(), tiny_card(), "# guarded\n", tiny_guard())
    return directory


def test_guard_that_was_written_is_read(guarded: Path) -> None:
    bundle = open_bundle(guarded)
    assert bundle.guard is not None
    assert bundle.guard.to_json() == tiny_guard().to_json()
    assert "guard.json" in (guarded / "SHA256SUMS").read_text()


def test_bundle_without_guard_has_none(tiny: Path) -> None:
    assert open_bundle(tiny).guard is None
    assert Predictor(open_bundle(tiny)).guard is None


def test_writing_without_guard_removes_an_older_one(guarded: Path, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(guarded, tmp_path / "copy"))
    write_bundle(directory, tiny_onnx(), tiny_card(), "# plain\n")
    assert open_bundle(directory).guard is None
    assert not (directory / "guard.json").exists()


@pytest.mark.parametrize("change", ["altered", "removed", "added"])
def test_guard_cannot_be_changed(guarded: Path, tiny: Path, tmp_path: Path, change: str) -> None:
    directory = Path(shutil.copytree(tiny if change == "added" else guarded, tmp_path / "copy"))
    content = (guarded / "guard.json").read_bytes()
    if change == "removed":
        (directory / "guard.json").unlink()
    else:
        (directory / "guard.json").write_bytes(content if change == "added" else content + b"\n")
    with pytest.raises(BundleError, match=r"SHA256SUMS"):
        open_bundle(directory)


def test_guard_of_another_format_is_refused(guarded: Path, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(guarded, tmp_path / "copy"))
    (directory / "guard.json").write_text("{}")
    names = ("README.md", "card.json", "guard.json", "model.onnx")
    sums = [f"{hashlib.sha256((directory / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (directory / "SHA256SUMS").write_text("".join(sums))
    with pytest.raises(BundleError, match="no valid guard"):
        open_bundle(directory)


def test_what_is_no_film_gets_no_number(guarded: Path) -> None:
    with pytest.raises(RejectedFilmError, match="does not look like a frontal chest radiograph"):
        load(guarded).predict(NOISE)
    failure = load(guarded).attempt(NOISE, name="noise")
    assert isinstance(failure, Failure)
    assert failure.status == "rejected"
    assert failure.path == "noise"


def test_without_guard_everything_gets_a_number(guarded: Path) -> None:
    predictor = load(guarded, guard=False)
    assert predictor.guard is None
    assert isinstance(predictor.attempt(NOISE), Film)


def test_guard_changes_no_number_and_adds_its_warnings(guarded: Path) -> None:
    pixels = chest_like(90_001)
    guarded_film, plain = load(guarded).predict(pixels), load(guarded, guard=False).predict(pixels)
    assert guarded_film.logit == plain.logit
    old = Radiograph(pixels, "film", "ARRAY", age_years=104.0, warnings=("first",))
    first, second = load(guarded).score(old).warnings
    assert first == "first"
    assert "104 years old" in second

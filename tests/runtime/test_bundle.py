"""What is read is what was written, and nothing else is ever read."""

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pneumoscope.errors import BundleError
from pneumoscope.runtime import bundle_files as module
from pneumoscope.runtime.bundle import BUNDLE_FILES, find_bundle, open_bundle, shipped_bundles, write_bundle
from tiny_bundle import make_tiny_bundle, tiny_card, tiny_onnx

FILES = (*BUNDLE_FILES, "SHA256SUMS")


RATE = {"value": 0.5, "low": 0.4, "high": 0.6}


def rewrite_card(directory: Path, **changes: object) -> None:
    """Change the card on disk and put the hashes right, as somebody who knows the format could."""
    card = json.loads((directory / "card.json").read_text())
    for key, value in changes.items():
        if value is None:
            del card[key]
        else:
            card[key] = value
    (directory / "card.json").write_text(json.dumps(card))
    sums = [
        f"{hashlib.sha256((directory / n).read_bytes()).hexdigest()}  {n}\n" for n in sorted(BUNDLE_FILES)
    ]
    (directory / "SHA256SUMS").write_text("".join(sums))


def test_what_was_written_is_read(tiny: Path) -> None:
    bundle = open_bundle(tiny)
    assert bundle.card == tiny_card()
    assert bundle.onnx == tiny_onnx()
    assert bundle.directory == tiny
    assert bundle.identity == "tiny 0.1.0"
    assert bundle.sha256 == hashlib.sha256((tiny / "SHA256SUMS").read_bytes()).hexdigest()


def test_sha256sum_agrees(tiny: Path) -> None:
    done = subprocess.run(
        ["sha256sum", "-c", "SHA256SUMS"], cwd=tiny, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [f"{name}: OK" for name in sorted(BUNDLE_FILES)]


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_one_changed_byte_is_refused(tmp_path: Path, name: str, place: float, change: int) -> None:
    make_tiny_bundle(tmp_path)
    altered = bytearray((tmp_path / name).read_bytes())
    altered[int(place * len(altered))] ^= change
    (tmp_path / name).write_bytes(altered)
    with pytest.raises(BundleError, match=name.replace(".", r"\.")):
        open_bundle(tmp_path)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("tail", [b"", b"\n"])
def test_shorter_or_longer_file_is_refused(tmp_path: Path, name: str, tail: bytes) -> None:
    path = make_tiny_bundle(tmp_path) / name
    path.write_bytes(path.read_bytes() + tail if tail else path.read_bytes()[:-1])
    with pytest.raises(BundleError, match=name.replace(".", r"\.")):
        open_bundle(tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (make_tiny_bundle(tmp_path) / name).unlink()
    with pytest.raises(BundleError, match=rf"{name} is missing".replace(".", r"\.")):
        open_bundle(tmp_path)


@pytest.mark.parametrize("name", ["weights.pkl", ".hidden", "folder"])
def test_extra_file_is_named(tmp_path: Path, name: str) -> None:
    extra = make_tiny_bundle(tmp_path) / name
    extra.mkdir() if name == "folder" else extra.write_bytes(b"")
    with pytest.raises(BundleError, match=name):
        open_bundle(tmp_path)


def test_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    path = make_tiny_bundle(tmp_path) / "model.onnx"
    path.unlink()
    path.mkdir()
    with pytest.raises(BundleError, match=r"model\.onnx cannot be read"):
        open_bundle(tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_pipe_in_place_of_a_file_is_not_waited_for(tmp_path: Path, name: str) -> None:
    path = make_tiny_bundle(tmp_path) / name
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(BundleError, match="no regular file"):
        open_bundle(tmp_path)


def test_name_longer_than_any_folder_s() -> None:
    with pytest.raises(BundleError, match="there is no bundle"):
        find_bundle("x" * 300)


@pytest.mark.parametrize("line", ["", "0" * 64 + "  ../card.json\n"])
def test_hash_list_names_exactly_the_files(tmp_path: Path, line: str) -> None:
    path = make_tiny_bundle(tmp_path) / "SHA256SUMS"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[1:]) + line)
    with pytest.raises(BundleError, match="SHA256SUMS"):
        open_bundle(tmp_path)


def test_rewriting_the_card_alone_changes_nothing_else(tmp_path: Path) -> None:
    rewrite_card(make_tiny_bundle(tmp_path), version="0.1.1")
    assert open_bundle(tmp_path).identity == "tiny 0.1.1"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 2}, "format 2"),
        ({"format_version": None}, "format None"),
        ({"prepare_sha256": "f" * 64}, "digest of its prepare parameters"),
        ({"unheard_of": 1}, "unheard_of"),
        ({"temperature": 0}, "temperature"),
        ({"temperature": None}, "temperature"),
        ({"operating_points": {}}, "lacks the operating point 'screening'"),
        (
            {"curve": {"split": "s", "thresholds": [0.5], "sensitivity": [], "specificity": []}},
            "a curve needs",
        ),
        (
            {"curve": {"split": "s", "thresholds": [1.0], "sensitivity": [RATE], "specificity": [RATE]}},
            "must rise between 0 and 1",
        ),
    ],
)
def test_wrong_card_is_refused_though_its_hash_is_right(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    rewrite_card(make_tiny_bundle(tmp_path), **changes)
    with pytest.raises(BundleError, match=message) as caught:
        open_bundle(tmp_path)
    assert "card.json" in str(caught.value)


def test_card_that_is_no_json_is_refused(tmp_path: Path) -> None:
    make_tiny_bundle(tmp_path)
    rewrite_card(tmp_path)
    (tmp_path / "card.json").write_text("{")
    sums = (tmp_path / "SHA256SUMS").read_text().splitlines()
    sums[1] = f"{hashlib.sha256(b'{').hexdigest()}  card.json"
    (tmp_path / "SHA256SUMS").write_text("\n".join(sums) + "\n")
    with pytest.raises(BundleError, match=r"card\.json is not JSON"):
        open_bundle(tmp_path)


def test_writing_twice_gives_equal_bytes(tmp_path: Path) -> None:
    first, second = make_tiny_bundle(tmp_path / "a"), make_tiny_bundle(tmp_path / "b")
    make_tiny_bundle(second)
    assert [(first / name).read_bytes() for name in FILES] == [(second / name).read_bytes() for name in FILES]


def test_nothing_is_written_among_other_files(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_bytes(b"years of work")
    with pytest.raises(BundleError, match=r"thesis\.docx"):
        make_tiny_bundle(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]


def test_contradictory_card_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="digest"):
        write_bundle(tmp_path / "new", b"", tiny_card(prepare_sha256="0" * 64), "")
    assert not (tmp_path / "new").exists()


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="No such file"):
        open_bundle(tmp_path / "nowhere")


class TestFindBundle:
    @pytest.fixture(autouse=True)
    def shipped(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(module, "_SHIPPED", tmp_path / "bundles")
        make_tiny_bundle(tmp_path / "bundles" / "tiny")
        (tmp_path / "bundles" / "__pycache__").mkdir()
        monkeypatch.chdir(tmp_path)
        return tmp_path / "bundles"

    def test_shipped_are_listed(self, shipped: Path) -> None:
        assert shipped_bundles() == {"tiny": shipped / "tiny"}

    def test_name(self, shipped: Path) -> None:
        assert find_bundle("tiny") == shipped / "tiny"

    def test_name_wins_over_folder_here(self, shipped: Path) -> None:
        Path("tiny").mkdir()
        assert find_bundle("tiny") == shipped / "tiny"
        assert find_bundle("./tiny") == Path("tiny")
        assert find_bundle(Path("tiny")) == Path("tiny")

    def test_none_is_the_default(self, shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "DEFAULT_BUNDLE", "tiny")
        assert find_bundle() == shipped / "tiny"

    def test_missing_default_is_no_folder_of_that_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "DEFAULT_BUNDLE", "absent")
        Path("absent").mkdir()
        with pytest.raises(BundleError, match=r"no bundle 'absent'.*shipped are: tiny"):
            find_bundle()

    def test_unknown_name_says_what_there_is(self) -> None:
        with pytest.raises(BundleError, match=r"no bundle 'tyni'.*shipped are: tiny"):
            find_bundle("tyni")

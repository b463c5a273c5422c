"""Every file is looked at once, and again only if it changed; a killed run keeps what it saw."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from data.made_pool import dicom_film, person_film, save
from pneumoscope.data import scan as scan_module
from pneumoscope.data.scan import Seen, find_files, look_at, scan
from pneumoscope.errors import DataError


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The paths that are truly looked at."""
    seen: list[str] = []

    def spying(root: Path, path: str) -> Seen:
        seen.append(path)
        return look_at(root, path)

    monkeypatch.setattr(scan_module, "look_at", spying)
    yield seen


def films(root: Path, count: int) -> list[str]:
    for seed in range(count):
        save(root / f"{seed:03d}.png", person_film(seed))
    return [f"{seed:03d}.png" for seed in range(count)]


def test_files_are_found_at_any_depth_in_order_and_without_results(tmp_path: Path) -> None:
    for name in ("b/x.png", "a/deep/y", "a.txt", "out/seen.sqlite"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    assert find_files(tmp_path, without=tmp_path / "out") == ["a.txt", "a/deep/y", "b/x.png"]
    with pytest.raises(DataError, match="no such folder"):
        find_files(tmp_path / "missing")


def test_a_name_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"film-\xff.png")).write_bytes(b"")
    with pytest.raises(DataError, match=r"film-.udcff\.png.*rename"):
        find_files(tmp_path)


def test_what_is_seen_of_a_film(tmp_path: Path) -> None:
    film = person_film(1, height=90, width=110)
    file = save(tmp_path / "a" / "film.png", film)
    seen = look_at(tmp_path, "a/film.png")
    assert (seen.path, seen.status, seen.format, seen.width, seen.height) == (
        "a/film.png",
        "film",
        "PNG",
        110,
        90,
    )
    assert seen.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert seen.size == file.stat().st_size
    assert seen.phash is not None
    assert len(seen.phash) == 64
    assert seen.miniature is not None
    assert len(seen.miniature) == 1024
    assert seen.reason is None


def test_what_is_seen_of_a_dicom_film_without_suffix(tmp_path: Path) -> None:
    (tmp_path / "IM0001").write_bytes(dicom_film(person_film(1)))
    seen = look_at(tmp_path, "IM0001")
    assert (seen.status, seen.format, seen.view, seen.age) == ("film", "DICOM", "AP", 51.0)


def test_files_that_are_no_films(tmp_path: Path) -> None:
    (tmp_path / "cut.png").write_bytes(save(tmp_path / "whole.png", person_film(1)).read_bytes()[:900])
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "empty.dcm").write_bytes(b"")
    (tmp_path / "table.csv").write_text("a,b")
    save(tmp_path / "tiny.png", np.zeros((8, 8), np.uint8))
    save(tmp_path / "blank.png", np.full((80, 80), 9, np.uint8))
    for name in ("cut.png", "text.jpg", "empty.dcm"):
        seen = look_at(tmp_path, name)
        assert seen.status == "error"
        assert seen.reason
        assert seen.sha256 == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    assert look_at(tmp_path, "table.csv").status == "other"
    assert look_at(tmp_path, "tiny.png").status == "rejected"
    blank = look_at(tmp_path, "blank.png")
    assert (blank.status, blank.phash, blank.miniature) == ("film", None, None)
    gone = look_at(tmp_path, "gone.png")
    assert (gone.status, gone.sha256) == ("error", "")


def test_a_second_run_looks_only_at_what_changed(tmp_path: Path, looks: list[str]) -> None:
    root, memory = tmp_path / "root", tmp_path / "out" / "seen.sqlite"
    paths = films(root, 5)
    first = scan(root, paths, memory)
    assert looks == paths
    looks.clear()
    assert scan(root, paths, memory) == first
    assert looks == []
    save(root / "001.png", person_film(77))
    os.utime(root / "003.png", ns=(1, 1))
    second = scan(root, paths, memory)
    assert looks == ["001.png", "003.png"]
    assert second[1].sha256 != first[1].sha256
    assert second[3].sha256 == first[3].sha256
    looks.clear()
    scan(root, paths, memory, afresh=True)
    assert looks == paths


def test_a_killed_run_goes_on_where_it_was(
    tmp_path: Path, looks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_module, "_FILES_PER_TASK", 2)
    paths = films(tmp_path / "root", 7)
    memory = tmp_path / "seen.sqlite"

    def killed(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan(tmp_path / "root", paths, memory, progress=killed)
    assert looks == paths[:4]
    looks.clear()
    told: list[tuple[int, int]] = []
    records = scan(tmp_path / "root", paths, memory, progress=lambda done, total: told.append((done, total)))
    assert looks == paths[4:]
    assert told == [(4, 7), (6, 7), (7, 7)]
    assert records == [look_at(tmp_path / "root", path) for path in paths]


def test_processes_see_what_one_process_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_module, "_FILES_PER_TASK", 2)
    paths = films(tmp_path / "root", 6)
    alone = scan(tmp_path / "root", paths, tmp_path / "one.sqlite")
    assert scan(tmp_path / "root", paths, tmp_path / "two.sqlite", workers=2) == alone


def test_memory_of_another_version_is_not_trusted(
    tmp_path: Path, looks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = films(tmp_path / "root", 2)
    scan(tmp_path / "root", paths, tmp_path / "seen.sqlite")
    looks.clear()
    monkeypatch.setattr(scan_module, "SCAN_VERSION", scan_module.SCAN_VERSION + 1)
    scan(tmp_path / "root", paths, tmp_path / "seen.sqlite")
    assert looks == paths


def test_a_file_that_is_no_memory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "seen.sqlite").write_text("this is text, and long enough to be read as a page header " * 20)
    with pytest.raises(DataError, match="delete it"):
        scan(tmp_path, [], tmp_path / "seen.sqlite")

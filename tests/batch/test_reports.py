"""A folder of reports: names, links, and what may not happen to other files."""

from pathlib import Path

import pytest
from PIL import Image

from generated import chest_like
from pneumoscope.batch.reports import ReportFolder
from pneumoscope.errors import PneumoscopeError, UsageError
from pneumoscope.runtime.loading import load
from tiny_bundle import make_tiny_bundle


def test_pages_and_index(tmp_path: Path) -> None:
    predictor = load(make_tiny_bundle(tmp_path / "bundle"))
    paths = []
    for seed, name in enumerate(("a/x.png", "b/x.png", "index.png", "bad.png")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(chest_like(seed)).save(path)
        paths.append(str(path))
    (tmp_path / "bad.png").write_text("a letter")
    folder = tmp_path / "out" / "pages"
    reports = ReportFolder(paths, folder, predictor.bundle)
    for index, path in reversed(list(enumerate(paths))):
        reports.write(index, predictor.attempt(path))
    reports.finish()
    assert sorted(path.name for path in folder.iterdir()) == [
        "index-2.html",
        "index.html",
        "x-2.html",
        "x.html",
    ]
    index = (folder / "index.html").read_text()
    links = [part.split('"')[0] for part in index.split('href="')[1:]]
    assert links == ["x.html", "x-2.html", "index-2.html"]
    assert "4 chest films, 3 scored" in index
    assert "It is text, not an image" in index


def test_films_not_reached_are_not_in_the_index(tmp_path: Path) -> None:
    predictor = load(make_tiny_bundle(tmp_path / "bundle"))
    reports = ReportFolder(["a.png", "b.png"], tmp_path / "out", predictor.bundle)
    reports.write(1, predictor.attempt("b.png"))
    reports.finish()
    index = (tmp_path / "out" / "index.html").read_text()
    assert "2 chest films, 0 scored" in index
    assert "b.png" in index
    assert "a.png" not in index


def test_a_film_is_never_overwritten(tmp_path: Path) -> None:
    bundle = load(make_tiny_bundle(tmp_path / "bundle")).bundle
    with pytest.raises(UsageError, match="would be overwritten"):
        ReportFolder([str(tmp_path / "index.html")], tmp_path, bundle)


def test_folder_that_cannot_be(tmp_path: Path) -> None:
    bundle = load(make_tiny_bundle(tmp_path / "bundle")).bundle
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be made a folder"):
        ReportFolder(["a.png"], tmp_path / "file", bundle)


def test_page_that_cannot_be_written_leaves_no_part(tmp_path: Path) -> None:
    predictor = load(make_tiny_bundle(tmp_path / "bundle"))
    reports = ReportFolder(["a.png"], tmp_path / "out", predictor.bundle)
    (tmp_path / "out" / "index.html").mkdir()
    with pytest.raises(PneumoscopeError, match="cannot be written"):
        reports.finish()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["index.html"]

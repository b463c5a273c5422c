"""Overlays and maps: one per film, whole, under a predictable name, never over a film."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from generated import chest_like
from pneumoscope import load
from pneumoscope.batch.outputs import OutputFolders, refuse_to_overwrite
from pneumoscope.errors import PneumoscopeError, RejectedFilmError, UsageError
from pneumoscope.image.read import read
from pneumoscope.runtime.film import Film
from tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    return load(make_tiny_bundle(tmp_path_factory.mktemp("tiny"))).predict(
        chest_like(1, height=150, width=130)
    )


def test_map_is_the_film_s_own(film: Film, tmp_path: Path) -> None:
    folders = OutputFolders(["w/a.png", "v/a.png"], overlays=None, heatmaps=tmp_path / "new" / "maps")
    folders.write(1, film)
    (path,) = (tmp_path / "new" / "maps").iterdir()
    assert path.name == "a-2.npy"
    heatmap = np.load(path)
    assert heatmap.dtype == np.float32
    np.testing.assert_array_equal(heatmap, film.heatmap)


def test_overlay_is_the_film_s_own(film: Film, tmp_path: Path) -> None:
    OutputFolders(["a.dcm"], overlays=tmp_path, heatmaps=None).write(0, film)
    (path,) = tmp_path.iterdir()
    assert path.name == "a.png"
    np.testing.assert_array_equal(np.asarray(Image.open(path)), np.asarray(film.overlay()))


def test_nothing_is_made_unless_asked_for(
    film: Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    OutputFolders(["a.dcm"], overlays=None, heatmaps=None).write(0, film)
    assert list(tmp_path.iterdir()) == []


def test_older_file_is_replaced(film: Film, tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"old")
    OutputFolders(["a.dcm"], overlays=None, heatmaps=tmp_path).write(0, film)
    assert np.load(tmp_path / "a.npy").shape == (150, 130)


@pytest.mark.parametrize("folder", ["films", "films/../films", "link", "./films/"])
@pytest.mark.parametrize("name", ["a.png", "A.PNG"])
def test_film_is_never_overwritten(
    tmp_path: Path, folder: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("films").mkdir()
    Path("link").symlink_to("films")
    Path("films", name).write_bytes(b"a film")
    with pytest.raises(UsageError, match="one of the films"):
        OutputFolders([f"films/{name}"], overlays=Path(folder), heatmaps=None)
    assert Path("films", name).read_bytes() == b"a film"
    OutputFolders([f"films/{name}"], overlays=Path("films/overlays"), heatmaps=Path("films"))


def test_film_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for output in ("a.png", "./a.png", str(tmp_path / "a.png")):
        with pytest.raises(UsageError, match="one of the films"):
            refuse_to_overwrite(["b.png", "a.png"], [Path(output)])
    refuse_to_overwrite(["b.png", "a.png"], [Path("c/a.png")])


@pytest.mark.parametrize(("film", "output"), [("f.png", "o"), ("o", "f.png"), ("o", "o"), ("h", "f.png")])
def test_film_by_another_name_is_never_overwritten(
    tmp_path: Path, film: str, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("f.png").write_bytes(b"a film")
    Path("o").symlink_to("f.png")
    Path("h").hardlink_to("f.png")
    with pytest.raises(UsageError, match=f"{output} is one of the films"):
        refuse_to_overwrite(["absent.png", film], [Path("absent.npy"), Path(output)])
    refuse_to_overwrite(["absent.png", "a\0b/c.png", film], [Path("absent.npy")])


def test_records_and_a_film_s_file_are_two(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name another --out"):
        OutputFolders(["a.dcm"], overlays=tmp_path, heatmaps=None, records=tmp_path / "a.png")
    OutputFolders(["a.dcm"], overlays=tmp_path, heatmaps=None, records=tmp_path / "a.jsonl")


def test_overlay_is_no_film(film: Film, tmp_path: Path) -> None:
    OutputFolders(["a.dcm"], overlays=tmp_path, heatmaps=None).write(0, film)
    with pytest.raises(RejectedFilmError, match="overlay drawn by pneumoscope"):
        read(tmp_path / "a.png")


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match="cannot be made a folder"):
        OutputFolders(["a.dcm"], overlays=tmp_path / "file", heatmaps=None)


def test_folder_that_went_away(film: Film, tmp_path: Path) -> None:
    folders = OutputFolders(["a.dcm"], overlays=None, heatmaps=tmp_path / "maps")
    shutil.rmtree(tmp_path / "maps")
    with pytest.raises(PneumoscopeError, match=r"a\.npy cannot be written"):
        folders.write(0, film)


def test_half_a_file_is_never_left(film: Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(PneumoscopeError, match="No space left"):
        OutputFolders(["a.dcm"], overlays=None, heatmaps=tmp_path).write(0, film)
    assert list(tmp_path.iterdir()) == []

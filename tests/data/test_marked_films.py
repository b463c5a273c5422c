import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.made_pool import person_film, save
from generated import chest_like
from pneumoscope.data.joined import Roots
from pneumoscope.data.lung_finder import LungFinder
from pneumoscope.data.lungs import lung_mask
from pneumoscope.data.manifest import ManifestRow
from pneumoscope.data.marked_films import BoxedFilm, OutlinedFilm, marked_films
from pneumoscope.errors import DataError, UsageError
from pneumoscope.image.read import read


def _row(path, source="rsna-lungs", **changes):
    row = ManifestRow(source=source, path=path, sha256="0" * 64, bytes=1, label="PNEUMONIA", split="test")
    return replace(row, **{"boxes": json.dumps([[0.25, 0.5, 0.5, 0.25]]), "patient": "nih:1"} | changes)


@pytest.fixture
def outlined(tmp_path):
    """A film with its masks, as published."""
    save(tmp_path / "set/images/a.jpg", person_film(1, height=80, width=70))
    lesion, lung = np.zeros((80, 70), np.uint8), np.zeros((80, 70), np.uint8)
    lesion[10:20, 5:10], lung[5:30, 3:12] = 255, 255
    save(tmp_path / "set/masks/a_lesion.png", lesion)
    save(tmp_path / "set/masks/a_lung.png", lung)
    return (
        _row("set/images/a.jpg", "covid19-segmentations", boxes=None, patient="case:1"),
        lesion > 0,
        lung > 0,
    )


def test_boxes_of_a_cut_film_and_its_lungs(tmp_path):
    cut = np.zeros((64, 64), np.uint8)
    cut[10:50, 8:28] = cut[10:50, 36:56] = 120
    save(tmp_path / "cut.png", cut)
    (film,) = marked_films([_row("cut.png")], tmp_path, "test")
    boxes = ((0.25, 0.5, 0.5, 0.25),)
    assert film == BoxedFilm(tmp_path / "cut.png", "nih:1", "rsna-lungs", boxes, lung_mask)
    marks = film.marks(read(film.path))
    expected = np.zeros((64, 64), bool)
    expected[32:48, 16:48] = True
    np.testing.assert_array_equal(marks.lesions, expected)
    np.testing.assert_array_equal(marks.lungs, lung_mask(cut))
    assert marks.lungs.any()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_lungs_of_a_whole_film_are_found(tmp_path, dtype):
    whole = chest_like(2, height=224, width=224, noise=1.0)
    save(tmp_path / "whole.png", whole.astype(dtype) * (257 if dtype == np.uint16 else 1))
    (film,) = marked_films([_row("whole.png", "rsna-lungs-transplants")], tmp_path, "test")
    lungs = film.marks(read(film.path)).lungs
    np.testing.assert_array_equal(lungs, LungFinder().find(whole))
    assert lungs.any()


def test_outlines_are_read_from_the_masks(outlined, tmp_path):
    row, lesion, lung = outlined
    (film,) = marked_films([row], tmp_path, "test")
    assert isinstance(film, OutlinedFilm)
    marks = film.marks(read(film.path))
    np.testing.assert_array_equal(marks.lesions, lesion)
    np.testing.assert_array_equal(marks.lungs, lung)


def test_roots_of_several_manifests(outlined, tmp_path):
    row, lesion, _ = outlined
    (film,) = marked_films([row], Roots({row.path: tmp_path}), "test")
    np.testing.assert_array_equal(film.marks(read(film.path)).lesions, lesion)


def test_only_films_of_the_split_with_pneumonia_that_are_marked():
    rows = [
        _row("a.png"),
        _row("b.png", split="validation"),
        _row("c.png", label="NORMAL"),
        _row("d.png", boxes="[]"),
        _row("e.png", boxes=None),
        _row("f.png", source="other"),
        _row("g.png", patient=None),
    ]
    root = Path("films")
    assert [film.path.name for film in marked_films(rows, root, "test")] == ["a.png", "f.png", "g.png"]
    assert [film.path.name for film in marked_films(rows, root, "test", sources=["other"])] == ["f.png"]
    assert marked_films(rows, root, "test")[2].patient == "film g.png"
    assert [film.path for film in marked_films(rows, root, "validation")] == [root / "b.png"]


def test_wrong_usage_says_what_there_is():
    with pytest.raises(UsageError, match="no source 'rnsa': it has rsna-lungs"):
        marked_films([_row("a.png")], Path(), "test", sources=["rnsa"])
    with pytest.raises(UsageError, match=r"'train' of rsna-lungs holds no film with pneumonia"):
        marked_films([_row("a.png")], Path(), "train", sources=["rsna-lungs"])


def test_a_mask_of_another_film_is_refused(outlined, tmp_path):
    (film,) = marked_films([outlined[0]], tmp_path, "test")
    radiograph = read(film.path)
    Image.new("L", (70, 81)).save(film.lungs)
    with pytest.raises(DataError, match=r"a_lung\.png is \(81, 70\), its film \(80, 70\)"):
        film.marks(radiograph)
    film.lesions.write_text("no picture")
    with pytest.raises(DataError, match=r"a_lesion\.png: not a readable mask"):
        film.marks(radiograph)
    film.lesions.unlink()
    with pytest.raises(DataError, match=r"a_lesion\.png: not a readable mask"):
        film.marks(radiograph)

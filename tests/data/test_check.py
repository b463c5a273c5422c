"""A user's folder is checked for damage, copies, conflicts and shapes that give the label away."""

from pathlib import Path

import numpy as np
import pytest

from data.made_pool import person_film, save, stretched, write_table
from pneumoscope.data.check import FolderCheck, check_folder
from pneumoscope.errors import DataError, UsageError


def kinds(found: FolderCheck) -> list[str]:
    return [problem.kind for problem in found.problems]


def good_folder(root: Path, count: int = 24) -> None:
    for seed in range(count):
        label = ("NORMAL", "PNEUMONIA")[seed % 2]
        save(root / label / f"{seed}.png", person_film(seed, height=240 + seed // 2 % 3, width=230))


def test_a_good_folder_has_no_problem_and_is_left_alone(tmp_path: Path) -> None:
    good_folder(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    found = check_folder(tmp_path)
    assert found.problems == ()
    assert (found.files, found.films, found.labels) == (24, 24, {"NORMAL": 12, "PNEUMONIA": 12})
    assert sorted(tmp_path.rglob("*")) == before


def test_each_problem_is_found(tmp_path: Path) -> None:
    good_folder(tmp_path)
    (tmp_path / "NORMAL/broken.png").write_text("text")
    save(tmp_path / "NORMAL/tiny.png", np.zeros((5, 5), np.uint8))
    save(tmp_path / "NORMAL/blank.png", np.full((300, 300), 3, np.uint8))
    save(tmp_path / "NORMAL/copy.jpg", stretched(person_film(0, height=240, width=230), 220, 260))
    save(tmp_path / "PNEUMONIA/other.png", person_film(2, height=241, width=230))
    save(tmp_path / "PNEUMONIA/small.png", person_film(60, height=100, width=110))
    save(tmp_path / "PNEUMONIA/wide.png", person_film(61, height=210, width=480))
    found = check_folder(tmp_path)
    by_kind = {problem.kind: problem for problem in found.problems}
    assert sorted(kinds(found)) == sorted(
        ["unreadable", "rejected", "blank", "duplicate", "duplicate", "label conflict", "size", "shape"]
    )
    assert by_kind["unreadable"].paths == ("NORMAL/broken.png",)
    assert by_kind["rejected"].paths == ("NORMAL/tiny.png",)
    assert set(by_kind["label conflict"].paths) == {"NORMAL/2.png", "PNEUMONIA/other.png"}
    assert "NORMAL and PNEUMONIA" in by_kind["label conflict"].words
    assert by_kind["size"].paths == ("PNEUMONIA/small.png",)
    assert by_kind["shape"].paths == ("PNEUMONIA/wide.png",)


def test_a_shape_that_tells_the_label_is_found(tmp_path: Path) -> None:
    for seed in range(20):
        ill = seed % 2 == 1
        save(
            tmp_path / ("NORMAL", "PNEUMONIA")[ill] / f"{seed}.png",
            person_film(seed, height=260 if ill else 230, width=240),
        )
    words = " ".join(problem.words for problem in check_folder(tmp_path).problems)
    assert "the ratio of width to height alone tells PNEUMONIA from NORMAL with AUC 1.00" in words


def test_films_without_labels_are_checked_too(tmp_path: Path) -> None:
    save(tmp_path / "a.png", person_film(1, height=230, width=220))
    save(tmp_path / "sub/b.png", person_film(1, height=230, width=220))
    found = check_folder(tmp_path)
    assert found.labels == {"(none)": 2}
    assert kinds(found) == ["duplicate"]
    assert found.problems[0].words == "the same bytes"


def test_a_table_gives_labels(tmp_path: Path) -> None:
    save(tmp_path / "a.png", person_film(1, height=230, width=220))
    write_table(tmp_path / "films.csv", [{"path": "a.png", "label": "PNEUMONIA"}])
    assert check_folder(tmp_path).labels == {"PNEUMONIA": 1}


def test_a_folder_named_like_a_data_set_is_still_ones_own(tmp_path: Path) -> None:
    save(tmp_path / "kermany/NORMAL/a.png", person_film(1, height=230, width=220))
    assert check_folder(tmp_path).labels == {"NORMAL": 1}


def test_nothing_to_check(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UsageError, match="no film"):
        check_folder(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        check_folder(tmp_path / "missing")

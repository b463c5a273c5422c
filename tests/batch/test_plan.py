"""Which films a command line means, in which order, and what their output files are called."""

import io
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pneumoscope.batch.plan import Plan, film_stem, output_stems, plan_films
from pneumoscope.errors import UsageError

DICOM = bytes(128) + b"DICM"


def plan(*paths: str, lines: str = "") -> Plan:
    return plan_films(paths, io.StringIO(lines))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, content in {
        "films/b.png": b"",
        "films/a/z.JPG": b"",
        "films/a/deep/er/x.tiff": b"",
        "films/c.dcm": b"",
        "films/notes.txt": b"",
        "films/IM0001": DICOM,
        "films/README": b"text",
        "films/1.2.840.113619.2": DICOM,
        "films/results.2": b"text",
        "films/DICOMDIR": DICOM,
        "films/table.csv": DICOM,
        "single.txt": b"",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "films/empty").mkdir()
    return tmp_path


IN_FOLDER = ("1.2.840.113619.2", "IM0001", "a/deep/er/x.tiff", "a/z.JPG", "b.png", "c.dcm")


def test_folder_is_searched_in_the_order_of_its_sorted_paths(folder: Path) -> None:
    expected = tuple(f"films/{name}" for name in IN_FOLDER)
    assert plan("films") == Plan(expected, left_out=5)
    assert plan("films/") == Plan(expected, left_out=5)
    by_path = sorted(path for path in Path("films").rglob("*") if str(path) in expected)
    assert tuple(map(str, by_path)) == expected


def test_absolute_folder_gives_absolute_paths(folder: Path) -> None:
    assert plan(str(folder / "films")).films == tuple(str(folder / "films" / name) for name in IN_FOLDER)


def test_named_file_is_taken_whatever_it_is(folder: Path) -> None:
    paths = ("single.txt", "films/notes.txt", "absent.png", "films/DICOMDIR")
    assert plan(*paths) == Plan(paths, left_out=0)


def test_order_and_repetition_are_the_caller_s(folder: Path) -> None:
    assert plan("films/c.dcm", "films/a", "films/c.dcm") == Plan(
        ("films/c.dcm", "films/a/deep/er/x.tiff", "films/a/z.JPG", "films/c.dcm"), left_out=0
    )


def test_standard_input_holds_one_path_per_line(folder: Path) -> None:
    lines = "films/c.dcm\r\n\nfilms/a\n name with spaces .png\nline\u2028separator.png"
    assert plan("single.txt", "-", "films/b.png", lines=lines).films == (
        "single.txt",
        "films/c.dcm",
        "films/a/deep/er/x.tiff",
        "films/a/z.JPG",
        " name with spaces .png",
        "line\u2028separator.png",
        "films/b.png",
    )


def test_standard_input_is_left_alone_unless_asked_for(folder: Path) -> None:
    standard_input = io.StringIO("films/c.dcm\n")
    plan_films(["films"], standard_input)
    assert standard_input.read() == "films/c.dcm\n"


def test_standard_input_can_be_read_once(folder: Path) -> None:
    with pytest.raises(UsageError, match="'-' is given twice"):
        plan("-", "-")


def test_links_to_folders_are_not_followed_so_that_a_ring_ends(folder: Path) -> None:
    (folder / "films/a/ring").symlink_to(folder / "films")
    (folder / "films/a/link.png").symlink_to(folder / "films/b.png")
    assert plan("films/a") == Plan(
        ("films/a/deep/er/x.tiff", "films/a/link.png", "films/a/z.JPG"), left_out=1
    )


def test_a_link_to_a_folder_may_be_named(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "films/a")
    assert plan("link").films == ("link/deep/er/x.tiff", "link/z.JPG")


def test_pipe_in_a_folder_is_not_opened(folder: Path) -> None:
    os.mkfifo(folder / "films/a/pipe")
    assert plan("films/a").left_out == 1


def test_film_that_cannot_be_reached_is_not_left_out(folder: Path) -> None:
    (folder / "films/a/gone.png").symlink_to(folder / "nowhere")
    (folder / "films/a/ring.png").symlink_to("ring.png")
    (folder / "films/a/folder.png").symlink_to(folder / "films")
    (folder / "films/a/gone.txt").symlink_to(folder / "nowhere")
    assert plan("films/a") == Plan(
        ("films/a/deep/er/x.tiff", "films/a/gone.png", "films/a/ring.png", "films/a/z.JPG"), left_out=2
    )


def test_folder_that_hides_its_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: object, **_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    paths = ("films/b.png", "x" * 300 + ".png", "a\0b.png")
    monkeypatch.setattr("os.stat", denied)
    assert plan(*paths) == Plan(paths, left_out=0)
    monkeypatch.setattr("os.scandir", denied)
    monkeypatch.setattr("os.path.isdir", lambda _: True)
    with pytest.raises(UsageError, match="'films' cannot be searched"):
        plan("films")


def test_deep_folders_do_not_exhaust_the_stack(folder: Path) -> None:
    deepest = Path("d")
    deepest.mkdir()
    for _ in range(1200):
        deepest /= "d"
        deepest.mkdir()
    film = deepest / "x.png"
    film.write_bytes(b"")
    try:
        assert plan("d").films == (str(film),)
    finally:
        film.unlink()
        os.removedirs(deepest)  # the clean-up of pytest recurses


def test_byte_order_mark_in_front_of_a_list(folder: Path) -> None:
    assert plan("-", lines="\ufefffilms/c.dcm\r\n\ufeffx.png\r\n").films == ("films/c.dcm", "\ufeffx.png")


def test_a_list_in_utf_16_is_refused_in_words() -> None:
    lines = "films/c.dcm\r\n".encode("utf-16").decode("utf-8", "surrogateescape")
    with pytest.raises(UsageError, match=r"line 1 of standard input holds a NUL.*UTF-8"):
        plan("-", lines=lines)


def test_names_that_are_no_text_come_through(folder: Path) -> None:
    name = b"films/a/\xff.png".decode(errors="surrogateescape")
    Path(name).write_bytes(b"")
    assert name in plan("films/a").films


def test_empty_folder(folder: Path) -> None:
    assert plan("films/empty") == Plan((), left_out=0)


@pytest.mark.parametrize(
    ("path", "stem"),
    [
        ("a/film.png", "film"),
        ("IM0001", "IM0001"),
        ("1.2.840.1", "1.2.840.1"),
        ("a.b.dcm", "a.b"),
        (".png", ".png"),
    ],
)
def test_stem(path: str, stem: str) -> None:
    assert film_stem(path) == stem


@pytest.mark.parametrize(
    ("paths", "stems"),
    [
        (["a/x.png", "b/y.png"], ["x", "y"]),
        (["a/x.png", "b/x.png", "c/x.dcm"], ["x", "x-2", "x-3"]),
        (["a/x.png", "a/x.png"], ["x", "x-2"]),
        (["a/x.png", "b/x.png", "x-2.png"], ["x", "x-3", "x-2"]),
        (["x-2.png", "a/x-2.png", "x.png", "a/x.png"], ["x-2", "x-2-2", "x", "x-3"]),
        (["a/X.png", "b/x.png"], ["X", "x-2"]),
    ],
)
def test_output_names(paths: list[str], stems: list[str]) -> None:
    assert output_stems(paths) == stems


@given(st.lists(st.sampled_from(["x", "X", "x-2", "x-3", "x-2-2", "y"]), max_size=30))
def test_output_names_are_unique_and_the_only_one_of_its_name_keeps_it(stems: Sequence[str]) -> None:
    names = output_stems([f"{number}/{stem}.png" for number, stem in enumerate(stems)])
    folded = [name.casefold() for name in names]
    assert len(set(folded)) == len(stems)
    counted = [stem.casefold() for stem in stems]
    for stem, name in zip(stems, names, strict=True):
        if counted.count(stem.casefold()) == 1:
            assert name == stem

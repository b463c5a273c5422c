"""Films behind URLs are found and scored like films on disk."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from PIL import Image

from batch.results import rows_of
from generated import chest_like
from pneumoscope.batch import urls
from pneumoscope.batch.outputs import OutputFolders
from pneumoscope.batch.plan import Plan, plan_films
from pneumoscope.batch.scoring import FilmScorer
from pneumoscope.cli.main import main
from pneumoscope.errors import MissingExtraError, PneumoscopeError, UnreadableFilmError, UsageError
from pneumoscope.runtime.bundle import open_bundle
from pneumoscope.runtime.film import Record
from pneumoscope.runtime.predictor import Predictor
from tiny_bundle import make_tiny_bundle

DICOM = bytes(128) + b"DICM"


def plan(*paths: str) -> Plan:
    return plan_films(paths, io.StringIO())


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The same files in the folder `archive` of the working directory and at memory://archive."""
    monkeypatch.chdir(tmp_path)
    for name in ("b.png", "a/z.png", "a.png", "a/deep/x.jpg"):
        path = tmp_path / "archive" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(chest_like(len(name), height=90, width=80)).save(path)
    for name, content in {
        "notes.txt": b"text",
        "broken.png": b"text",
        "empty.png": b"",
        "IM0001": DICOM,
        "1.2.840.2": DICOM,
        "README": b"text",
        "a/DICOMDIR": DICOM,
    }.items():
        (tmp_path / "archive" / name).write_bytes(content)
    memory = fsspec.filesystem("memory")
    memory.put("archive", "/archive", recursive=True)
    yield tmp_path / "archive"
    memory.rm("/archive", recursive=True)


def scores(films: tuple[str, ...], tiny: Path) -> list[Record]:
    scorer = FilmScorer(Predictor(open_bundle(tiny)), OutputFolders(films, overlays=None, heatmaps=None))
    return [scorer(film)[1] for film in enumerate(films)]


def beside(records: list[Record], prefix: str) -> list[Record]:
    """Records of films at another place."""
    return [record | {"path": str(record["path"]).replace("archive", prefix, 1)} for record in records]


@pytest.mark.parametrize("folder", ["memory://archive", "memory://archive/"])
def test_folder_is_searched_as_one_on_disk(archive: Path, folder: str) -> None:
    here = plan("archive")
    assert here.left_out == 3
    prefix = folder.rstrip("/")
    assert plan(folder) == Plan(tuple(film.replace("archive", prefix, 1) for film in here.films), 3)


def test_scores_are_those_of_the_same_files_on_disk(archive: Path, tmp_path: Path) -> None:
    tiny = make_tiny_bundle(tmp_path / "tiny")
    here = scores(plan("archive").films, tiny)
    assert [record["status"] for record in here].count("ok") == 4
    assert scores(plan("memory://archive").films, tiny) == beside(here, "memory://archive")


def test_web_server_is_an_archive_too(archive: Path, web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the whole command and its processes, which share no memory."""
    tiny = make_tiny_bundle(Path("tiny"))
    wanted = beside(scores(plan("archive").films, tiny), f"{web}/archive")
    command = ["predict", f"{web}/archive/", "--model", "tiny", "--out", "r.parquet", "--workers", "2"]
    monkeypatch.setattr(sys, "argv", ["pneumoscope", *command])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 3
    sha256 = open_bundle(tiny).sha256
    assert rows_of("r.parquet") == [record | {"bundle_sha256": sha256} for record in wanted]


def test_film_is_taken_by_its_name_and_asked_for_when_it_is_scored(archive: Path) -> None:
    paths = (
        "memory://archive/absent.png",
        "memory://nowhere/x.png?signature=1",
        "memory://archive/notes.txt",
    )
    assert plan(*paths) == Plan(paths, left_out=0)


def test_file_url_is_the_path_in_it(archive: Path) -> None:
    assert plan(f"file://{archive}") == plan(str(archive))
    assert plan(f"file://{archive}/b.png").films == (f"{archive}/b.png",)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("memory://archive/absent.png", "there is no such file"),
        ("memory://archive/a", "there is no such file"),
        ("http://127.0.0.1:9/film.png", "it cannot be opened ("),
    ],
)
def test_what_cannot_be_read_is_a_record(archive: Path, tmp_path: Path, url: str, reason: str) -> None:
    [record] = scores((url,), make_tiny_bundle(tmp_path / "tiny"))
    assert (record["path"], record["status"]) == (url, "error")
    assert str(record["reason"]).startswith(reason)


def test_file_larger_than_any_film_is_not_read_to_its_end(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(urls, "MAX_FILE_BYTES", 100)
    with pytest.raises(UnreadableFilmError, match="the file is larger than"):
        urls.read_url("memory://archive/b.png")


def test_file_that_may_not_be_read(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> bytes:
        raise PermissionError("Forbidden")

    monkeypatch.setattr(fsspec.filesystem("memory"), "cat_file", denied)
    with pytest.raises(UnreadableFilmError, match="may not be read"):
        urls.read_url("memory://archive/b.png")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("teleport://archive/", "'teleport://archive/' cannot be opened: Protocol not known: teleport"),
        ("absent://archive/x.png", "cannot be opened: Install absent to reach it"),
        ("zip://x.png::memory://archive/x.zip", "is a chain of URLs"),
    ],
)
def test_url_that_leads_nowhere_is_a_sentence(url: str, message: str) -> None:
    fsspec.register_implementation(
        "absent", "absent.FileSystem", clobber=True, errtxt="Install absent to reach it"
    )
    with pytest.raises(UsageError) as raised:
        plan(url)
    assert message in str(raised.value)


def test_store_that_does_not_let_itself_be_searched(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> list[str]:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(fsspec.filesystem("memory"), "find", denied)
        with pytest.raises(UsageError, match=r"'memory://archive' cannot be searched \(Permission denied\)"):
            plan("memory://archive")


def test_without_fsspec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'pneumoscope\[remote\]'"):
        plan("s3://archive/")
    assert issubclass(MissingExtraError, PneumoscopeError)
    assert plan("absent.png").films == ("absent.png",)

"""`pneumoscope predict` into a file or database that survives: what it refuses, and what it writes."""

from pathlib import Path

import pyarrow.parquet
import pytest

import pneumoscope

from .conftest import Run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--job", "one"), "--job names a run in a database"),
        (("--job", "one", "--out", "r.parquet"), "--job names a run in a database"),
        (("--format", "csv", "--out", "r.parquet"), "--format csv and --out r.parquet contradict each other"),
        (("--format", "json", "--out", "sqlite:///r.db"), "contradict each other"),
        (("--report", "pages", "--out", "r.parquet"), "--report and --out r.parquet contradict each other"),
        (("--no-guard", "--out", "r.parquet"), "--no-guard and --out r.parquet contradict each other"),
        (("--out", "nowhere/r.parquet"), "cannot be written"),
        (("films/a.parquet", "--out", "films/a.parquet"), "is one of the films"),
        (("--out", "mysql://host/films"), "no SQLite or PostgreSQL"),
    ],
)
def test_wrong_usage_is_a_sentence_and_status_2(
    run: Run, films: Path, tiny: Path, arguments: tuple[str, ...], message: str
) -> None:
    outcome = run("predict", films, *arguments, "--model", tiny)
    assert (outcome.status, outcome.out) == (2, "")
    assert message in outcome.err
    assert not list(Path().glob("r.*"))


def test_file_of_records_overlays_and_maps(run: Run, films: Path, tiny: Path) -> None:
    arguments = ("predict", films, "films/notes.txt", "films/a", "--model", tiny, "--heatmap-dir", "maps")
    outcome = run(*arguments, "--out", "r.parquet", "--workers", 2)
    assert (outcome.status, outcome.out) == (3, "")
    rows = pyarrow.parquet.read_table("r.parquet").to_pylist()
    paths = ["films/a/x.png", "films/b/x.png", "films/b/y.jpg", "films/notes.txt"]
    predictor = pneumoscope.load(tiny)
    sha256 = predictor.bundle.sha256
    assert rows == [film.record() | {"bundle_sha256": sha256} for film in predictor.predict_many(paths)]
    assert sorted(path.name for path in Path("maps").iterdir()) == ["x-2.npy", "x.npy", "y.npy"]
    assert not Path("r.parquet.parts").exists()


def test_all_scored_is_status_0_also_of_a_run_with_nothing_left(run: Run, films: Path, tiny: Path) -> None:
    url = f"sqlite:///{Path('r.db').resolve()}"
    for said in ("", "3 of 3 films have been done before\n"):
        outcome = run("predict", films, "--model", tiny, "--out", url, "--job", "ward")
        assert outcome == (0, "", f"left out 2 files: no films by name or kind\n{said}")


def test_bundle_that_is_not_there(run: Run, films: Path) -> None:
    outcome = run("predict", films, "--model", "nothing", "--out", "r.parquet")
    assert outcome.status == 1
    assert "there is no bundle 'nothing'" in outcome.err
    assert not list(Path().glob("r.*"))

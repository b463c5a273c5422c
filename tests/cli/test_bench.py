"""The figures of `bench`, for people and for programs."""

import json
from pathlib import Path

import pytest

from pneumoscope.batch.bench import STAGES

from .conftest import Run


def test_table(run: Run, tiny: Path, films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    outcome = run("bench", films, "--model", tiny, "--rounds", 1, "--workers", 2)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.startswith("tiny 0.1.0 on ")
    for part in ("3 films; the middle one has 0.0 megapixels", "1 thread ", "2 threads ", "files to records"):
        assert part in outcome.out
    assert [stage for stage in STAGES if stage in outcome.out] == [s for s in STAGES if s != "guard"]


def test_for_programs(run: Run, tiny: Path, films: Path) -> None:
    (films / "broken.png").write_bytes(b"")
    outcome = run("bench", films, "--model", tiny, "--rounds", 1, "--workers", 1, "--format", "json")
    figures = json.loads(outcome.out)
    assert (figures["bundle"], figures["films"], figures["films_given"]) == ("tiny 0.1.0", 3, 4)
    assert [one["path"] for one in figures["left_out"]] == [str(films / "broken.png")]
    milliseconds = figures["milliseconds"]
    assert figures["score_milliseconds"] == pytest.approx(
        milliseconds["read"] + milliseconds["prepare"] + milliseconds["network"]
    )
    (speeds,) = figures["throughput"]
    assert speeds["share_of_network"] == pytest.approx(speeds["films"] / speeds["network"])
    assert {"system", "cores", "python", "libraries"} == set(figures["machine"])


def test_only_so_many_films(run: Run, tiny: Path, films: Path) -> None:
    outcome = run("bench", films, "--model", tiny, "--rounds", 1, "--most", 2)
    assert "2 films of 3;" in outcome.out


def test_sample_film_is_taken_where_none_is_named(run: Run, tiny: Path) -> None:
    outcome = run("bench", "--model", tiny, "--rounds", 1)
    assert "1 film; it has 3.6 megapixels" in outcome.out


def test_mistakes(run: Run, tiny: Path, films: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert run("bench", "empty")[::2] == (2, "pneumoscope: nothing to do: no films were found there\n")
    outcome = run("bench", films / "notes.txt", "--model", tiny)
    assert (outcome.status, outcome.out) == (2, "")
    assert "none of these films can be scored" in outcome.err

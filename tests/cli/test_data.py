"""`pneumoscope data` does what it says, with the exit status that it says."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from data.made_cuts import CUT, WHOLE, make_cut_pool
from data.made_pool import make_kermany, person_film, save
from pneumoscope.cli.data import app
from pneumoscope.data.manifest import read_manifest, write_manifest
from pneumoscope.data.sources import SOURCES
from pneumoscope.errors import DataError, UsageError

RUN = CliRunner()


def test_build_writes_manifest_and_flow(tmp_path: Path) -> None:
    make_kermany(tmp_path / "root")
    arguments = ["build", "--root", str(tmp_path / "root"), "--out", str(tmp_path / "out"), "--workers", "1"]
    first = RUN.invoke(app, arguments)
    assert first.exit_code == 0, first.output
    assert "7 files found, 7 readable films, 7 distinct, 7 used" in first.stdout
    assert len(read_manifest(tmp_path / "out")) == 7
    written = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert set(written) == {"manifest.parquet", "flow.html", "flow.json", "seen.sqlite"}
    again = RUN.invoke(app, [*arguments, "--force"])
    assert again.exit_code == 0
    for name in ("manifest.parquet", "flow.html", "flow.json"):
        assert (tmp_path / "out" / name).read_bytes() == written[name]


def test_build_takes_folders_by_name(tmp_path: Path) -> None:
    make_kermany(tmp_path / "root")
    (tmp_path / "root/kermany").rename(tmp_path / "root/downloads")
    arguments = ["build", "--root", str(tmp_path / "root"), "--out", str(tmp_path / "out"), "--workers", "1"]
    assert RUN.invoke(app, [*arguments, "--source", "kermany=downloads"]).exit_code == 0
    assert {row.source for row in read_manifest(tmp_path / "out")} == {"kermany"}
    with pytest.raises(UsageError, match="write NAME=FOLDER"):
        RUN.invoke(app, [*arguments, "--source", "kermany"], catch_exceptions=False)


def test_sources_are_listed_for_people_and_programs() -> None:
    table = RUN.invoke(app, ["sources"]).stdout
    listed = json.loads(RUN.invoke(app, ["sources", "--format", "json"]).stdout)
    assert [record["name"] for record in listed] == [source.name for source in SOURCES]
    for source in SOURCES:
        assert f"{source.name}: {source.title}" in table
        assert source.licence in table
    assert "pneumoscope data fetch kermany --to DIR" in table


def test_fetch_says_what_to_do_where_an_account_is_needed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Kaggle account"):
        RUN.invoke(app, ["fetch", "tuberculosis", "--to", str(tmp_path)], catch_exceptions=False)
    with pytest.raises(UsageError, match="no data set is called 'x'"):
        RUN.invoke(app, ["fetch", "x", "--to", str(tmp_path)], catch_exceptions=False)


def test_check_tells_by_its_status_whether_there_is_a_problem(tmp_path: Path) -> None:
    save(tmp_path / "NORMAL/a.png", person_film(1, height=230, width=220))
    clean = RUN.invoke(app, ["check", str(tmp_path), "--workers", "1"])
    assert clean.exit_code == 0
    assert "Nothing found" in clean.stdout
    (tmp_path / "PNEUMONIA").mkdir()
    (tmp_path / "PNEUMONIA/b.png").write_bytes((tmp_path / "NORMAL/a.png").read_bytes())
    found = RUN.invoke(app, ["check", str(tmp_path), "--workers", "1"])
    assert found.exit_code == 3
    assert "label conflict: 1" in found.stdout
    report = json.loads(
        RUN.invoke(app, ["check", str(tmp_path), "--workers", "1", "--format", "json"]).stdout
    )
    assert [problem["kind"] for problem in report["problems"]] == ["duplicate", "label conflict"]
    assert report["films"] == 2


def test_all_verbs_of_data_are_there() -> None:
    words = RUN.invoke(app, ["--help"]).stdout
    verbs = ("sources", "fetch", "build", "check", "audit", "cache", "transplant", "views")
    assert all(verb in words for verb in verbs)


def test_transplants_are_made_and_counted(tmp_path: Path) -> None:
    write_manifest(make_cut_pool(tmp_path / "films"), tmp_path / "manifest.parquet")
    places = {
        "--manifest": tmp_path / "manifest.parquet",
        "--root": tmp_path / "films",
        "--out": tmp_path / "made",
    }
    arguments = ["transplant", *(str(word) for option in places.items() for word in option), "--workers", "1"]
    named = [*arguments, "--donor", CUT, "--cut", CUT, "--host", WHOLE, "--copies", "2", "--seed", "4"]
    done = RUN.invoke(app, named, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{tmp_path / 'made'}: 10 films of 5 patients made: 6 NORMAL, 4 PNEUMONIA\n"
    assert done.stderr == ""
    assert len(read_manifest(tmp_path / "made")) == 10
    with pytest.raises(UsageError, match=f"no source 'rsna-lungs': it has {CUT}, {WHOLE}"):
        RUN.invoke(app, arguments, catch_exceptions=False)
    with pytest.raises(DataError, match=r"absent\.parquet"):
        RUN.invoke(app, [*named, "--manifest", str(tmp_path / "absent.parquet")], catch_exceptions=False)

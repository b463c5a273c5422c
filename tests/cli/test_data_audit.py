"""`pneumoscope data cache` and `pneumoscope data audit`, as a user calls them."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from data.made_films import artificial_films
from pneumoscope.cli.data import app
from pneumoscope.data.audit import audit_verdict
from pneumoscope.data.cache import PlateCache, cache_name
from pneumoscope.data.manifest import ManifestRow, write_manifest
from pneumoscope.errors import UsageError
from pneumoscope.image.prepare import PrepareParameters, make_plate
from pneumoscope.image.read import read


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, list[ManifestRow]]:
    (tmp_path / "films").mkdir()
    rows = artificial_films(tmp_path / "films", 1, patients=90)
    rows[3] = ManifestRow(**{**vars_of(rows[3]), "split": None, "reason": "left out"})
    write_manifest(rows, tmp_path / "manifest.parquet")
    return tmp_path, rows


def vars_of(row: ManifestRow) -> dict[str, object]:
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


def call(folder: Path, *arguments: str) -> str:
    where = ["--manifest", str(folder / "manifest.parquet"), "--root", str(folder / "films")]
    result = CliRunner().invoke(app, [*arguments, *where, "--workers", "1"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_cache_holds_the_films_in_use(made: tuple[Path, list[ManifestRow]]) -> None:
    folder, rows = made
    out = folder / "caches"
    said = call(folder, "cache", "--out", str(out), "--size", "48", "--fit", "stretch")
    parameters = PrepareParameters(size=48, fit="stretch")
    cache = PlateCache.open(out / cache_name(parameters))
    assert f"{len(rows) - 1} plates, 0 films unreadable" in said
    assert cache.parameters == parameters
    assert rows[3].sha256 not in cache
    for row in rows[:3]:
        expected, _ = make_plate(read(folder / "films" / row.path), parameters)
        np.testing.assert_array_equal(cache.plates[cache.index_of(row.sha256)], expected)
    call(folder, "cache", "--out", str(out), "--size", "48", "--fit", "stretch", "--every-row")
    assert rows[3].sha256 in PlateCache.open(out / cache_name(parameters))


def test_cache_prepares_every_stage_of_a_recipe(made: tuple[Path, list[ManifestRow]]) -> None:
    folder, _ = made
    (folder / "recipe.yaml").write_text(
        "name: two-stages\n"
        "model: {name: simple_cnn}\n"
        "prepare: {intensity: percentile}\n"
        "stages: [{epochs: 1, size: 32}, {epochs: 1, size: 40}]\n"
    )
    call(folder, "cache", "--out", str(folder / "caches"), "--recipe", str(folder / "recipe.yaml"))
    found = {PlateCache.open(path).parameters for path in (folder / "caches").iterdir()}
    assert found == {PrepareParameters(size=size, intensity="percentile") for size in (32, 40)}


def test_cache_names_films_that_cannot_be_read(made: tuple[Path, list[ManifestRow]]) -> None:
    folder, rows = made
    (folder / "films" / rows[0].path).unlink()
    said = call(folder, "cache", "--out", str(folder / "caches"), "--size", "32")
    assert f"{rows[0].path}: no plate: the file cannot be opened" in said
    assert "1 films unreadable" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", "3"], "--size 3"),
        (["--fit", "squeeze"], "--fit squeeze"),
        (["--recipe", "x.yaml", "--size", "32"], "leave out --size"),
    ],
)
def test_wrong_options_are_named(
    made: tuple[Path, list[ManifestRow]], options: list[str], message: str
) -> None:
    folder, _ = made
    with pytest.raises(UsageError, match=message):
        call(folder, "cache", "--out", str(folder / "caches"), *options)


def test_audit_writes_page_and_verdict(made: tuple[Path, list[ManifestRow]]) -> None:
    folder, _ = made
    said = call(folder, "audit", "--out", str(folder / "audit"))
    stored = json.loads((folder / "audit" / "audit.json").read_text())
    verdict = audit_verdict(folder / "audit")
    assert verdict.colour == stored["colour"]
    assert f"{verdict.colour.upper()}: {stored['words']}" in said
    for check in stored["checks"]:
        assert check["title"] in said
    assert "</html>" in (folder / "audit" / "audit.html").read_text()


def test_several_manifests_are_one(made: tuple[Path, list[ManifestRow]], tmp_path: Path) -> None:
    folder, rows = made
    call(folder, "audit", "--out", str(folder / "whole"))
    halves = {"films": [row for row in rows if row.label == "NORMAL"]}
    halves["other"] = [row for row in rows if row.label != "NORMAL"]
    (folder / "other").mkdir()
    for row in halves["other"]:
        (folder / "films" / row.path).rename(folder / "other" / row.path)
    write_manifest(halves["films"], folder / "manifest.parquet")
    write_manifest(halves["other"], folder / "other.parquet")
    second = ["--manifest", str(folder / "other.parquet"), "--root", str(folder / "other")]
    call(folder, "audit", "--out", str(folder / "halves"), *second)
    assert (folder / "halves/audit.json").read_bytes() == (folder / "whole/audit.json").read_bytes()
    said = call(folder, "cache", "--out", str(folder / "caches"), "--size", "32", *second)
    assert f"{len(rows) - 1} plates, 0 films unreadable" in said

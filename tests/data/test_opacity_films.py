"""Opacities drawn into the normal films of a manifest, in pairs."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from data.made_cuts import CUT, SIDE, WHOLE, make_cut_pool
from pneumoscope.cli.main import app
from pneumoscope.data.composed_films import OPACITIES
from pneumoscope.data.manifest import manifest_sha256, read_manifest, write_manifest
from pneumoscope.data.opacity_films import opacity_films
from pneumoscope.errors import DataError, UsageError
from pneumoscope.image.read import read


def make(rows, root, out, **options):
    return opacity_films(
        rows, root, out, **{"host_sources": [WHOLE], "box_source": CUT, "cut_sources": [CUT]} | options
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(rows of the pool, its root, folder of the new films, their rows)."""
    root = tmp_path_factory.mktemp("opacities")
    rows = make_cut_pool(root / "pool", hosts=6)
    return rows, root / "pool", root / "out", make(rows, root / "pool", root / "out")


def test_every_normal_film_gives_one_with_and_one_without(made):
    rows, _, out, films = made
    hosts = {row.patient: row for row in rows if row.source == WHOLE and row.split == "train"}
    by_label = {label: [film for film in films if film.label == label] for label in ("PNEUMONIA", "NORMAL")}
    assert len(by_label["PNEUMONIA"]) == len(by_label["NORMAL"]) > 0
    assert {film.patient for film in films} <= set(hosts)
    for ill, well in zip(by_label["PNEUMONIA"], by_label["NORMAL"], strict=True):
        assert (ill.patient, ill.view, ill.source) == (well.patient, well.view, WHOLE + OPACITIES)
        assert json.loads(well.boxes) == []
        boxes = json.loads(ill.boxes)
        assert boxes
        change = read(out / ill.path).pixels.astype(int) - read(out / well.path).pixels
        for x, y, width, height in boxes:
            part = change[
                round(y * SIDE) : round((y + height) * SIDE), round(x * SIDE) : round((x + width) * SIDE)
            ]
            assert part.mean() > 1
    assert sorted(read_manifest(out), key=str) == sorted(films, key=str)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_films_whatever_ran_them(made, tmp_path, workers):
    rows, root, _, films = made
    assert manifest_sha256(make(rows, root, tmp_path, workers=workers)) == manifest_sha256(films)


def test_another_seed_draws_otherwise(made, tmp_path):
    rows, root, _, films = made
    assert manifest_sha256(make(rows, root, tmp_path, seed=1)) != manifest_sha256(films)


def test_most_films_of_a_view(made, tmp_path):
    rows, root, _, _ = made
    assert len(make(rows, root, tmp_path, most=2)) == 2 * 2


def test_films_of_other_splits_are_not_even_read(made, tmp_path):
    rows, root, _, films = made
    absent = [
        replace(row, path=f"absent/{number}.png", sha256=f"{number:064}", split="validation")
        for number, row in enumerate(rows)
    ]
    assert manifest_sha256(make([*rows, *absent], root, tmp_path)) == manifest_sha256(films)


def test_what_is_missing_is_named(made, tmp_path):
    rows, root, _, _ = made
    with pytest.raises(DataError, match=f"{CUT}: 0 with boxes"):
        make([replace(row, boxes=None) for row in rows], root, tmp_path)
    with pytest.raises(UsageError, match="elsewhere"):
        make(rows, root, tmp_path, host_sources=["elsewhere"])


def test_the_command_says_what_it_made(made, tmp_path):
    rows, root, _, films = made
    write_manifest(rows, tmp_path / "manifest.parquet")
    arguments = ["data", "opacities", "--manifest", tmp_path / "manifest.parquet", "--root", root]
    options = ["--out", tmp_path / "out", "--host", WHOLE, "--boxes", CUT, "--cut", CUT, "--workers", "1"]
    result = CliRunner().invoke(app, [str(part) for part in (*arguments, *options)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    pairs = len(read_manifest(tmp_path / "out")) // 2
    assert f"{pairs} pairs of films made" in result.stdout
    assert manifest_sha256(read_manifest(tmp_path / "out")) == manifest_sha256(films)

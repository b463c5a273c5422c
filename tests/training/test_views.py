"""Views told of drawn films: those called AP show a bright bar, so that there is something to tell."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from data.made_cuts import CUT, WHOLE, cut_film, whole_film, write_film
from pneumoscope.cli.main import app
from pneumoscope.data.manifest import read_manifest, write_manifest
from pneumoscope.errors import DataError, UsageError
from pneumoscope.training.views import tell_views

COUNT = 24


def _view(seed):
    return ("AP", "PA")[seed % 2]


def _whole(seed):
    film = whole_film(seed).copy()
    if _view(seed) == "AP":
        film[:40] = 250
    return film


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """Rows and root: whole normal films of no stated view, and the same patients' cut ones with it."""
    root = tmp_path_factory.mktemp("views")
    rows = []
    for seed in range(COUNT):
        facts = {"label": "NORMAL", "patient": f"made:{seed}"}
        rows.append(write_film(root, f"whole/{seed}.png", _whole(seed), source=WHOLE, **facts))
        rows.append(
            write_film(root, f"cut/{seed}.png", cut_film(seed), source=CUT, view=_view(seed), **facts)
        )
    for seed in range(COUNT, COUNT + 4):
        unknown = {"label": "PNEUMONIA", "split": "validation"}
        rows.append(write_film(root, f"whole/{seed}.png", _whole(seed), source=WHOLE, **unknown))
    return rows, root


@pytest.fixture(scope="module")
def told(pool, tmp_path_factory):
    rows, root = pool
    return tell_views(rows, root, tmp_path_factory.mktemp("cache"), sources=[WHOLE], workers=1)


def test_whole_films_get_their_view_from_films_of_the_same_patients(pool, told):
    rows, _ = pool
    views = {row.path: row.view for row in told.rows}
    assert [row.path for row in told.rows] == [row.path for row in rows]
    assert {path for path in views if path.startswith("whole/")} == told.scores.keys()
    for seed in range(COUNT + 4):
        assert views[f"whole/{seed}.png"] == _view(seed)
        assert (told.scores[f"whole/{seed}.png"] > 0) == (_view(seed) == "AP")
    assert told.films == COUNT
    assert told.auc == 1.0
    assert told.accuracy > 0.9


def test_nothing_but_unknown_views_of_the_named_sources_changes(pool, told):
    rows, _ = pool
    kept = [replace(row, view=None) if row.source == WHOLE else row for row in told.rows]
    assert kept == rows


def test_a_stated_view_is_learned_from_and_kept(pool, tmp_path):
    rows, root = pool
    stated = [
        replace(row, view=_view(int(row.path[6:-4]))) if row.source == WHOLE and row.split == "train" else row
        for row in rows
        if row.source == WHOLE
    ]
    stated[1] = replace(stated[1], view="LATERAL")
    told = tell_views(stated, root, tmp_path, sources=[WHOLE], workers=1)
    assert [row.view for row in told.rows[:3]] == ["AP", "LATERAL", "AP"]
    assert told.films == COUNT - 1
    assert len(told.scores) == 4


def test_views_that_contradict_each_other_are_not_learned_from(pool, tmp_path):
    rows, root = pool
    mixed = [*rows, replace(rows[1], path="cut/again.png", view="PA")]
    assert rows[1].view == "AP"
    assert tell_views(mixed, root, tmp_path, sources=[WHOLE], workers=1).films == COUNT - 1


def test_too_few_known_views_and_unknown_sources_are_refused(pool, tmp_path):
    rows, root = pool
    only_pa = [row for row in rows if row.view != "AP"]
    with pytest.raises(DataError, match="at least 5 patients of either view"):
        tell_views(only_pa, root, tmp_path, sources=[WHOLE], workers=1)
    with pytest.raises(UsageError, match="no source 'elsewhere'"):
        tell_views(rows, root, tmp_path, sources=["elsewhere"], workers=1)


def test_the_command_writes_a_manifest_and_a_list(pool, tmp_path):
    rows, root = pool
    write_manifest(rows, tmp_path / "manifest.parquet")
    words = ["data", "views", "--manifest", str(tmp_path / "manifest.parquet"), "--root", str(root)]
    words += ["--out", str(tmp_path / "out"), "--source", WHOLE, "--workers", "1"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "learned from 24 films of known view: AUC 1.000, 9" in done.stdout
    assert f"{WHOLE} NORMAL: 12 AP, 12 PA" in done.stdout
    written = {row.path: row.view for row in read_manifest(tmp_path / "out")}
    assert np.all([written[f"whole/{seed}.png"] == _view(seed) for seed in range(COUNT + 4)])
    with (tmp_path / "out" / "views.csv").open() as file:
        table = list(csv.DictReader(file))
    assert {row["path"]: row["view"] for row in table} == {
        path: view for path, view in written.items() if path.startswith("whole/")
    }

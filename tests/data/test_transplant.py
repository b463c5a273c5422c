"""Transplants of a whole manifest: what is made of what, always alike."""

import hashlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.made_cuts import CUT, SIDE, WHOLE, brighter, cut_film, make_cut_pool, whole_film, write_film
from pneumoscope.data.composed_films import TRANSPLANTS
from pneumoscope.data.manifest import manifest_sha256, read_manifest
from pneumoscope.data.transplant import transplant_films
from pneumoscope.errors import DataError, UsageError
from pneumoscope.image.read import read


def make(rows, root, out, **options):
    options = {"donor_sources": [CUT], "cut_sources": [CUT], "host_source": WHOLE, "copies": 2} | options
    return transplant_films(rows, root, out, **options)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(rows of the pool, its root, folder of transplants, their rows)."""
    root = tmp_path_factory.mktemp("cuts")
    rows = make_cut_pool(root / "pool")
    return rows, root / "pool", root / "out", make(rows, root / "pool", root / "out")


def pixels(folder, row):
    return read(folder / row.path).pixels


def host_of(film):
    """Seed of the whole film that the picture's upper corners come from."""
    top = np.s_[:5]
    (seed,) = [seed for seed in range(6) if (film[top] == brighter(whole_film(seed))[top]).all()]
    return seed


def test_label_patient_and_boxes_are_those_of_the_cut_film(made):
    rows, _, out, films = made
    donors = {row.patient: row for row in rows if row.source == CUT}
    assert len(films) == 5 * 2
    for film in films:
        donor = donors[film.patient]
        for column in ("label", "patient", "view", "age", "population", "split"):
            assert getattr(film, column) == getattr(donor, column)
        assert film.source == CUT + TRANSPLANTS
        content = (out / film.path).read_bytes()
        assert (film.sha256, film.bytes) == (hashlib.sha256(content).hexdigest(), len(content))
        assert pixels(out, film).shape == (film.height, film.width) == (SIDE, SIDE)
        drawn, moved = json.loads(donor.boxes), json.loads(film.boxes)
        assert len(drawn) == len(moved)
        # The network finds the lungs of these drawings larger than they are, by up to a fifth of the film.
        np.testing.assert_allclose(moved, drawn, atol=0.2)
    assert sorted(read_manifest(out), key=str) == sorted(films, key=str)


def test_every_film_has_the_lungs_of_its_donor_in_another_host(made):
    rows, _, out, films = made
    seeds = {row.patient: int(row.patient.partition(":")[2]) for row in rows}
    hosts = {}
    for film in films:
        seed, made_pixels = seeds[film.patient], pixels(out, film)
        hosts.setdefault(seed, set()).add(host_of(made_pixels))
    assert all(len(used) == 2 for used in hosts.values()), "two copies go into two hosts"


def test_a_whole_film_may_give_its_lungs_but_never_to_itself(made, tmp_path):
    rows, root, _, _ = made
    films = make(rows, root, tmp_path, donor_sources=[WHOLE], cut_sources=[])
    assert {film.source for film in films} == {WHOLE + TRANSPLANTS}
    assert len(films) == 3 * 2
    for film in films:
        assert host_of(pixels(tmp_path, film)) != int(film.patient.partition(":")[2])


def test_two_donors_give_one_lung_each_and_the_box_that_is_left_decides(made, tmp_path):
    rows, root, _, _ = made
    films = make(rows, root, tmp_path, two_donors=True, copies=3)
    assert len(films) == 5 * 3
    assert len({film.path for film in films}) == 15
    assert not {film.path for film in films} & {film.path for film in made[3]}
    by_patient = {row.patient: row for row in rows if row.source == CUT}
    for film in films:
        first = by_patient[film.patient]
        boxes = json.loads(film.boxes)
        # The donors' boxes lie on the left of the picture: that of the first donor is shown alone.
        assert len(boxes) == (1 if first.label == "PNEUMONIA" else 0)
        assert (film.label == "PNEUMONIA") == bool(boxes)
        assert film.view == first.view
    # Donors of one view give to each other: the ill are AP, the normal ones of no view.
    assert {film.label for film in films} == {"PNEUMONIA", "NORMAL"}


@pytest.mark.parametrize("patient", ["known", None])
def test_the_right_half_is_always_another_donors(tmp_path, patient):
    rows = [
        replace(row, patient=row.patient if patient else None, boxes=None, view=None)
        for row in make_cut_pool(tmp_path / "pool")
    ]
    halves = make(rows, tmp_path / "pool", tmp_path / "halves", two_donors=True)
    assert len(halves) == 5 * 2
    make(rows, tmp_path / "pool", tmp_path / "whole")
    for film in halves:
        joined = pixels(tmp_path / "halves", film)
        alone = read(tmp_path / "whole" / "films" / Path(film.path).name).pixels  # the same donor and host
        np.testing.assert_array_equal(joined[:, :100], alone[:, :100])
        assert (joined[60:160, 130:190] != alone[60:160, 130:190]).mean() > 0.5


def test_a_donor_without_another_one_gives_no_half(tmp_path):
    rows = [replace(row, boxes=None) for row in make_cut_pool(tmp_path / "pool", sick=1)]
    films = make(rows, tmp_path / "pool", tmp_path / "out", two_donors=True)
    assert {film.label for film in films} == {"NORMAL"}
    twice = [replace(row, patient="made:0") for row in rows]
    assert make(twice, tmp_path / "pool", tmp_path / "none", two_donors=True) == []


def test_a_half_without_its_donors_opacity_is_not_normal(tmp_path):
    rows = [replace(row, view=None) for row in make_cut_pool(tmp_path / "pool", hosts=2, sick=1)]
    films = make(rows, tmp_path / "pool", tmp_path / "out", two_donors=True, copies=2)
    labels = {(film.patient == "made:100", film.label) for film in films}
    assert (True, "PNEUMONIA") in labels  # its opacity is in the half that it gives first
    assert labels <= {(True, "PNEUMONIA"), (False, "NORMAL"), (False, "OTHER")}
    assert (False, "OTHER") in labels


def test_without_boxes_both_donors_have_one_label(tmp_path):
    rows = [replace(row, boxes=None, view=None) for row in make_cut_pool(tmp_path / "pool")]
    films = make(rows, tmp_path / "pool", tmp_path / "out", two_donors=True, copies=2)
    labels = {row.patient: row.label for row in rows}
    assert all(film.label == labels[film.patient] and film.boxes is None for film in films)


def test_most_films_of_a_source_and_label(made, tmp_path):
    rows, root, _, _ = made
    films = make(rows, root, tmp_path, most=1, copies=1)
    assert sorted(film.label for film in films) == ["NORMAL", "PNEUMONIA"]


def test_the_rarer_view_gives_more_transplants(made, tmp_path):
    rows, root, _, _ = made
    lying = next(row.path for row in rows if row.source == CUT and row.label == "NORMAL")
    rows = [
        replace(row, view="AP" if row.path == lying else "PA") if row.label == "NORMAL" else row
        for row in rows
    ]
    every = make(rows, root, tmp_path / "every", copies=1)
    level = make(rows, root, tmp_path / "level", copies=1, level_views=True)
    of = Counter((film.label, film.view) for film in every)
    assert of["NORMAL", "AP"] == 1 < of["NORMAL", "PA"]
    assert Counter((film.label, film.view) for film in level) == {
        **of,
        ("NORMAL", "AP"): of["NORMAL", "PA"],
    }
    assert {film.sha256 for film in every} <= {film.sha256 for film in level}, "only more of them"
    assert len({film.sha256 for film in level}) == len(level), "into another host each"


@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_films_whatever_ran_them(made, tmp_path, workers):
    rows, root, out, films = made
    again = make(rows, root, tmp_path, workers=workers)
    assert manifest_sha256(again) == manifest_sha256(films)
    for film in films:
        assert (tmp_path / film.path).read_bytes() == (out / film.path).read_bytes()
    assert (tmp_path / "manifest.parquet").read_bytes() == (out / "manifest.parquet").read_bytes()


def test_another_seed_chooses_otherwise(tmp_path):
    rows = make_cut_pool(tmp_path / "pool", hosts=6)
    films = [make(rows, tmp_path / "pool", tmp_path / str(seed), copies=1, seed=seed) for seed in (0, 1)]
    assert [film.patient for film in films[0]] == [film.patient for film in films[1]]
    assert manifest_sha256(films[0]) != manifest_sha256(films[1])


def test_films_of_other_splits_are_not_even_read(made, tmp_path):
    rows, root, _, films = made
    absent = [
        replace(
            row, path=f"absent/{number}.png", sha256=f"{number:064}", patient=f"absent:{number}", split=split
        )
        for number, (row, split) in enumerate(
            (row, split) for row in rows for split in ("validation", "test", None)
        )
    ]
    again = make([*rows, *absent], root, tmp_path)
    assert manifest_sha256(again) == manifest_sha256(films)


def test_validation_films_are_made_of_each_other(tmp_path):
    rows = make_cut_pool(tmp_path / "pool", hosts=6)
    held_out = [replace(row, split="validation") for row in rows]
    films = make(held_out, tmp_path / "pool", tmp_path / "held-out", split="validation")
    assert {film.split for film in films} == {"validation"}
    trained_on = make(rows, tmp_path / "pool", tmp_path / "trained-on")
    assert [film.sha256 for film in films] == [film.sha256 for film in trained_on]
    with pytest.raises(DataError, match="no validation film of"):
        make(rows, tmp_path / "pool", tmp_path / "none", split="validation")


def test_a_film_that_does_not_show_what_is_boxed_is_left_out(tmp_path):
    rows = make_cut_pool(tmp_path, sick=2)
    corner = json.dumps([[0.0, 0.0, 0.1, 0.1]])
    hidden = [replace(row, boxes=corner) if row.patient == "made:100" else row for row in rows]
    films = make(hidden, tmp_path, tmp_path / "out")
    patients = [film.patient for film in films]
    assert "made:100" not in patients
    assert patients.count("made:101") == 2
    assert len(list((tmp_path / "out/films").iterdir())) == len(films)


def test_files_of_one_name_in_two_folders_stay_apart(tmp_path):
    rows = make_cut_pool(tmp_path, sick=1)
    facts = {"label": "OTHER", "patient": "made:200", "source": CUT, "boxes": "[]"}
    twin = write_film(tmp_path, "elsewhere/p100.png", cut_film(200), **facts)
    films = make([*rows, twin], tmp_path, tmp_path / "out")
    assert len({film.path for film in films}) == len(films) == 5 * 2


def test_a_source_that_is_not_there_is_named(made, tmp_path):
    rows, root, _, _ = made
    with pytest.raises(UsageError, match=r"no source 'x': it has cut-films, whole-films"):
        make(rows, root, tmp_path, donor_sources=["x"])
    with pytest.raises(UsageError, match=r"no source 'y'"):
        make(rows, root, tmp_path, host_source="y")


def test_without_normal_films_there_are_no_hosts(made, tmp_path):
    rows, root, _, _ = made
    sick = [replace(row, label="PNEUMONIA") for row in rows]
    with pytest.raises(DataError, match=r"no training film of whole-films labelled NORMAL shows lungs"):
        make(sick, root, tmp_path)


def test_films_of_the_ill_may_be_hosts_too(made, tmp_path):
    rows, root, _, _ = made
    sick = [
        replace(row, label="PNEUMONIA") if row.path in ("whole/w0.png", "whole/w1.png") else row
        for row in rows
    ]
    films = make(sick, root, tmp_path, host_labels=("PNEUMONIA",))
    assert {host_of(pixels(tmp_path, film)) for film in films} == {0, 1}
    assert {film.label for film in films} == {"NORMAL", "PNEUMONIA"}, "the label is the donor's"
    assert {film.path.partition("/")[0] for film in films} == {"films-in-pneumonia"}


@pytest.mark.parametrize("split", ["validation", "test"])
def test_films_of_another_split_are_no_hosts(made, tmp_path, split):
    rows, root, _, _ = made
    without = [replace(row, split=split) if row.source == WHOLE else row for row in rows]
    with pytest.raises(DataError, match="no training film of whole-films labelled NORMAL shows lungs"):
        make(without, root, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_progress_is_told_to_the_end(made, tmp_path):
    rows, root, _, _ = made
    told = []
    make(rows, root, tmp_path, progress=lambda *record: told.append(record))
    assert [record for record in told if record[1] == record[2]] == [
        ("lungs found", 8, 8),
        ("films made", 5, 5),
    ]

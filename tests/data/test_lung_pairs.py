"""Whole films are paired with their own cut, by texture, within a patient."""

import pytest

from data.made_cuts import CUT, WHOLE, brighter, cut_film, make_cut_pool, whole_film, write_film
from pneumoscope.data.lung_pairs import lung_films
from pneumoscope.data.lungs import lung_mask
from pneumoscope.errors import DataError, UsageError


def pair(rows, root, **options):
    return lung_films(rows, root, **({"cut_source": CUT, "whole_source": WHOLE} | options))


def test_a_whole_film_has_the_lungs_of_its_own_cut(tmp_path):
    rows = make_cut_pool(tmp_path)
    facts = {"label": "NORMAL", "patient": "made:0"}
    other_of_patient = write_film(tmp_path, "whole/o.png", brighter(whole_film(50)), source=WHOLE, **facts)
    whole, cut = pair([*rows, other_of_patient], tmp_path)
    assert (len(whole), len(cut)) == (3, 5)
    for seed, film in enumerate(whole):
        assert (film.film == brighter(whole_film(seed))).all()
        assert (film.lungs == lung_mask(cut_film(seed))).all()
        assert film.whole
        assert film.split == "train"
    assert [len(film.boxes) for film in cut] == [0, 0, 0, 1, 1]
    assert not any(film.whole for film in cut)


def test_workers_change_nothing(tmp_path):
    rows = make_cut_pool(tmp_path, hosts=2, sick=1)
    alone, many = pair(rows, tmp_path), pair(rows, tmp_path, workers=2)
    assert [film.film.tobytes() for films in alone for film in films] == [
        film.film.tobytes() for films in many for film in films
    ]


def test_what_is_missing_is_named(tmp_path):
    rows = make_cut_pool(tmp_path, hosts=1, sick=1)
    with pytest.raises(UsageError, match="no source 'x'"):
        pair(rows, tmp_path, cut_source="x")
    with pytest.raises(DataError, match="also among the normal films"):
        pair([row for row in rows if "/w" not in row.path or row.label != "NORMAL"][:0] + rows[1:], tmp_path)

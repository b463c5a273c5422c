import numpy as np
import pytest

from evaluation.made_marks import MadeExplanation, MadeFilm, follows_the_film, made_films, points_at
from pneumoscope.errors import DataError
from pneumoscope.evaluation import localisation
from pneumoscope.evaluation.explanation_localisation import MAP, localise_films
from pneumoscope.evaluation.explanation_summary import summarise_localisation
from pneumoscope.evaluation.intervals import clustered_proportion


@pytest.fixture
def films(tmp_path):
    return made_films(tmp_path)


def test_figures_are_those_of_the_pure_functions(films):
    located, failures = localise_films(films, follows_the_film)
    assert not failures
    assert [each.path for each in located] == [str(film.path) for film in films]
    from pneumoscope.image.read import read

    for film, each in zip(films, located, strict=True):
        heat = follows_the_film(read(film.path)).heatmap
        assert each.figures[MAP].pointing == localisation.pointing_hit(heat, film.lesions)
        assert each.figures[MAP].average_precision == localisation.map_average_precision(heat, film.lesions)
        assert each.figures[MAP].evidence_in_lungs == localisation.evidence_share(heat, film.lungs)
        assert each.figures["lungs"].pointing == localisation.pointing_chance(film.lungs, film.lesions)
        assert each.figures["lungs"].average_precision == localisation.map_average_precision(
            film.lungs, film.lesions
        )
        centre = localisation.centre_map(*film.lesions.shape)
        assert each.figures["centre"].pointing == localisation.pointing_hit(centre, film.lesions)
        assert each.figures["centre"].evidence_in_lungs == localisation.evidence_share(centre, film.lungs)
        assert each.figures["film"] == (film.lesions.mean(), film.lesions.mean(), film.lungs.mean())


def test_others_are_the_hottest_points_of_other_patients_of_the_source(films):
    located, _ = localise_films(films, follows_the_film)
    for film, each in zip(films, located, strict=True):
        height, width = film.lesions.shape
        hits = [
            film.lesions[int(other.point[0] * height), int(other.point[1] * width)]
            for other in located
            if other.patient != each.patient and other.source == each.source
        ]
        assert len(hits) == 4
        assert each.figures["others"].pointing == pytest.approx(np.mean(hits))


def test_a_map_that_points_into_the_lesion_hits(films):
    film = films[3]
    row, column = (round(at) for at in np.argwhere(film.lesions).mean(axis=0))
    (hit,), _ = localise_films([film], points_at(row, column))
    (miss,), _ = localise_films([film], points_at(row, 60))
    assert (hit.figures[MAP].pointing, miss.figures[MAP].pointing) == (1.0, 0.0)
    height, width = film.lesions.shape
    assert hit.point == ((row + 0.5) / height, (column + 0.5) / width)
    assert "others" not in hit.figures, "there is no other patient"


def test_films_without_lesions_are_left_out_and_bad_ones_named(films, tmp_path):
    empty = MadeFilm(films[0].path, "made:0", "east", np.zeros_like(films[0].lesions))
    broken = tmp_path / "broken.png"
    broken.write_text("no film")
    bad = MadeFilm(broken, "made:9", "east", films[0].lesions)
    located, failures = localise_films([empty, bad, films[1]], follows_the_film)
    assert [each.path for each in located] == [str(films[1].path)]
    assert [failure.path for failure in failures] == [str(broken)]
    with pytest.raises(DataError, match=r"none of 1 films could be explained.*broken\.png"):
        localise_films([bad], follows_the_film)


def test_progress_counts_every_film(films):
    counted = []
    localise_films(films, follows_the_film, workers=3, progress=counted.append)
    assert counted == list(range(1, len(films) + 1))


def test_summary_of_all_and_of_each_source(films):
    located, _ = localise_films(films, follows_the_film)
    pooled, east, west = summarise_localisation(located)
    assert (pooled.group, east.group, west.group) == ("all sources", "east", "west")
    assert (pooled.films, pooled.patients) == (12, 6)
    assert east.films + west.films == 12
    hits = [each.figures[MAP].pointing for each in located]
    assert pooled.metrics["pointing"][MAP] == clustered_proportion(hits, [each.patient for each in located])
    chance = [each.figures["lungs"].pointing for each in located]
    assert pooled.metrics["pointing"]["lungs"].value == pytest.approx(np.mean(chance))
    assert pooled.advantage["pointing"]["lungs"].value == pytest.approx(np.mean(hits) - np.mean(chance))
    assert set(pooled.metrics["average_precision"]) == {MAP, "lungs", "centre", "film"}
    assert pooled.found == 12
    assert pooled.pointing_of_found == pooled.metrics["pointing"][MAP]


def test_films_in_order_of_how_easily_they_are_hit(films):
    located, _ = localise_films(films, follows_the_film)
    bins = summarise_localisation(located)[0].by_size
    assert [each.films for each in bins] == [3, 3, 3, 3]
    chances = sorted(each.figures["lungs"].pointing for each in located)
    assert [each.chance for each in bins] == pytest.approx(np.array(chances).reshape(4, 3).mean(axis=1))


def test_lungs_that_nobody_knows_and_maps_without_evidence(tmp_path):
    films = made_films(tmp_path, 4, lungs=False)
    located, _ = localise_films(films, follows_the_film)
    summary = summarise_localisation(located)[0]
    assert summary.metrics["evidence_in_lungs"] == {}
    assert summary.without_evidence == 0
    assert "lungs" not in summary.metrics["pointing"]

    def cold(radiograph):
        explained = follows_the_film(radiograph)
        return MadeExplanation(explained.heatmap - explained.heatmap.max() - 1, -2.0, "NORMAL")

    located, _ = localise_films(made_films(tmp_path, 4), cold)
    summary = summarise_localisation(located)[0]
    assert (summary.without_evidence, summary.found, summary.pointing_of_found) == (4, 0, None)
    assert MAP not in summary.metrics["evidence_in_lungs"]
    assert MAP in summary.metrics["pointing"]


def test_lesions_survive_their_packing(tmp_path):
    film = made_films(tmp_path, 2)[1]
    (each,), _ = localise_films([film], follows_the_film)
    unpacked = np.unpackbits(each.lesions, count=film.lesions.size).reshape(each.shape)
    np.testing.assert_array_equal(unpacked, film.lesions)

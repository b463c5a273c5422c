import numpy as np
import pytest
from PIL import Image

from evaluation.tiny_films import tiny_bundle, tiny_films
from generated import chest_like
from pneumoscope.errors import DataError, RejectedFilmError
from pneumoscope.evaluation.films import LabelledFilm
from pneumoscope.evaluation.intervals import auc_interval, delong_test
from pneumoscope.evaluation.metrics import distance_from_prevalence
from pneumoscope.evaluation.stress import stress_films, summarise_stress
from pneumoscope.evaluation.variants import VARIANTS, Lungs, Variant
from pneumoscope.runtime.predictor import Predictor

THRESHOLDS = {"screening": 0.3, "balanced": 0.5}


def middle(radiograph):
    mask = np.zeros(radiograph.pixels.shape, dtype=bool)
    height, width = mask.shape
    mask[height // 6 : -height // 6, width // 6 : -width // 6] = True
    return Lungs(mask, "template")


def _unchanged(pixels, _):
    return pixels


def _black(pixels, _):
    return np.zeros_like(pixels)


@pytest.fixture
def predictor(tmp_path):
    return Predictor(tiny_bundle(tmp_path / "bundle"), guard=False)


@pytest.fixture
def films(tmp_path):
    return tiny_films(tmp_path / "films")


def test_every_number_is_what_predict_gives_of_the_changed_file(predictor, tmp_path):
    films = []
    for number in range(2):
        path = tmp_path / f"{number}.png"
        Image.fromarray(chest_like(number, height=160, width=140, opacity=number == 1)).save(path)
        films.append(LabelledFilm(path, number, f"p{number}", "here"))
    stressed = stress_films(predictor, films, middle, workers=2)
    for column, film in enumerate(films):
        unchanged = predictor.predict(film.path)
        assert stressed.probabilities[0, column] == unchanged.probability
        for row, variant in enumerate(VARIANTS, start=1):
            pixels = variant.make(unchanged.radiograph.pixels, middle(unchanged.radiograph))
            if pixels is None:
                assert np.isnan(stressed.probabilities[row, column])
                continue
            Image.fromarray(pixels).save(tmp_path / "changed.png")
            again = predictor.predict(tmp_path / "changed.png")
            assert stressed.probabilities[row, column] == again.probability


def test_before_and_after_are_of_the_same_films(predictor, films):
    stressed = stress_films(predictor, films, middle)
    results = summarise_stress(stressed, THRESHOLDS)
    assert {result.group for result in results} == {"all sources", "east", "west"}
    assert "shape-only" not in {result.variant for result in results}
    inside = stressed.sources == "east"
    (result,) = (each for each in results if (each.group, each.variant) == ("east", "lungs-out"))
    y, people = stressed.targets[inside], stressed.patients[inside]
    row = 1 + [variant.name for variant in VARIANTS].index("lungs-out")
    before, after = stressed.probabilities[0, inside], stressed.probabilities[row, inside]
    assert result.films == inside.sum()
    assert result.positives == y.sum()
    assert result.before.auc == auc_interval(y, before, people)
    assert result.after.auc == auc_interval(y, after, people)
    assert result.difference == delong_test(y, after, before, people)
    assert result.before.distance.value == distance_from_prevalence(y, before)
    assert result.after.distance.value == pytest.approx(np.abs(after - y.mean()).mean())
    assert result.after.mean == after.mean()
    assert result.after.findings["balanced"].value == (after >= 0.5).mean()
    assert result.before.refused is None, "this bundle has no guard"


def test_a_change_that_changes_nothing_moves_nothing(predictor, films):
    same = (Variant("same", "as it is", "geometry", _unchanged),)
    stressed = stress_films(predictor, films, middle, variants=same)
    for result in summarise_stress(stressed, THRESHOLDS):
        assert result.before == result.after
        assert result.difference.difference.value == 0.0
        assert result.difference.p_value == 1.0


def test_films_left_blank_are_counted_and_not_scored(predictor, films):
    def black_where_bright(pixels, _):
        return np.zeros_like(pixels) if pixels[0, 0] % 2 else pixels

    variants = (Variant("some", "some black", "evidence", black_where_bright),)
    stressed = stress_films(predictor, films, middle, variants=variants)
    pooled = summarise_stress(stressed, THRESHOLDS)[0]
    assert pooled.blank == int(stressed.blank[1].sum()) > 0
    assert pooled.films == len(films) - pooled.blank
    all_black = (Variant("all", "all black", "evidence", _black),)
    assert summarise_stress(stress_films(predictor, films, middle, variants=all_black), THRESHOLDS) == []


def test_films_that_cannot_be_read_are_left_out(predictor, films):
    films[3].path.write_text("no image")
    stressed = stress_films(predictor, films, middle)
    assert stressed.targets.size == 23
    for film in films:
        film.path.write_text("no image")
    with pytest.raises(DataError, match="none of 24 films"):
        stress_films(predictor, films, middle)


class _GuardOfWideFilms:
    """Refuses films that are wider than high."""

    def check(self, film):
        if film.width > film.height:
            raise RejectedFilmError(film.source, "it is wide", "turn it")
        return ()


def test_what_the_guard_would_say_is_noted(predictor, films):
    object.__setattr__(predictor.bundle, "guard", _GuardOfWideFilms())
    results = summarise_stress(stress_films(predictor, films, middle), THRESHOLDS)
    refused = {
        each.variant: (each.before.refused, each.after.refused) for each in results if each.group == "east"
    }
    assert refused["narrower"] == (0.0, 0.0)
    assert refused["wider"] == (0.0, 1.0)


@pytest.mark.parametrize("workers", [1, 5])
def test_workers_do_not_change_a_number(predictor, films, workers):
    done = []
    stressed = stress_films(predictor, films, middle, workers=workers, progress=done.append)
    np.testing.assert_array_equal(
        stressed.probabilities, stress_films(predictor, films, middle).probabilities
    )
    assert done == list(range(1, len(films) + 1))

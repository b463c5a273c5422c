import numpy as np
import pytest

from evaluation.tiny_films import tiny_bundle, tiny_films
from pneumoscope.errors import DataError
from pneumoscope.evaluation.films import LabelledFilm
from pneumoscope.evaluation.scoring import score_films
from pneumoscope.runtime.predictor import Predictor


@pytest.fixture
def predictor(tmp_path):
    return Predictor(tiny_bundle(tmp_path / "bundle"))


def test_scores_are_what_predict_gives(predictor, tmp_path):
    films = tiny_films(tmp_path / "films")
    scores = score_films(predictor, films)
    for number, film in enumerate(films):
        alone = predictor.predict(film.path)
        assert scores.logits[number] == alone.logit
        assert scores.probabilities[number] == alone.probability
        np.testing.assert_array_equal(scores.cams[number], alone.cam)
        assert (scores.paths[number], scores.targets[number]) == (str(film.path), film.target)
        assert (scores.patients[number], scores.sources[number]) == (film.patient, film.source)


@pytest.mark.parametrize("workers", [1, 3, 64])
def test_workers_do_not_change_a_score(predictor, tmp_path, workers):
    films = tiny_films(tmp_path / "films")
    done = []
    scores = score_films(predictor, films, workers=workers, progress=done.append)
    np.testing.assert_array_equal(scores.logits, score_films(predictor, films, workers=2).logits)
    assert done == list(range(1, len(films) + 1))


def test_a_bad_film_stands_apart(predictor, tmp_path):
    films = tiny_films(tmp_path / "films", 4)
    films[1].path.write_text("no image")
    scores = score_films(predictor, films)
    assert [film.path.name for film in films if str(film.path) in scores.paths] == [
        "film-00.png",
        "film-02.png",
        "film-03.png",
    ]
    assert [(failure.path, failure.status) for failure in scores.failures] == [(str(films[1].path), "error")]
    assert len(scores) == len(scores.targets) == len(scores.cams) == 3


def test_without_any_score_there_is_nothing_to_measure(predictor, tmp_path):
    films = [LabelledFilm(tmp_path / "absent.png", 0, "p", "s")]
    with pytest.raises(DataError, match=r"none of 1 films could be scored; the first: .*absent\.png"):
        score_films(predictor, films)

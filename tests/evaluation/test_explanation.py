import json
from dataclasses import replace

import numpy as np
import pytest

from evaluation.made_marks import made_films
from pneumoscope.errors import DataError
from pneumoscope.evaluation.explanation import measure_explanation, sample_of_patients
from pneumoscope.evaluation.explanation_changes import CHANGES
from pneumoscope.evaluation.explanation_localisation import MAP
from pneumoscope.evaluation.localisation import pointing_hit
from pneumoscope.runtime.bundle import open_bundle
from pneumoscope.runtime.predictor import Predictor
from tiny_bundle import make_tiny_bundle


@pytest.fixture
def bundle(tmp_path):
    return open_bundle(make_tiny_bundle(tmp_path / "bundle"))


def test_the_map_is_that_of_predict(bundle, tmp_path):
    films = made_films(tmp_path / "films", 6)
    steps = []
    report = measure_explanation(bundle, films, "test", progress=lambda *step: steps.append(step))
    predictor = Predictor(bundle)
    for film, located in zip(films, report.located, strict=True):
        scored = predictor.predict(film.path)
        assert located.figures[MAP].pointing == pointing_hit(scored.heatmap, film.lesions)
        assert (located.logit, located.found) == (scored.logit, scored.finding == "PNEUMONIA")
    assert report.repeatability.films == 6
    assert [change.name for change in report.repeatability.changes] == [change.name for change in CHANGES]
    assert steps[-1] == ("films changed", 6, 6)
    assert ("films explained", 6, 6) in steps


def test_json_holds_every_film_and_figure(bundle, tmp_path):
    *films, last = made_films(tmp_path / "films", 5)
    films[0].path.write_text("no film")
    films.append(replace(last, lesions=np.zeros_like(last.lesions)))
    told = json.loads(json.dumps(measure_explanation(bundle, films, "test").to_json(), allow_nan=False))
    assert (told["model"], told["split"]) == ("tiny 0.1.0", "test")
    assert [film["path"] for film in told["films"]] == [str(film.path) for film in films[1:4]]
    assert told["empty"] == 1
    assert [failure["path"] for failure in told["failures"]] == [str(films[0].path)]
    assert told["films"][0]["figures"]["map"]["pointing"] == float(told["films"][0]["hit"])
    assert set(told["groups"][0]["metrics"]) == {"pointing", "average_precision", "evidence_in_lungs"}
    assert (told["randomisation"], told["methods"]) == (None, None)


def test_films_on_which_nothing_is_drawn_are_refused(bundle, tmp_path):
    films = [replace(film, lesions=np.zeros_like(film.lesions)) for film in made_films(tmp_path / "films", 2)]
    with pytest.raises(DataError, match="on none of 2 films a lesion is drawn"):
        measure_explanation(bundle, films, "test")


def test_a_sample_takes_every_patient_before_anybody_twice(tmp_path):
    films = made_films(tmp_path / "films", 12)  # two of each patient
    for count in (1, 6, 9, 40):
        sample = sample_of_patients(films, count)
        assert len(sample) == min(count, 12)
        assert len({film.path for film in sample}) == len(sample)
        assert len({film.patient for film in sample[:6]}) == min(count, 6)
    assert sample_of_patients(films, 6) == sample_of_patients(films, 6)
    assert sample_of_patients(films, 6, seed=1) != sample_of_patients(films, 6)

import numpy as np
import pytest

from evaluation.made_marks import MadeExplanation, follows_the_film, made_films, points_at
from generated import chest_like
from pneumoscope.evaluation.explanation_changes import CHANGES
from pneumoscope.evaluation.explanation_repeatability import measure_repeatability, repeat_film
from pneumoscope.image.read import read


@pytest.fixture
def film():
    return read(chest_like(2, height=200, width=160, opacity=True, noise=1.0))


def test_a_map_that_follows_the_film_stays_on_it(film):
    _, repeats = repeat_film(film, follows_the_film)
    assert set(repeats) == {change.name for change in CHANGES}
    for name, repeat in repeats.items():
        assert repeat.correlation > 0.93, name
        assert repeat.displacement < 0.06, name
        assert repeat.finding_kept


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_a_map_that_ignores_the_film_moves_against_it(film, change):
    row, column = 60, 100
    _, repeats = repeat_film(film, points_at(row, column), [change])
    came_from = change.move.point_back((row, column), (200, 160))
    distance = np.hypot(came_from[0] - row, came_from[1] - column) / 200
    assert repeats[change.name].displacement == pytest.approx(distance)
    assert (distance > 0.005) == (change.alter is None)


def test_scores_are_compared(film):
    calls = iter([MadeExplanation(np.eye(200, 160, dtype=np.float32), 2.0, "PNEUMONIA")])
    after = MadeExplanation(np.zeros((200, 160), np.float32), -0.5, "NORMAL")
    _, repeats = repeat_film(film, lambda _: next(calls, after), CHANGES[:1])
    (repeat,) = repeats.values()
    assert repeat.logit_change == pytest.approx(2.5)
    assert not repeat.finding_kept
    assert repeat.correlation == 0.0, "a flat map resembles nothing"


def test_figures_over_films(tmp_path):
    films = made_films(tmp_path)
    broken = films[0]
    broken.path.write_text("no film")
    report, failures = measure_repeatability(films, follows_the_film, CHANGES[:3], workers=2)
    assert [failure.path for failure in failures] == [str(broken.path)]
    assert (report.films, report.patients) == (11, 6)
    assert [change.name for change in report.changes] == [change.name for change in CHANGES[:3]]
    moved = [repeat_film(read(film.path), follows_the_film, CHANGES[:1])[1] for film in films[1:]]
    distances = [each[CHANGES[0].name].displacement for each in moved]
    first = report.changes[0]
    assert first.displacement.value == pytest.approx(np.mean(distances))
    assert first.displacement_median == pytest.approx(np.median(distances))
    assert first.displacement_90 == pytest.approx(np.percentile(distances, 90))
    assert first.finding_kept.value == 1.0
    other = report.other_patients
    assert other.logit_change is None
    assert other.displacement.value > 0
    assert other.correlation.value < first.correlation.value


def test_one_patient_has_nobody_to_be_compared_with(tmp_path):
    report, _ = measure_repeatability(made_films(tmp_path, 2), follows_the_film, CHANGES[:1])
    assert report.other_patients is None


def test_other_patients_of_a_map_that_never_looks_are_alike(tmp_path):
    films = [film for film in made_films(tmp_path, 12) if film.lesions.shape == (72, 64)]
    report, _ = measure_repeatability(films, points_at(30, 20), CHANGES[:1])
    assert report.other_patients.displacement.value == 0.0
    assert report.other_patients.correlation.value == pytest.approx(1.0)

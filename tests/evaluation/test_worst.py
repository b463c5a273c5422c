import numpy as np
import pytest

from pneumoscope.evaluation.scoring import Scores
from pneumoscope.evaluation.worst import worst_films

TARGETS = [1, 1, 1, 1, 0, 0, 0, 0]
P = [0.30, 0.05, 0.90, 0.39, 0.70, 0.10, 0.95, 0.40]


@pytest.fixture
def scores():
    count = len(P)
    return Scores(
        paths=tuple(f"{number}.png" for number in range(count)),
        targets=np.array(TARGETS, dtype=bool),
        patients=np.arange(count).astype(str),
        sources=np.array(["east"] * 4 + ["west"] * 4),
        logits=np.zeros(count),
        probabilities=np.array(P),
        cams=(),
        failures=(),
    )


def test_both_kinds_are_ordered_by_how_sure_the_bundle_was(scores):
    worst = worst_films(scores, 0.4, 10)
    assert [film.path for film in worst["missed"]] == ["1.png", "0.png", "3.png"]
    assert [film.path for film in worst["overcalled"]] == ["6.png", "4.png", "7.png"]
    assert worst["missed"][0].probability == 0.05
    assert {film.source for film in worst["overcalled"]} == {"west"}


def test_no_more_than_asked_of_each_kind(scores):
    worst = worst_films(scores, 0.4, 1)
    assert [[film.path for film in films] for films in worst.values()] == [["1.png"], ["6.png"]]


def test_no_film_on_the_right_side_is_wrong(scores):
    assert worst_films(scores, 0.01, 10)["missed"] == []
    assert worst_films(scores, 0.99, 10)["overcalled"] == []

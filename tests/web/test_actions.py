"""What is scored, in which order, and what is written of it."""

import csv
import io
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from api.films import dicom, png
from pneumoscope.runtime.film import RECORD_FIELDS
from pneumoscope.runtime.predictor import Predictor
from pneumoscope.web.actions import Actions, Sent
from pneumoscope.web.arrivals import ARRIVALS_PATH, Arrivals
from pneumoscope.web.scored import Results
from pneumoscope.web.settings import PageSettings


class Desk:
    """Actions, and a way to send films to them."""

    def __init__(self, predictor: Predictor, **limits: int) -> None:
        settings = PageSettings(**{"workers": 2, **limits})
        self.arrivals = Arrivals(settings)
        self.actions = Actions(predictor, self.arrivals, settings)
        self._client = TestClient(Starlette(routes=[self.arrivals.route()]))

    def send(self, name: str, data: bytes) -> Sent:
        kind = {"content-type": "application/octet-stream"}
        return Sent(name, self._client.post(ARRIVALS_PATH, content=data, headers=kind).json().get("ticket"))

    def score(self, *films: Sent | Path) -> Results:
        *_, last = self.actions.score(films)
        return last


@pytest.fixture
def desk(predictor: Predictor) -> Desk:
    return Desk(predictor)


def test_results_come_one_by_one_in_order(desk: Desk, predictor: Predictor) -> None:
    sent = [desk.send(f"{seed}.png", png(seed)) for seed in range(6)]
    steps = list(desk.actions.score(sent))
    assert [len(step.films) for step in steps] == [1, 2, 3, 4, 5, 6]
    for seed, film in enumerate(steps[-1].films):
        assert film.entry.record == predictor.predict(png(seed), name=f"{seed}.png").record()
    assert desk.arrivals.held_bytes == 0


def test_a_bad_film_does_not_stop_the_others(desk: Desk) -> None:
    results = desk.score(
        desk.send("a.txt", b"no film"),
        Sent("lost.png", None),
        desk.send("b.png", png(1)),
        desk.send("empty", b""),
    )
    assert [film.entry.record["status"] for film in results.films] == ["error", "error", "ok", "error"]
    assert "did not arrive" in str(results.films[1].entry.record["reason"])
    assert [film.views is not None for film in results.films] == [False, False, True, False]


def test_more_films_than_the_limit_are_left_out(predictor: Predictor) -> None:
    desk = Desk(predictor, films=2)
    assert len(desk.score(*(desk.send(f"{n}.png", png(n)) for n in range(4))).films) == 2


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\films\\a.png", "a.png"),
        ("a\n\0b", "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}b"),
        ("x" * 300 + ".png", "x" * 251 + ".png"),
        ("", "film"),
    ],
)
def test_names_are_for_reading_only(desk: Desk, sent: str, shown: str) -> None:
    (film,) = desk.score(desk.send(sent, png(1))).films
    assert film.entry.record["path"] == shown


def test_nothing_of_the_patient_is_kept(desk: Desk) -> None:
    (film,) = desk.score(desk.send("a.dcm", dicom(3, PatientAge="034Y"))).films
    kept = repr(film)
    assert "view PA" in kept
    for secret in ("SECRET", "1970", "034Y"):
        assert secret not in kept


def test_csv_holds_the_records_under_the_chosen_rule(desk: Desk) -> None:
    results = desk.score(desk.send("a.png", png(2)), desk.send("b.txt", b"text"))
    rule = desk.actions.rule("own threshold", 99)
    rows = list(csv.DictReader(io.StringIO(desk.actions.csv(results, rule))))
    assert tuple(rows[0]) == RECORD_FIELDS
    assert (rows[0]["path"], rows[0]["finding"], rows[0]["threshold"]) == ("a.png", "NORMAL", "0.99")
    assert float(rows[0]["probability"]) == results.films[0].probability
    assert (rows[1]["status"], rows[1]["probability"]) == ("error", "")


def test_report_of_one_and_of_many(desk: Desk) -> None:
    one = desk.score(desk.send("a.png", png(2)))
    rule = desk.actions.rule("own threshold", 20)
    text = desk.actions.report(one, rule)
    assert "<h1>Chest film</h1>" in text
    assert "Threshold set by hand: PNEUMONIA from 20.0 %" in text
    many = desk.score(desk.send("a.png", png(2)), desk.send("b.txt", b"text"))
    text = desk.actions.report(many, desk.actions.rule("screening", 20))
    assert "2 chest films, 1 scored" in text
    assert "Operating point <b>screening</b>: PNEUMONIA from 35.0 %" in text
    assert text.count("<img ") == 2


def test_a_film_that_lies_here_can_be_scored(desk: Desk, tmp_path: Path, predictor: Predictor) -> None:
    path = tmp_path / "sample.dcm"
    path.write_bytes(dicom(4))
    (film,) = desk.score(path).films
    assert film.entry.record["path"] == "sample.dcm"
    assert film.probability == predictor.predict(path).probability


def test_who_stops_asking_stops_the_scoring(desk: Desk) -> None:
    sent = [desk.send(f"{n}.png", png(n)) for n in range(9)]
    going = desk.actions.score(sent)
    next(going)
    going.close()
    desk.actions.close()
    assert desk.arrivals.held_bytes > 0

"""The page about films: all figures, two pictures, nothing from elsewhere, and no text that becomes HTML."""

import base64
import re
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from generated import chest_like
from image.made_dicom import dataset, dicom_bytes
from pneumoscope.report.entry import film_entry
from pneumoscope.report.film_page import film_section, render_film_page, render_index_page, render_job_page
from pneumoscope.report.overlay import FILM_BOX
from pneumoscope.runtime.film import Failure, Film
from pneumoscope.runtime.loading import load
from pneumoscope.runtime.predictor import Predictor
from pneumoscope.runtime.rule import own_rule, point_rule
from tiny_bundle import make_tiny_bundle

NASTY = "<script>alert(\"1\")<img src=x onerror='alert()'>&.png"


class _Page(HTMLParser):
    """Collects what a page says and loads, and refuses tags that do not close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.links: list[str] = []
        self.said: list[str] = []
        self.feed(text)
        assert self.open == []
        self.text = " ".join(" ".join(self.said).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "iframe", "object")
        for name, value in attrs:
            assert not name.startswith("on")
            if name == "src":
                self.loads.append(value or "")
            if name == "href":
                self.links.append(value or "")
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    nasty = {"limitations": ("It knows <b>two</b> answers.",)}
    return load(make_tiny_bundle(tmp_path_factory.mktemp("tiny"), **nasty))


@pytest.fixture(scope="module")
def film(predictor: Predictor) -> Film:
    return predictor.predict(chest_like(2, opacity=True), name=f"ward/{NASTY}")


def test_every_figure_and_what_the_model_is_for_are_on_the_page(predictor: Predictor, film: Film) -> None:
    page = _Page(render_film_page(film, predictor.bundle))
    card = predictor.bundle.card
    for words in (
        film.finding,
        f"probability of pneumonia {100 * film.probability:.1f} %",
        "PNEUMONIA from 50.0 %",
        "sensitivity 0.910 (0.880 to 0.930) and specificity 0.900 (0.860 to 0.930)",
        "Research use only; not a medical device.",
        "It must not be used to diagnose, treat or triage patients.",
        card.intended_use,
        card.intended_population,
        *card.limitations,
        predictor.bundle.identity,
        predictor.bundle.sha256,
        "0.960 (0.940 to 0.970)",
        NASTY,
    ):
        assert words in page.text, words


def test_pictures_are_in_the_page(predictor: Predictor, film: Film) -> None:
    page = _Page(render_film_page(film, predictor.bundle))
    pictures = []
    for source in page.loads:
        kind, _, data = source.partition(",")
        assert kind == "data:image/jpeg;base64"
        pictures.append(Image.open(BytesIO(base64.b64decode(data))))
    shown, evidence = pictures
    panel = film.overlay().crop(FILM_BOX)
    assert shown.size == panel.size
    difference = np.asarray(shown, dtype=int) - np.asarray(panel, dtype=int)
    assert np.abs(difference).mean() < 3
    assert evidence.width > shown.width
    assert page.links == []


def test_nothing_may_be_loaded_or_run(predictor: Predictor, film: Film) -> None:
    text = render_film_page(film, predictor.bundle)
    assert "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\"" in text
    assert "http" not in re.sub(r'http-equiv="|base64,[^"]*', "", text)


def test_nothing_of_the_patient_is_told(predictor: Predictor) -> None:
    film = predictor.predict(dicom_bytes(dataset(chest_like(1), PatientAge="034Y")), name="a.dcm")
    text = render_film_page(film, predictor.bundle)
    assert "view PA" in text
    for secret in ("SECRET", "1970", "034Y"):
        assert secret not in text


def test_warnings_and_failures_are_told(predictor: Predictor) -> None:
    dark = (chest_like(1).astype(np.uint16)) * 10
    section = film_section(predictor.predict(dark, name="dark"), predictor.bundle)
    assert "may have been stored with fewer bits" in section
    failure = film_section(
        Failure("x/<i>.png", "rejected", "it is a GIF; send the original"), predictor.bundle
    )
    assert _Page(failure).text == "<i>.png No score rejected It is a GIF; send the original."


def test_what_is_kept_of_a_result_gives_the_same_page(predictor: Predictor, film: Film) -> None:
    failure = Failure("b.png", "error", "it is text; send a film")
    for result in (film, failure):
        kept = film_entry(result)
        assert render_film_page(kept, predictor.bundle) == render_film_page(result, predictor.bundle)
    assert (
        film_entry(failure).under(own_rule(predictor.bundle.card, 0.5), ("no", "yes")).record["path"]
        == "b.png"
    )


def test_another_rule_decides_and_says_so(predictor: Predictor, film: Film) -> None:
    card = predictor.bundle.card
    assert 0.35 < film.probability < 0.99
    strict = own_rule(card, 0.99)
    entry = film_entry(film).under(strict, card.labels)
    assert (entry.record["finding"], entry.record["threshold"]) == ("NORMAL", 0.99)
    text = _Page(render_film_page(entry, predictor.bundle, strict)).text
    assert "NORMAL probability of pneumonia" in text
    assert "Threshold set by hand: PNEUMONIA from 99.0 %." in text
    assert "sensitivity between 0.000 and 0.700 and specificity between 0.960 and 1.000" in text
    screening = point_rule(card, "screening")
    entry = film_entry(film).under(screening, card.labels)
    text = _Page(render_film_page(entry, predictor.bundle)).text
    assert "Operating point screening : PNEUMONIA from 35.0 %." in text


def test_job_page_has_a_row_and_a_section_for_each(predictor: Predictor, film: Film) -> None:
    results: list[Film | Failure] = [film, Failure("b.png", "error", "it is text; send a film")]
    sections = [film_section(result, predictor.bundle) for result in results]
    page = _Page(render_job_page([result.record() for result in results], sections, predictor.bundle))
    assert "2 chest films, 1 scored" in page.text
    assert page.text.count("It is text; send a film.") == 2
    assert len(page.loads) == 2


def test_index_links_to_the_pages(predictor: Predictor, film: Film) -> None:
    records = [(film.record(), "a b#?.html"), (Failure("\udcff.png", "error", "no").record(), None)]
    page = "".join(render_index_page(records, "2 films", predictor.bundle))
    checked = _Page(page)
    assert checked.links == ["a%20b%23%3F.html"]
    assert checked.loads == []


def test_equal_films_give_equal_pages(predictor: Predictor, film: Film) -> None:
    assert render_film_page(film, predictor.bundle) == render_film_page(film, predictor.bundle)

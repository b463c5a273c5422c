"""The report that the page saves, as a browser shows it on a phone and puts it on paper."""

import re

import pytest
from playwright.sync_api import Browser

from generated import chest_like
from pneumoscope.report.film_page import film_section, render_index_page, render_job_page
from pneumoscope.runtime.film import Failure, Film
from pneumoscope.runtime.predictor import Predictor
from web.visiting import PHONE

LONG = "a-name-without-any-space-" * 6 + ".png"
REASON = "its modality is MR (magnetic resonance); send a chest radiograph of modality CR or DX"


@pytest.fixture(scope="module")
def results(predictor: Predictor) -> list[Film | Failure]:
    """Two films, and four files that are none between them."""
    first, last = (predictor.predict(chest_like(seed), name=LONG) for seed in (1, 2))
    return [first, *(Failure(f"{number}.dcm", "rejected", REASON) for number in range(4)), last]


@pytest.fixture(scope="module")
def report(predictor: Predictor, results: list[Film | Failure]) -> str:
    sections = [film_section(result, predictor.bundle) for result in results]
    return render_job_page([result.record() for result in results], sections, predictor.bundle)


def test_it_fits_a_phone(
    browser: Browser, predictor: Predictor, results: list[Film | Failure], report: str
) -> None:
    records = [(result.record(), "a.html") for result in results]
    index = "".join(render_index_page(records, "6 films", predictor.bundle))
    page = browser.new_page(viewport=PHONE)
    for text in (report, index):
        page.set_content(text)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.close()


def test_only_films_with_pictures_take_a_sheet_of_paper_each(browser: Browser, report: str) -> None:
    """The list of all, the first film, those without pictures together, the last film, the model."""
    page = browser.new_page()
    page.set_content(report)
    printed = page.pdf()
    page.close()
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 5


def test_sentences_are_aligned_left(browser: Browser, report: str) -> None:
    page = browser.new_page()
    page.set_content(report)
    cell = page.get_by_role("cell", name="Its modality is MR").first
    assert cell.evaluate("cell => getComputedStyle(cell).textAlign") == "left"
    page.close()


def test_a_heading_is_printed_with_what_it_heads(browser: Browser, report: str) -> None:
    page = browser.new_page()
    page.set_content(report)
    page.emulate_media(media="print")
    after = page.locator("h2, h3").evaluate_all("all => all.map(head => getComputedStyle(head).breakAfter)")
    page.close()
    assert set(after) == {"avoid"}

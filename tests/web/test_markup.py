"""What is said of a film and of a threshold, and that nothing said can become HTML."""

from html.parser import HTMLParser

import numpy as np
import pytest

from generated import chest_like
from pneumoscope.runtime.film import Failure
from pneumoscope.runtime.predictor import Predictor
from pneumoscope.runtime.rule import Rule, own_rule, point_rule
from pneumoscope.web import markup
from pneumoscope.web.scored import Results, Scored, keep
from tiny_bundle import tiny_card

NASTY = "<script>alert('1')<img src=x>&.png"


class _Said(HTMLParser):
    """The text of a part of the page, and its tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self._pieces: list[str] = []
        self.feed(text)
        self.text = " ".join(" ".join(self._pieces).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self._pieces.append(data)


@pytest.fixture(scope="module")
def rule(predictor: Predictor) -> Rule:
    return point_rule(predictor.bundle.card, "balanced")


@pytest.fixture(scope="module")
def dark(predictor: Predictor) -> Scored:
    """A film that is warned of."""
    return keep(predictor.predict(chest_like(1).astype(np.uint16) * 10, name=f"ward/{NASTY}"))


def test_warnings_are_said(predictor: Predictor, rule: Rule, dark: Scored) -> None:
    said = _Said(markup.verdict(dark, rule, predictor.bundle))
    assert "Mind this The 16-bit film uses only values up to" in said.text
    assert said.text.startswith(NASTY)
    assert "script" not in said.tags


def test_a_reason_is_text(predictor: Predictor, rule: Rule, dark: Scored) -> None:
    refused = keep(Failure(NASTY, "rejected", "it is <b>no</b> film; send one"))
    results = Results((dark, refused))
    for part in (
        markup.verdict(refused, rule, predictor.bundle),
        markup.table(results, rule, predictor.bundle),
    ):
        said = _Said(part)
        assert "It is <b>no</b> film; send one." in said.text
        assert NASTY in said.text
        assert not {"b", "script"} & set(said.tags)


@pytest.mark.parametrize(
    ("threshold", "words"),
    [
        (0.2, "at least 97.0 % bounds, not measured here Specificity at most 72.0 %"),
        (0.6, "70.0 to 91.0 % bounds, not measured here Specificity 90.0 to 96.0 %"),
        (0.9, "at most 70.0 % bounds, not measured here Specificity at least 96.0 %"),
    ],
)
def test_without_a_curve_only_bounds_are_told(predictor: Predictor, threshold: float, words: str) -> None:
    said = _Said(markup.rates(own_rule(tiny_card(), threshold), predictor.bundle)).text
    assert words in said
    assert "Measured on validation." in said


def test_one_film_has_no_table(predictor: Predictor, rule: Rule, dark: Scored) -> None:
    assert markup.table(Results((dark,)), rule, predictor.bundle) == ""
    assert markup.table(None, rule, predictor.bundle) == ""


def test_the_legend_is_the_bundles_whatever_the_film(predictor: Predictor) -> None:
    films = [
        keep(predictor.predict(chest_like(seed, opacity=opacity)))
        for seed, opacity in ((1, False), (2, True))
    ]
    legends = [markup.viewer(film, 4.0).partition('<div class="legend"')[2] for film in films]
    assert len({legend.partition("<b ")[0] for legend in legends}) == 1
    assert all("<span>4</span>" in legend for legend in legends)


@pytest.mark.parametrize(
    ("hottest", "place", "words"),
    [
        (-0.3, "0.0%", "No point of this film has evidence above 0."),
        (0.04, "1.0%", "No point of this film has evidence above 0."),
        (1.0, "25.0%", "The hottest point of this film has 1.0: too little for a line."),
        (3.0, "75.0%", "The hottest point of this film has 3.0. The colours"),
        (9.0, "100.0%", "The hottest point of this film has 9.0. The colours"),
    ],
)
def test_the_legend_says_how_far_up_a_film_reaches(hottest: float, place: str, words: str) -> None:
    legend = markup.legend(4.0, hottest)
    assert f'class="hottest" style="left:{place}"' in legend
    assert words in _Said(legend).text

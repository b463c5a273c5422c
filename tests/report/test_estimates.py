import re
from xml.etree import ElementTree

import pytest

from pneumoscope.report.estimates import IntervalRow, interval_plot, interval_text

ROWS = [
    IntervalRow("the bundle", {"value": 0.95, "low": 0.9, "high": 0.98}, own=True),
    IntervalRow("border <1>", {"value": 0.5, "low": 0.3, "high": 0.6}),
]


def _svg(**changes):
    options = {"x_label": "AUC", "step": 0.1} | changes
    figure = interval_plot("A & B", ROWS, (0.4, 1.0), **options)
    return ElementTree.fromstring(figure)


def _position(svg, value):
    """Where a tick of this number stands."""
    (tick,) = (each for each in svg.iter("text") if each.text == value)
    return float(tick.attrib["x"])


def test_dots_and_intervals_lie_on_the_scale():
    svg = _svg()
    left, right = _position(svg, "0.4"), _position(svg, "1")
    dots = [float(dot.attrib["cx"]) for dot in svg.iter("circle")]
    assert dots == pytest.approx(
        [left + (right - left) * share for share in (0.55 / 0.6, 0.1 / 0.6)], abs=0.1
    )
    bundle, border = (row.find("line").attrib for row in svg.iter("g"))
    assert float(bundle["x2"]) == pytest.approx(left + (right - left) * 0.58 / 0.6, abs=0.1)
    assert float(border["x1"]) == left, "what lies below the axis is cut off"


def test_labels_are_text_and_the_figure_says_what_it_is():
    svg = _svg()
    texts = [text.text for text in svg.iter("text")]
    assert {"the bundle", "border <1>", "AUC"} <= set(texts)
    assert svg.find("svg").attrib["aria-label"] == "A & B"
    titles = [title.text.replace("\xa0", " ") for title in svg.iter("title")]
    assert titles[0] == "the bundle: 0.950 (0.900 to 0.980)"


def test_a_band_is_shaded_where_it_is_asked_for():
    assert list(_svg().iter("rect")) == []
    svg = _svg(band=(0.5, 0.7))
    (band,) = svg.iter("rect")
    assert float(band.attrib["x"]) == pytest.approx(_position(svg, "0.5"), abs=0.1)
    assert float(band.attrib["width"]) == pytest.approx(
        _position(svg, "0.7") - _position(svg, "0.5"), abs=0.1
    )


def test_ticks_are_round_and_own_results_stand_out():
    svg = _svg()
    ticks = [text.text for text in svg.iter("text") if re.fullmatch(r"[\d.-]+", text.text)]
    assert ticks == ["0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1"]
    own, other = svg.iter("circle")
    assert own.attrib["fill"] != other.attrib["fill"]
    assert float(own.attrib["r"]) > float(other.attrib["r"])


def test_a_missing_number_is_a_dash_and_an_interval_does_not_break():
    assert interval_text(None) == "-"
    text = interval_text({"value": 0.9, "low": 0.8, "high": 0.95})
    assert text.split(" ") == ["0.900", "(0.800\xa0to\xa00.950)"]

import xml.etree.ElementTree as ElementTree

import pytest

from pneumoscope.report.figures import Marker, Series, square_plot


def _svg(figure):
    return ElementTree.fromstring(figure).find("svg")


def _frame(svg):
    frame = svg.find("rect")
    return tuple(float(frame.get(key)) for key in ("x", "y", "width", "height"))


@pytest.mark.parametrize(
    ("point", "corner"), [((0, 0), (0, 1)), ((1, 1), (1, 0)), ((0.25, 0.5), (0.25, 0.5))]
)
def test_points_lie_where_the_axes_say(point, corner):
    svg = _svg(square_plot("t", "x", "y", [Series([point, point])], [Marker(point, "here")]))
    left, top, width, height = _frame(svg)
    expected = (left + corner[0] * width, top + corner[1] * height)
    dot = svg.find("g/circle")
    assert (float(dot.get("cx")), float(dot.get("cy"))) == pytest.approx(expected, abs=0.1)
    drawn = svg.find("polyline").get("points").split()[0].split(",")
    assert [float(number) for number in drawn] == pytest.approx(expected, abs=0.1)


def test_an_interval_is_a_vertical_bar():
    svg = _svg(square_plot("t", "x", "y", [], [Marker((0.5, 0.5), "here", interval=(0.25, 0.75))]))
    _, top, _, height = _frame(svg)
    bar = svg.find("g/line")
    assert bar.get("x1") == bar.get("x2")
    edges = [float(bar.get("y1")), float(bar.get("y2"))]
    assert edges == pytest.approx([top + 0.75 * height, top + 0.25 * height], abs=0.1)


def test_words_are_escaped():
    figure = square_plot("a < b & c", "<x>", '"y"', [], [Marker((0, 0), "<script>")])
    assert ElementTree.fromstring(figure).findtext("figcaption") == "a < b & c"
    assert "<script>" not in figure


def test_a_dashed_line_is_no_measurement():
    plain, dashed = (_svg(square_plot("t", "x", "y", [Series([(0, 0)], dashed=d)])) for d in (False, True))
    assert plain.find("polyline").get("stroke-dasharray") is None
    assert dashed.find("polyline").get("stroke-dasharray")

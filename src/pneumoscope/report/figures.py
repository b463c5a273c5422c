"""Plots of numbers as inline SVG: no library, no script, sharp at any size, readable without colour."""

from collections.abc import Sequence
from html import escape

__all__ = ["Marker", "Series", "square_plot"]

Point = tuple[float, float]

# Okabe & Ito's palette, which people with any colour vision can tell apart.
BLUE, VERMILION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#767676"

_SIDE = 240.0
_LEFT, _BOTTOM, _MARGIN = 46.0, 42.0, 12.0


class Series:
    """A line through points, both coordinates 0 to 1.

    Args:
        points: (x, y) in drawing order.
        colour: of the line.
        dashed: for a line that is no measurement.
    """

    def __init__(self, points: Sequence[Point], colour: str = BLUE, *, dashed: bool = False) -> None:
        self.points, self.colour, self.dashed = points, colour, dashed

    def svg(self) -> str:
        """The line."""
        path = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in self.points)
        dashes = ' stroke-dasharray="4 4"' if self.dashed else ""
        return f'<polyline points="{path}" fill="none" stroke="{self.colour}" stroke-width="1.8"{dashes}/>'


class Marker:
    """A point with a label that is shown on hovering, and perhaps an interval of its height.

    Args:
        point: (x, y), both 0 to 1.
        label: what it is.
        colour: of the dot.
        interval: (low, high) of y.
    """

    def __init__(
        self, point: Point, label: str, colour: str = VERMILION, interval: tuple[float, float] | None = None
    ) -> None:
        self.point, self.label, self.colour, self.interval = point, label, colour, interval

    def svg(self) -> str:
        """The dot and its interval."""
        x, y = _x(self.point[0]), _y(self.point[1])
        bar = ""
        if self.interval is not None:
            low, high = (_y(edge) for edge in self.interval)
            bar = f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" stroke="{self.colour}"/>'
        dot = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{self.colour}"/>'
        return f"<g><title>{escape(self.label)}</title>{bar}{dot}</g>"


def _x(value: float) -> float:
    return _LEFT + value * _SIDE


def _y(value: float) -> float:
    return _MARGIN + (1.0 - value) * _SIDE


def square_plot(
    title: str, x_label: str, y_label: str, series: Sequence[Series], markers: Sequence[Marker] = ()
) -> str:
    """One plot with both axes from 0 to 1.

    Args:
        title: of the plot, also its text for a screen reader.
        x_label: of the horizontal axis.
        y_label: of the vertical axis.
        series: lines, drawn in order.
        markers: dots, drawn above the lines.

    Returns:
        An `<svg>` element.
    """
    width, height = _LEFT + _SIDE + _MARGIN, _MARGIN + _SIDE + _BOTTOM
    parts = [
        f'<rect x="{_LEFT}" y="{_MARGIN}" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="{GREY}"/>'
    ]
    for step in range(6):
        value = step / 5
        parts.append(
            f'<line x1="{_x(value):.1f}" x2="{_x(value):.1f}" y1="{_y(0):.1f}" y2="{_y(0) + 4:.1f}" '
            f'stroke="{GREY}"/>'
            f'<text x="{_x(value):.1f}" y="{_y(0) + 16:.1f}" text-anchor="middle">{value:g}</text>'
            f'<line x1="{_LEFT - 4}" x2="{_LEFT}" y1="{_y(value):.1f}" y2="{_y(value):.1f}" stroke="{GREY}"/>'
            f'<text x="{_LEFT - 7}" y="{_y(value) + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    middle_x, middle_y = _x(0.5), _y(0.5)
    parts.append(f'<text x="{middle_x}" y="{height - 6}" text-anchor="middle">{escape(x_label)}</text>')
    parts.append(
        f'<text x="12" y="{middle_y}" text-anchor="middle" transform="rotate(-90 12 {middle_y})">'
        f"{escape(y_label)}</text>"
    )
    parts += [line.svg() for line in series] + [marker.svg() for marker in markers]
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg role="img" aria-label="{escape(title)}" '
        f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" font-size="11" '
        f'font-family="sans-serif">{"".join(parts)}</svg></figure>'
    )

"""Measured numbers with their intervals, as text and as a picture: inline SVG, no library, no script."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from pneumoscope.report.figures import BLUE, GREY, VERMILION

__all__ = ["IntervalRow", "interval_plot", "interval_text"]

_NO_BREAK = "\u00a0"  # keeps an interval on one line; a line may break before its bracket
_ROW = 22.0
_LABELS, _PLOT, _MARGIN, _FOOT = 300.0, 340.0, 14.0, 40.0


class IntervalRow(NamedTuple):
    """One line of the picture.

    Attributes:
        label: at its left.
        estimate: with value, low and high.
        own: what the page is about, not what it is compared with.
    """

    label: str
    estimate: Mapping[str, float]
    own: bool = False


def interval_text(estimate: Mapping[str, Any] | None, signed: bool = False) -> str:
    r"""Value and interval, or a dash.

    Args:
        estimate: with value, low and high.
        signed: write a plus, for differences.

    >>> interval_text({"value": 0.5, "low": 0.4, "high": 0.625}).replace("\xa0", " ")
    '0.500 (0.400 to 0.625)'
    >>> interval_text({"value": 0.01, "low": -0.02, "high": 0.04}, signed=True).replace("\xa0", " ")
    '+0.010 (-0.020 to +0.040)'
    """
    if estimate is None:
        return "-"
    form = "+.3f" if signed else ".3f"
    interval = f"({estimate['low']:{form}} to {estimate['high']:{form}})"
    return f"{estimate['value']:{form}} {interval.replace(' ', _NO_BREAK)}"


def interval_plot(
    title: str,
    rows: Sequence[IntervalRow],
    axis: tuple[float, float],
    *,
    x_label: str,
    step: float,
    band: tuple[float, float] | None = None,
) -> str:
    """Values side by side, each a dot on its interval; what lies beyond the axis is cut off.

    Args:
        title: of the plot, also its text for a screen reader.
        rows: from top to bottom.
        axis: its two ends.
        x_label: of the axis.
        step: between its ticks.
        band: values to shade, such as a target.

    Returns:
        A `<figure>` element.
    """
    low, high = axis

    def x(value: float) -> float:
        return _LABELS + (min(max(value, low), high) - low) / (high - low) * _PLOT

    bottom = _MARGIN + _ROW * len(rows)
    parts = []
    if band is not None:
        left, right = x(band[0]), x(band[1])
        parts.append(
            f'<rect x="{left:.1f}" y="{_MARGIN}" width="{right - left:.1f}" height="{bottom - _MARGIN:g}" '
            'fill="#009E73" fill-opacity="0.15"/>'
        )
    for tick in range(round((high - low) / step) + 1):
        value = low + tick * step
        parts.append(
            f'<line x1="{x(value):.1f}" x2="{x(value):.1f}" y1="{_MARGIN}" y2="{bottom:g}" stroke="#e2e2e2"/>'
            f'<text x="{x(value):.1f}" y="{bottom + 15:g}" text-anchor="middle">{_tick(value)}</text>'
        )
    for number, row in enumerate(rows):
        parts.append(_line(row, _MARGIN + _ROW * (number + 0.5), x))
    parts.append(
        f'<line x1="{_LABELS}" x2="{_LABELS + _PLOT}" y1="{bottom:g}" y2="{bottom:g}" stroke="{GREY}"/>'
        f'<text x="{_LABELS + _PLOT / 2}" y="{bottom + 32:g}" text-anchor="middle">{escape(x_label)}</text>'
    )
    width, height = _LABELS + _PLOT + _MARGIN, bottom + _FOOT
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg role="img" aria-label="{escape(title)}" '
        f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" font-size="12" '
        f'font-family="sans-serif">{"".join(parts)}</svg></figure>'
    )


def _tick(value: float) -> str:
    """A tick's number, without the remains of rounding."""
    return f"{round(value, 6) + 0.0:g}"


def _line(row: IntervalRow, y: float, x: Callable[[float], float]) -> str:
    """Label, interval and dot at one height."""
    colour = BLUE if row.own else VERMILION
    estimate = row.estimate
    weight = ' font-weight="600"' if row.own else ""
    shown = f"{row.label}: {interval_text(estimate)}"
    return (
        f"<g><title>{escape(shown)}</title>"
        f'<text x="{_LABELS - 10}" y="{y + 4:.1f}" text-anchor="end"{weight}>{escape(row.label)}</text>'
        f'<line x1="{x(estimate["low"]):.1f}" x2="{x(estimate["high"]):.1f}" y1="{y:.1f}" y2="{y:.1f}" '
        f'stroke="{colour}" stroke-width="2"/>'
        f'<circle cx="{x(estimate["value"]):.1f}" cy="{y:.1f}" r="{5 if row.own else 4}" '
        f'fill="{colour}"/></g>'
    )

"""audit.html: one self-contained page, readable without a network, with figures and no film."""

from pathlib import Path

from pneumoscope.data.audit.verdict import Audit
from pneumoscope.data.pages import render_template

__all__ = ["render_page", "write_page"]

# The charts show AUCs from 0.4 to 1 on this many units.
_CHART_FROM = 0.4
_CHART_WIDTH = 300.0


def _along(value: float) -> float:
    """Where an AUC lies on the chart, in its units."""
    share = (value - _CHART_FROM) / (1.0 - _CHART_FROM)
    return round(min(max(share, 0.0), 1.0) * _CHART_WIDTH, 1)


def render_page(audit: Audit) -> str:
    """The page as HTML; equal audits give equal pages.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    values = {"audit": audit, "width": _CHART_WIDTH}
    return render_template("pneumoscope.data.audit", "page.html.j2", values, {"along": _along})


def write_page(audit: Audit, path: Path) -> None:
    """Write the page."""
    path.write_text(render_page(audit), encoding="utf-8")

"""audit.html: one self-contained page, readable without a network, with figures and no film."""

from pathlib import Path

from pneumoscope.data.audit.verdict import Audit
from pneumoscope.errors import MissingExtraError

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
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtraError("jinja2", "train") from error
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pneumoscope.data.audit", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["along"] = _along
    return environment.get_template("page.html.j2").render(audit=audit, width=_CHART_WIDTH)


def write_page(audit: Audit, path: Path) -> None:
    """Write the page."""
    path.write_text(render_page(audit), encoding="utf-8")

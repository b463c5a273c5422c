"""Pages of HTML from the templates beside the code: self-contained, every value escaped, none forgotten."""

from collections.abc import Callable, Mapping
from typing import Any

from pneumoscope.errors import MissingExtraError

__all__ = ["render_template"]

_STYLE = """\
:root { --ink: #1b1f24; --soft: #5a6470; --line: #d8dde3; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 68rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .3rem; } h2 { font-size: 1.25rem; margin: 2.2rem 0 .4rem; }
h3 { font-size: 1.05rem; margin: 1.8rem 0 .2rem; }
p { margin: .3rem 0 .6rem; } .soft { color: var(--soft); font-size: .9rem; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .5rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; } td.n, th.n { text-align: right; }
code { font-size: .85em; overflow-wrap: anywhere; }"""


def render_template(
    package: str,
    name: str,
    values: Mapping[str, Any],
    filters: Mapping[str, Callable[..., Any]] | None = None,
) -> str:
    """Fill in a template; equal values give equal text.

    Args:
        package: dotted name of the package that the template lies in.
        name: file name of the template.
        values: by the names that the template uses, beside `style`, the rules that all pages share; a name
            without a value is an error of ours.
        filters: further filters, by name.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    try:
        import jinja2
        from markupsafe import Markup
    except ImportError as error:
        raise MissingExtraError("jinja2", "train") from error
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package, "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters or {})
    return environment.get_template(name).render(values, style=Markup(_STYLE))

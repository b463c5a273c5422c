"""Pages of HTML from the templates beside the code: self-contained, every value escaped, none forgotten."""

from collections.abc import Callable, Mapping
from typing import Any

from pneumoscope.errors import MissingExtraError

__all__ = ["render_template"]


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
        values: by the names that the template uses; a name without a value is an error of ours.
        filters: further filters, by name.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    try:
        import jinja2
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
    return environment.get_template(name).render(values)

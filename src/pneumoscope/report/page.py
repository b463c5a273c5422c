"""The shell of every HTML page we write: one file, one look, no script, nothing loaded from anywhere."""

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["page", "page_parts", "table"]

# A browser that reads this policy loads nothing and runs nothing, whatever a text on the page may hold.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:68rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}
h1{font-size:1.5rem;margin-bottom:0}h2{margin-top:2.5rem;border-bottom:1px solid #ccc}
table{border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .7rem;border-bottom:1px solid #ddd;text-align:right}
th:first-child,td:first-child{text-align:left}figure{display:inline-block;margin:0 1rem 1rem 0}
figcaption{font-weight:600}.note{color:#555}code{word-break:break-all}
"""


def page(title: str, body: Iterable[str], style: str = "") -> str:
    """A whole page.

    Args:
        title: plain text.
        body: HTML; empty parts are left out.
        style: CSS added to that of every page.
    """
    return "\n".join(page_parts(title, body, style)) + "\n"


def page_parts(title: str, body: Iterable[str], style: str = "") -> Iterable[str]:
    """The page in pieces, for pages too long to hold; `body` is read as they are taken."""
    yield (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}{style}</style></head>\n<body>"
    )
    yield from (part for part in body if part)
    yield "</body></html>"


def table(head: Iterable[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; every cell is plain text."""
    header = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = ("".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in rows)
    return f"<table><tr>{header}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"

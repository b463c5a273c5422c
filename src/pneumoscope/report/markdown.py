"""Tables of Markdown that no text can break."""

from collections.abc import Iterable, Sequence

__all__ = ["markdown_cell", "markdown_table"]


def markdown_cell(text: object) -> str:
    r"""Text as it may stand in a table's row.

    >>> markdown_cell("two\nlines | one cell")
    'two lines \\| one cell'
    """
    return " ".join(str(text).split()).replace("|", "\\|")


def markdown_table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A table, without a final newline.

    Args:
        head: names of the columns.
        rows: as many cells each.
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(markdown_cell(cell) for cell in line) + " |" for line in lines)


def estimate_text(value: float, low: float, high: float, digits: int = 3) -> str:
    """A measured number with its 95 % interval.

    >>> estimate_text(0.98412, 0.972, 0.9901)
    '0.984 (0.972 to 0.990)'
    """
    return f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"

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

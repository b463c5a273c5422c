"""Tables that commands write into pages."""

__all__ = ["filled"]


def filled(text: str, name: str, table: str, command: str) -> str:
    """The page with `table` between the two marks of `name`.

    Raises:
        ValueError: the page has no such marks.
    """
    begin, end = f"<!-- {name}: {command} -->", f"<!-- end of {name} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page has no place for {name!r}: it needs the lines {begin} and {end}")
    return f"{before}{begin}\n\n{table}\n\n{end}{after}"

"""Options of the form SOURCE:SPLIT, which commands that make a bundle share."""

from pneumoscope.errors import UsageError

__all__ = ["source_and_split"]


def source_and_split(text: str) -> tuple[str, str]:
    """The two parts of what `--evaluate` was given.

    Raises:
        UsageError: one of them is missing.

    >>> source_and_split("kermany:test")
    ('kermany', 'test')
    """
    source, colon, split = text.rpartition(":")
    if not colon or not source or not split:
        raise UsageError(f"--evaluate {text}: is not of the form SOURCE:SPLIT, such as kermany:test")
    return source, split

"""What a bundle may be called."""

import re

from pneumoscope.errors import UsageError

__all__ = ["check_identity"]

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def check_identity(name: str, version: str) -> None:
    """Refuse a name or a version that could not stand in a path, a record or a command.

    Raises:
        UsageError: one is empty, or holds a blank or a sign of another kind.
    """
    for word in (name, version):
        if not _WORD.fullmatch(word):
            raise UsageError(
                f"{word!r} is no name or version of a bundle: use letters, digits, '.', '_', '+' and '-'"
            )

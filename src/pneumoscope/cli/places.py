"""Files and folders that a command writes: what cannot be written is said before the work, not after it."""

import os
from pathlib import Path

from pneumoscope.errors import UsageError

__all__ = ["check_files", "write_file"]


def check_files(*paths: Path | None) -> None:
    """Refuse files that cannot be written, before anything else is done.

    Args:
        paths: to be written later, or None.

    Raises:
        UsageError: one is a folder, lies in none, or in one that may not be written to.
    """
    for path in paths:
        if path is None:
            continue
        if path.is_dir():
            raise UsageError(f"{path} is a folder: name a file in it")
        if not path.parent.is_dir():
            raise UsageError(
                f"{path} cannot be written: {path.parent} is no folder; make it, or name another"
            )
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise UsageError(f"{path} cannot be written: it is not permitted; name another file")


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file whose place was checked.

    Args:
        path: of it.
        content: text, in UTF-8, or bytes.

    Raises:
        UsageError: it cannot be written after all.
    """
    try:
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}): name another file") from error

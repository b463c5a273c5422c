"""Files and folders that a command writes: what cannot be written is said before the work, not after it."""

import os
from collections.abc import Iterable
from pathlib import Path

from pneumoscope.errors import UsageError

__all__ = ["check_files", "check_folder", "write_file"]


def check_files(*paths: Path | None, read: Iterable[Path | None] = ()) -> None:
    """Refuse files that cannot be written, before anything else is done.

    Args:
        paths: to be written later, or None.
        read: what the command reads, and must not write over.

    Raises:
        UsageError: one is a folder, lies in none, or in one that may not be written to, is read by the same
            command, or is named twice.
    """
    taken = {path.resolve(): "is read by this command" for path in read if path is not None}
    for path in paths:
        if path is None:
            continue
        if (why := taken.get(path.resolve())) is not None:
            raise UsageError(f"{path} cannot be written: it {why}; name another file")
        taken[path.resolve()] = "is named twice"
        if path.is_dir():
            raise UsageError(f"{path} is a folder: name a file in it")
        if not path.parent.is_dir():
            raise UsageError(
                f"{path} cannot be written: {path.parent} is no folder; make it, or name another"
            )
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise UsageError(f"{path} cannot be written: it is not permitted; name another file")


def check_folder(path: Path | None) -> None:
    """Refuse what is to hold several files, and is one.

    Args:
        path: made later where missing, or None.

    Raises:
        UsageError: it is no folder.
    """
    if path is not None and path.exists() and not path.is_dir():
        raise UsageError(f"{path} is no folder: name one, or one to be made")


def write_file(path: Path, content: str | bytes, *, odd_names: str = "backslashreplace") -> None:
    """Write a file whose place was checked.

    Args:
        path: of it.
        content: text, in UTF-8, or bytes.
        odd_names: how bytes of file names that are no UTF-8 are written, as `str.encode` calls it: by default
            escaped, as JSON reads it; "surrogateescape" for the bytes themselves.

    Raises:
        UsageError: it cannot be written after all.
    """
    try:
        path.write_bytes(content.encode("utf-8", odd_names) if isinstance(content, str) else content)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}): name another file") from error

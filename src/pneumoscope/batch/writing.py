"""Writing where the user asked for it: what to do where that cannot be, and one run at a time."""

import errno
import os
import sys
from typing import IO, Any

from pneumoscope.errors import UsageError

__all__ = ["cause_and_remedy", "hold"]

_REMEDIES = {
    errno.ENOENT: "make the folder that it lies in first, or name another place",
    errno.ENOTDIR: "a part of its path is no folder: name another place",
    errno.EISDIR: "name a file in that folder",
    errno.EACCES: "name a place that you may write to",
    errno.EPERM: "name a place that you may write to",
    errno.EROFS: "name a place that you may write to",
    errno.EEXIST: "name another place",
    errno.ENOSPC: "make room there, or name a place on another disk",
    errno.EDQUOT: "make room there, or name a place on another disk",
    errno.EFBIG: "name a place on another disk",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "name another place",
}


def cause_and_remedy(error: OSError) -> str:
    """Why a file cannot be written, and what to do about it; the end of a sentence.

    >>> cause_and_remedy(OSError(errno.ENOSPC, "whatever a library says about it"))
    'No space left on device; make room there, or name a place on another disk'
    """
    if error.errno is None:
        return f"{error}; name another place"
    return f"{os.strerror(error.errno)}; {_REMEDIES.get(error.errno, 'name another place')}"


def hold(file: IO[Any], out: object) -> None:
    """Hold a file for this process; the system lets go of it when it is closed, however the process ends.

    Args:
        file: open. Windows lets everybody hold it.
        out: how the user named what is written.

    Raises:
        UsageError: another run holds it.
        OSError: the file system has no locks.
    """
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(f"another run is writing {out}: wait for it or name another file") from None

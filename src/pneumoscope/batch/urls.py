"""Films behind URLs: in an object store, on a web server, wherever fsspec reaches.

`s3://`, `gs://`, `http://` and so on; each protocol may need a package of its own, which fsspec names. A
`file://` URL is the plain path in it.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pneumoscope.errors import MissingExtraError, UnreadableFilmError, UsageError
from pneumoscope.image.limits import MAX_FILE_BYTES
from pneumoscope.image.read import is_dicom, too_large

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["begin_like_dicom", "files_below", "is_url", "local_path", "open_url", "read_url"]

# Two letters at least: "c:" is a drive.
_URL = re.compile(r"[a-z][a-z0-9+.\-]+://")
_FILE = "file://"
_DICOM_HEAD = 132


def is_url(path: str) -> bool:
    """Whether a path names something that is not in a file system of this machine.

    >>> is_url("s3://archive/2024/"), is_url("file:///archive"), is_url("archive/film.png")
    (True, False, False)
    """
    return _URL.match(path) is not None and not path.startswith(_FILE)


def local_path(path: str) -> str:
    """A `file://` URL as a path; anything else as it is.

    >>> local_path("file:///archive/film.png"), local_path("film.png")
    ('/archive/film.png', 'film.png')
    """
    return path.removeprefix(_FILE)


def files_below(url: str) -> list[str] | None:
    """URLs of all files below a folder, folder by folder as in a file system; None where it is no folder.

    Raises:
        UsageError: it cannot be searched.
        MissingExtraError: fsspec is not installed.
    """
    system, root = open_url(url)
    errors: tuple[type[Exception], ...] = (OSError, ValueError, *_errors_of_drivers())
    try:
        if not system.isdir(root):
            return None
        found = system.find(root)
    except errors as error:
        raise UsageError(f"{url!r} cannot be searched ({_cause(error)}); check the address") from error
    below = sorted((name.removeprefix(root).lstrip("/") for name in found), key=lambda name: name.split("/"))
    return [f"{url.rstrip('/')}/{name}" for name in below]


def begin_like_dicom(urls: Sequence[str]) -> Iterator[bool]:
    """Whether each file's first bytes are those of DICOM; those of many files are asked for at once.

    Args:
        urls: all of one file system; one that cannot be read does not begin like DICOM.
    """
    if not urls:
        return
    system, _ = open_url(urls[0])
    names = [system._strip_protocol(url) for url in urls]
    for head in system.cat_ranges(names, 0, _DICOM_HEAD, on_error="return"):
        yield isinstance(head, bytes) and is_dicom(head)


def read_url(url: str) -> bytes:
    """The whole file, in one request.

    Raises:
        UnreadableFilmError: it is missing, may not be read, or is larger than a film can be.
    """
    system, name = open_url(url)
    # Drivers raise errors of their own trees, but here return them.
    [found] = system.cat_ranges([name], [0], [MAX_FILE_BYTES + 1], on_error="return")
    if isinstance(found, FileNotFoundError):
        raise UnreadableFilmError(url, "there is no such file", "check the address") from found
    if isinstance(found, PermissionError):
        raise UnreadableFilmError(url, "it may not be read", "check the permissions there") from found
    if isinstance(found, Exception):
        raise UnreadableFilmError(
            url, f"it cannot be opened ({_cause(found)})", "check the address"
        ) from found
    if len(found) > MAX_FILE_BYTES:
        raise too_large(url)
    data: bytes = found
    return data


def open_url(url: str) -> "tuple[AbstractFileSystem, str]":
    """File system of a URL, and the file's name in it; nothing is asked over the network yet.

    Raises:
        UsageError: there is no such protocol, its driver is not installed, or the URL is a chain of several.
        MissingExtraError: fsspec is not installed.
    """
    if "::" in url:
        raise UsageError(f"{url!r} is a chain of URLs, which is not followed: name the files themselves")
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError:
        raise MissingExtraError("fsspec", "remote") from None
    try:
        system, name = url_to_fs(url)
    except (ImportError, OSError, ValueError) as error:
        raise UsageError(f"{url!r} cannot be opened: {_cause(error)}") from error
    return system, name


def _errors_of_drivers() -> tuple[type[Exception], ...]:
    """Roots of those errors of the drivers in use that are neither."""
    roots = (
        ("aiohttp", "ClientError"),
        ("botocore.exceptions", "BotoCoreError"),
        ("google.auth.exceptions", "GoogleAuthError"),
    )
    return tuple(getattr(sys.modules[module], name) for module, name in roots if module in sys.modules)


def _cause(error: Exception) -> str:
    """What a file system says, on one line."""
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(said).split())

"""Downloading a data set: with progress, resumed where it broke off, and checked."""

import hashlib
import http.client
import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from pneumoscope.data.sources.contract import Download, Source
from pneumoscope.errors import DataError, UsageError

__all__ = ["fetch_file", "fetch_source"]

ByteProgress = Callable[[str, int, int | None], None]
"""Called with (file name, bytes here, bytes in all or None where the server does not say)."""

_CHUNK = 1 << 18
_TIMEOUT_SECONDS = 60.0
_ATTEMPTS = 5
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


def fetch_source(source: Source, directory: Path, *, progress: ByteProgress | None = None) -> list[Path]:
    """Download every file of a data set.

    Args:
        source: the data set.
        directory: where to; made where it is missing.
        progress: told how many bytes are here.

    Returns:
        The files.

    Raises:
        UsageError: the data set cannot be fetched without an account; the message says what to do.
        DataError: a download failed or is not what was published.
    """
    if not source.downloads:
        raise UsageError(f"{source.name} cannot be fetched by this command. {source.account or source.url}")
    return [fetch_file(download, directory, progress=progress) for download in source.downloads]


def fetch_file(download: Download, directory: Path, *, progress: ByteProgress | None = None) -> Path:
    """Download one file; call again to go on where it broke off.

    What has arrived stays in NAME.partial until all is there and checked. Where the publisher gives no hash,
    the one computed here goes into NAME.sha256, so that a later call can tell whether the file is intact.

    Args:
        download: what to fetch.
        directory: where to.
        progress: told how many bytes are here.

    Returns:
        The file.

    Raises:
        DataError: the server refused, broke off again and again, or sent something else.
    """
    scheme = urlsplit(download.url).scheme
    if scheme not in ("http", "https"):
        raise DataError(f"{download.url}: only http and https are fetched, not {scheme or 'a path'}")
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / download.name
    if target.exists():
        _check_hash(target, download, "delete it and fetch again")
        return target
    partial = target.with_name(target.name + ".partial")
    failure = ""
    for _ in range(_ATTEMPTS):
        try:
            _receive(download, partial, progress)
            break
        except urllib.error.HTTPError as error:
            with error:
                raise DataError(f"{download.url}: the server says {error.code} {error.reason}") from error
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            failure = str(error) or type(error).__name__
    else:
        raise DataError(
            f"{download.url}: broke off {_ATTEMPTS} times ({failure}); run again to go on from here"
        )
    size = partial.stat().st_size
    if download.bytes is not None and size != download.bytes:
        partial.unlink()
        raise DataError(f"{download.url}: {size} bytes came, {download.bytes} were published; fetch again")
    _check_hash(partial, download, "it was deleted; fetch again", name=download.name, delete=True)
    partial.replace(target)
    _validator(partial).unlink(missing_ok=True)
    return target


def _receive(download: Download, partial: Path, progress: ByteProgress | None) -> None:
    """Append what is missing to the partial file.

    Source: RFC 9110, sections 13.1.5 (If-Range), 14.2 (Range) and 15.3.7 (206).

    Raises:
        http.client.IncompleteRead: the connection ended early.
    """
    held = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(download.url, headers={"Accept-Encoding": "identity"})
    validator = _validator(partial)
    mark = json.loads(validator.read_text(encoding="utf-8")) if validator.exists() else None
    if held and mark:
        request.add_header("Range", f"bytes={held}-")
        request.add_header("If-Range", mark)
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT and match is not None
        if not resumed or match is None or int(match.group(1)) != held:
            held = 0
        length = response.headers.get("Content-Length")
        total = held + int(length) if length is not None else None
        new_mark = _strong_mark(response.headers)
        validator.write_text(json.dumps(new_mark), encoding="utf-8")
        with partial.open("ab" if held else "wb") as stream:
            while chunk := response.read(_CHUNK):
                stream.write(chunk)
                held += len(chunk)
                if progress:
                    progress(download.name, held, total)
    if total is not None and held < total:
        raise http.client.IncompleteRead(b"", total - held)


def _strong_mark(headers: http.client.HTTPMessage) -> str | None:
    """What tells one version of the file from another: a strong ETag, or the date of last change."""
    etag = headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")


def _validator(partial: Path) -> Path:
    return partial.with_name(partial.name + ".mark")


def _check_hash(
    path: Path, download: Download, remedy: str, *, name: str | None = None, delete: bool = False
) -> None:
    """Compare with the published hash, or with the one noted at the first download."""
    note = path.with_name((name or path.name) + ".sha256")
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    expected = download.sha256
    if expected is None and note.exists() and not delete:
        expected = note.read_text(encoding="utf-8").partition(" ")[0]
    if expected is not None and digest != expected:
        if delete:
            path.unlink()
        raise DataError(f"{path}: SHA-256 is {digest}, should be {expected}; {remedy}")
    note.write_text(f"{digest}  {name or path.name}\n", encoding="utf-8")

"""Films out of a multipart request: counted while they arrive, kept in memory, never on a disk.

Starlette's own form parser moves every file over one megabyte to the temporary folder and looks at sizes
afterwards; a film of a patient has no business there, and a limit that is checked at the end is none.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from pneumoscope.api.problems import ProblemError
from pneumoscope.api.settings import Settings

__all__ = ["Upload", "receive_films"]

_LONGEST_NAME = 255
_MB = 2**20


@dataclass(frozen=True, slots=True)
class Upload:
    """One film as sent.

    Attributes:
        name: for messages and records; never used as a path.
        data: the bytes of the file.
    """

    name: str
    data: bytes


async def receive_films(
    request: Request, field: str, most: int, settings: Settings, hold: Callable[[int], None]
) -> list[Upload]:
    """Read the films of a request.

    Args:
        request: its body is read to the end unless a limit is broken.
        field: name of the form field that holds films.
        most: films in one request.
        settings: limits on bytes and time.
        hold: told the number of bytes of each piece before the piece is kept; may refuse it.

    Returns:
        One upload or more, in the order sent.

    Raises:
        ProblemError: 400 broken form, 408 too slow, 413 too large or too many, 415 no form, 422 no film.
    """
    parts = _Parts(field, most, settings.film_bytes)
    parser = _parser(request, parts)
    total = int(request.headers.get("content-length", 0))
    if total > settings.request_bytes:
        raise _too_large("request", settings.request_bytes)
    total = 0
    try:
        async with asyncio.timeout(settings.read_seconds):
            async for piece in request.stream():
                total += len(piece)
                if total > settings.request_bytes:
                    raise _too_large("request", settings.request_bytes)
                hold(len(piece))
                parser.write(piece)
    except FormParserError as error:
        raise _malformed("the form is not well formed") from error
    except TimeoutError as error:
        raise ProblemError(
            408,
            "too_slow",
            f"the request did not arrive within {settings.read_seconds:g} seconds; send it again",
        ) from error
    except ClientDisconnect as error:
        raise _malformed("the caller went away before the request was complete") from error
    if not parts.complete:
        raise _malformed("the form ends before its last boundary")
    if not parts.uploads:
        raise ProblemError(422, "no_film", f"the form holds no film; send it as the field {field!r}")
    return parts.uploads


def _parser(request: Request, parts: "_Parts") -> MultipartParser:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data":
        raise ProblemError(
            415, "no_form", "the request is no multipart/form-data; send films as files of such a form"
        )
    if request.headers.get("content-encoding", "identity") != "identity":
        raise ProblemError(415, "encoded", "the request is compressed; send it as it is")
    boundary = options.get(b"boundary")
    if not boundary:
        raise _malformed("the form names no boundary")
    try:
        return MultipartParser(
            boundary,
            {
                "on_part_begin": parts.begin,
                "on_header_field": parts.header_name,
                "on_header_value": parts.header_value,
                "on_header_end": parts.header_end,
                "on_headers_finished": parts.headers_end,
                "on_part_data": parts.data,
                "on_part_end": parts.end,
                "on_end": parts.finish,
            },
        )
    except FormParserError as error:
        raise _malformed("the form's boundary is too long") from error


class _Parts:
    """Takes the parser's callbacks; every limit is checked before a byte more is kept."""

    def __init__(self, field: str, most: int, film_bytes: int) -> None:
        self.uploads: list[Upload] = []
        self.complete = False
        self._field, self._most, self._film_bytes = field, most, film_bytes
        self._begun = 0
        self._header: tuple[bytearray, bytearray] = (bytearray(), bytearray())
        self._disposition = b""
        self._name = ""
        self._data = bytearray()

    def begin(self) -> None:
        self._begun += 1
        if self._begun > self._most:
            films = "one film" if self._most == 1 else f"{self._most} films"
            raise ProblemError(413, "too_many", f"the request holds more than {films}; send several requests")
        self._disposition = b""
        self._data = bytearray()

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def header_end(self) -> None:
        name, value = (bytes(part) for part in self._header)
        self._header = (bytearray(), bytearray())
        if name.strip().lower() == b"content-disposition":
            self._disposition = value

    def headers_end(self) -> None:
        _, options = parse_options_header(self._disposition)
        field = options.get(b"name", b"").decode("utf-8", "replace")
        if field != self._field:
            raise ProblemError(
                422, "unknown_field", f"the form holds a field that is not {self._field!r}; leave it out"
            )
        self._name = _safe_name(options.get(b"filename", b""))

    def data(self, data: bytes, start: int, end: int) -> None:
        if len(self._data) + end - start > self._film_bytes:
            raise _too_large("film", self._film_bytes)
        self._data.extend(data[start:end])

    def end(self) -> None:
        self.uploads.append(Upload(self._name, bytes(self._data)))
        self._data = bytearray()

    def finish(self) -> None:
        self.complete = True


def _safe_name(sent: bytes) -> str:
    """The last part of a file name, printable and of bounded length.

    >>> _safe_name(b"../../etc/passwd"), _safe_name(b"")
    ('passwd', 'film')
    """
    last = sent.decode("utf-8", "replace").replace("\\", "/").rsplit("/", 1)[-1]
    printable = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in last)
    return printable[-_LONGEST_NAME:] or "film"


def _malformed(reason: str) -> ProblemError:
    return ProblemError(400, "malformed", f"{reason}; send it again as multipart/form-data")


def _too_large(what: str, limit: int) -> ProblemError:
    size = f"{limit // _MB} MB" if limit >= _MB else f"{limit} bytes"
    return ProblemError(413, "too_large", f"the {what} is larger than {size}; send less at a time")

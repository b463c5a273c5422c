"""Films on their way from a browser to their score: in memory, for a short while, never on a disk.

Gradio's own upload writes every file to a temporary folder that all visitors share, under a name made of the
file's content: two people who send the same film get the same file, and it stays until somebody sweeps. Here
a film is one request's body. It is kept under a random ticket that only its sender is told, and is handed
out once.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pneumoscope.errors import UnreadableFilmError
from pneumoscope.web.settings import PageSettings

__all__ = ["ARRIVALS_PATH", "Arrivals"]

ARRIVALS_PATH = "/films"

_TICKET_BYTES = 32
_ENOUGH_SECONDS = 300.0
_MB = 2**20


@dataclass(frozen=True, slots=True)
class _Arrived:
    data: bytes
    until: float


class Arrivals:
    """Films that have arrived and are not scored yet.

    All its methods run in the server's event loop or under the interpreter's lock; a ticket is given once.

    Args:
        settings: limits on one film and on all.
        clock: seconds that only rise.
    """

    def __init__(self, settings: PageSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._films: dict[str, _Arrived] = {}
        self._arriving = 0

    @property
    def held_bytes(self) -> int:
        """Bytes of all films that have arrived or are arriving."""
        return self._arriving + sum(len(film.data) for film in list(self._films.values()))

    def route(self) -> Route:
        """The one path that films are sent to."""
        return Route(ARRIVALS_PATH, self._receive, methods=["POST"])

    def take(self, ticket: object, name: str, status: int = 0) -> bytes:
        """The film of a ticket; it is not kept any longer.

        Args:
            ticket: as told to the sender.
            name: of the film, for the error.
            status: of HTTP, with which the sender says that the film was refused.

        Raises:
            UnreadableFilmError: there is none: it was too large, found no room, or waited too long.
        """
        self._sweep()
        film = self._films.pop(ticket, None) if isinstance(ticket, str) else None
        if film is None:
            raise UnreadableFilmError(name, *self._why_not(status))
        return film.data

    def _why_not(self, status: int) -> tuple[str, str]:
        """Why a film is not here, and what its sender can do."""
        if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            limit = self._settings.film_bytes // _MB
            return f"the file is larger than {limit} MB", "send one film, not a series"
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            return "too many films were waiting here", "send it again in a minute"
        return "the file did not arrive", "send it again"

    async def _receive(self, request: Request) -> Response:
        # No page of another site can send this type without asking first, and it is not let in.
        if request.headers.get("content-type") != "application/octet-stream":
            return _refusal(415, "send the film as application/octet-stream")
        self._sweep()
        data = bytearray()
        arrived, has_room = 0, True
        try:
            async with asyncio.timeout(_ENOUGH_SECONDS):
                async for piece in request.stream():
                    arrived += len(piece)
                    if arrived > self._settings.film_bytes:
                        return _refusal(413, f"a film may have {self._settings.film_bytes // _MB} MB")
                    has_room = has_room and self.held_bytes + len(piece) <= self._settings.held_bytes
                    if has_room:
                        data += piece
                        self._arriving += len(piece)
                    else:
                        # Read to its end nevertheless: a browser that is still sending loses the answer.
                        self._arriving -= len(data)
                        data.clear()
        except (ClientDisconnect, TimeoutError):
            return _refusal(408, "the film did not arrive; send it again")
        finally:
            self._arriving -= len(data)
        if not has_room:
            return _refusal(503, "too many films are waiting; send it again in a minute")
        ticket = secrets.token_urlsafe(_TICKET_BYTES)
        self._films[ticket] = _Arrived(bytes(data), self._clock() + _ENOUGH_SECONDS)
        return JSONResponse({"ticket": ticket})

    def _sweep(self) -> None:
        """Let go of films that nobody has asked for."""
        now = self._clock()
        for ticket in [ticket for ticket, film in list(self._films.items()) if film.until < now]:
            self._films.pop(ticket, None)


def _refusal(status: int, reason: str) -> Response:
    return JSONResponse({"reason": reason}, status_code=status, headers={"connection": "close"})

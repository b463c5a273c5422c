"""One connection: it may not dawdle, and it is not cut while a request is on its way.

uvicorn itself waits for ever for a request that never ends, and on stopping closes connections whose request
lies unread in the socket.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["LINGER_SECONDS", "make_connection_class"]

LINGER_SECONDS = 0.5
"""How long a stopping server still listens on open connections for requests that have been sent."""
# The application answers a slow request itself, in words; this is for those that even that does not end.
_GRACE_SECONDS = 5.0


def make_connection_class(most: int, read_seconds: float) -> type[H11Protocol]:
    """A uvicorn protocol with limits.

    Args:
        most: connections open at the same time.
        read_seconds: for a request to arrive as a whole.
    """

    class Connection(H11Protocol):
        """One connection."""

        _deadline: asyncio.TimerHandle | None = None
        _stopping = False
        _discarding = False

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(_PatientTransport(transport, self._discard_the_rest))  # type: ignore[arg-type]
            if len(self.connections) > most:
                transport.write(_plain_answer(503, "busy", "too many connections", "retry-after: 1"))
                transport.close()
            self._watch()

        def data_received(self, data: bytes) -> None:
            if self._discarding:
                return
            super().data_received(data)
            if self._stopping and self.cycle is not None:
                self.cycle.keep_alive = False
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._unwatch()

        def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words are no JSON
            """What is no HTTP, or has a head too long, is told so like any other mistake."""
            if self._is_idle() or not self.cycle.response_started:
                reason = "the request is no HTTP/1.1, or its head is too long"
                self.transport.write(_plain_answer(400, "malformed", reason))
            if not self._is_idle():
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            self._discarding = True
            self.transport.close()

        def _discard_the_rest(self) -> bool:
            """Whether more of a request may come than will be read; from here on nobody reads it."""
            self._discarding = self._discarding or self.conn.their_state is h11.SEND_BODY
            return self._discarding

        def shutdown(self) -> None:
            """Finish what is in work; give what has been sent a moment to be read."""
            self._stopping = True
            if self._is_idle():
                self.loop.call_later(LINGER_SECONDS, self._close_if_idle)
            else:
                self.cycle.keep_alive = False

        def _is_idle(self) -> bool:
            return self.cycle is None or self.cycle.response_complete

        def _close_if_idle(self) -> None:
            if self._is_idle() and not self.transport.is_closing():
                self.transport.close()

        def _watch(self) -> None:
            """The clock runs while a request is awaited in part or whole."""
            if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
                self._unwatch()
            elif self._deadline is None:
                self._deadline = self.loop.call_later(read_seconds + _GRACE_SECONDS, self._give_up)

        def _unwatch(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _give_up(self) -> None:
            self._deadline = None
            if not self.transport.is_closing():
                self.transport.close()

    return Connection


class _PatientTransport:
    """A transport whose `close` lets the other side finish, where that has more to send than is read.

    Closing a socket that holds unread bytes resets the connection, and an answer that came before the end of
    the request (the token is wrong, the server is busy) is lost with it.

    Args:
        transport: of the connection.
        is_awaited: whether there is more to come; asked when it is to be closed.
    """

    def __init__(self, transport: asyncio.Transport, is_awaited: Callable[[], bool]) -> None:
        self._transport = transport
        self._is_awaited = is_awaited
        self._closing = False

    def __getattr__(self, name: str) -> Any:
        """All else is the transport's."""
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Whether nothing more is to be written."""
        return self._closing or self._transport.is_closing()

    def close(self) -> None:
        """Write what is left, say that this is the end, and close when the other side does, or soon."""
        if self.is_closing():
            return
        self._closing = True
        if not self._is_awaited():
            self._transport.close()
            return
        self._transport.write_eof()
        self._transport.resume_reading()
        asyncio.get_running_loop().call_later(_GRACE_SECONDS, self._transport.close)


def _plain_answer(status: int, error: str, reason: str, *headers: str) -> bytes:
    body = json.dumps({"error": error, "reason": reason, "films": []}).encode()
    phrase = {400: "Bad Request", 503: "Service Unavailable"}[status]
    head: list[Any] = [
        f"HTTP/1.1 {status} {phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        "connection: close",
        *headers,
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body

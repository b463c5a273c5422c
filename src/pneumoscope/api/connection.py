"""One connection: it may not dawdle, and it is not cut while a request is on its way.

uvicorn itself waits for ever for a request that never ends, and on stopping closes connections whose request
lies unread in the socket.
"""

import asyncio
import json
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
            super().connection_made(transport)
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
            # Closing before the rest has come would reset the connection, and the answer be lost with it.
            self._discarding = True
            self.transport.write_eof()
            self.loop.call_later(_GRACE_SECONDS, self.transport.close)

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

"""The outermost layer: who may come in, how often, what is counted and what is logged.

A log line holds method, route, status, seconds and bytes. It never holds a path that does not exist, a query,
a file name or an address: any of them may name a patient.
"""

import hashlib
import hmac
import logging
import math
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pneumoscope.api.problems import ProblemError, problem_response
from pneumoscope.api.service import Service

__all__ = ["Gate"]

_LOGGER = logging.getLogger("pneumoscope.api")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# A container's runtime has no token, and these tell nothing.
_OPEN_ROUTES = frozenset({"/health", "/ready"})


class Gate:
    """ASGI application around another one.

    Args:
        app: what is guarded.
        service: whose settings count.
        routes: paths that exist; all others are "other" in metrics and log.
    """

    def __init__(self, app: ASGIApp, service: Service, routes: frozenset[str]) -> None:
        self._app = app
        self._service = service
        self._routes = routes
        token = service.settings.token
        self._digest = None if token is None else _digest(token.get_secret_value().encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; what is no HTTP request goes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        route = scope["path"] if scope["path"] in self._routes else "other"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        status, size = 500, 0

        async def noted(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(message)
            size += len(message.get("body", b""))
            await send(message)

        try:
            refusal = self._refusal(scope, route)
            if refusal is None:
                await self._app(scope, receive, noted)
            else:
                await problem_response(refusal)(scope, receive, noted)
        finally:
            seconds = time.monotonic() - began
            self._service.metrics.count_request(route, method, status, seconds)
            _LOGGER.info("%s %s %d %.3f s %d bytes", method, route, status, seconds, size)

    def _add_headers(self, message: Message) -> None:
        headers = MutableHeaders(scope=message)
        headers["cache-control"] = "no-store"
        headers["x-content-type-options"] = "nosniff"
        if self._service.stopping:
            headers["connection"] = "close"

    def _refusal(self, scope: Scope, route: str) -> ProblemError | None:
        sent = Headers(scope=scope).get("authorization")
        if (
            self._digest is not None
            and not (sent is None and route in _OPEN_ROUTES)
            and not self._is_token(sent)
        ):
            refusal = ProblemError(
                401, "unauthorised", "the token is missing or wrong; send Authorization: Bearer TOKEN"
            )
            refusal.headers["www-authenticate"] = "Bearer"
            return refusal
        client = scope.get("client")
        wait = 0.0 if route in _OPEN_ROUTES else self._service.rate.wait_seconds(client[0] if client else "")
        if wait:
            return ProblemError(
                429,
                "too_often",
                f"more than {self._service.settings.per_minute} requests in a minute; wait",
                retry_after=math.ceil(wait),
            )
        return None

    def _is_token(self, sent: str | None) -> bool:
        """Compare digests, so that the time it takes tells neither the token nor its length."""
        scheme, _, token = (sent or "").partition(" ")
        right = hmac.compare_digest(_digest(token.strip().encode("latin-1")), self._digest or b"")
        return right and scheme.lower() == "bearer"


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()

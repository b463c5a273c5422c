"""The outermost layer of the page: what may be asked for, who may ask, and what a browser may load.

Gradio serves far more than the page needs: uploads to a disk, files of the temporary folder, recordings,
links that save a session, a proxy. What is not in `_ALLOWED` does not exist here.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pneumoscope.web.arrivals import ARRIVALS_PATH

__all__ = ["Gate"]

_ALLOWED = re.compile(
    r"(GET|HEAD) (/|/config/?|/theme\.css|/favicon\.ico|/robots\.txt|/(assets|static|svelte)/.*)"
    r"|GET /gradio_api/(startup-events|theme\.css|heartbeat/\w+|queue/data)"
    rf"|POST (/gradio_api/(queue/join|cancel|reset/?)|{re.escape(ARRIVALS_PATH)})"
)
# Asked by the process itself when it starts; it tells nothing.
_WITHOUT_PASSWORD = "/gradio_api/startup-events"
# Asked by a container's runtime.
_READY = "/ready"

# Gradio's page is written with inline scripts and styles; what matters is that nothing comes from or goes to
# anybody else.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'self' https://huggingface.co"
)


class Gate:
    """ASGI middleware.

    Args:
        app: what is guarded.
        password: asked for under any user name, or None.
    """

    def __init__(self, app: ASGIApp, password: str | None = None) -> None:
        self._app = app
        self._digest = None if password is None else _digest(password.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; what is no HTTP request goes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if path == _READY and scope["method"] in ("GET", "HEAD"):
            await PlainTextResponse("ready\n")(scope, receive, send)
            return
        if self._digest is not None and path != _WITHOUT_PASSWORD and not self._is_known(scope):
            await _refuse(401, {"www-authenticate": 'Basic realm="Pneumoscope", charset="UTF-8"'})(
                scope, receive, send
            )
            return
        if _ALLOWED.fullmatch(f"{scope['method']} {path}") is None:
            await _refuse(404, {})(scope, receive, send)
            return

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["content-security-policy"] = _POLICY
                headers["referrer-policy"] = "no-referrer"
                headers["x-content-type-options"] = "nosniff"
                if not path.startswith(("/assets/", "/static/", "/svelte/")):
                    headers["cache-control"] = "no-store"
            await send(message)

        await self._app(scope, receive, noted)

    def _is_known(self, scope: Scope) -> bool:
        """Compare digests, so that the time it takes tells neither the password nor its length."""
        scheme, _, sent = Headers(scope=scope).get("authorization", "").partition(" ")
        try:
            _, _, password = base64.b64decode(sent, validate=True).partition(b":")
        except (binascii.Error, ValueError):
            return False
        return scheme.lower() == "basic" and hmac.compare_digest(_digest(password), self._digest or b"")


def _digest(password: bytes) -> bytes:
    return hashlib.sha256(password).digest()


def _refuse(status: int, headers: Mapping[str, str]) -> PlainTextResponse:
    text = "there is no such page\n" if status == 404 else "the password is missing or wrong\n"
    return PlainTextResponse(text, status, headers=dict(headers))

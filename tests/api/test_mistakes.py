"""A mistake of ours is answered without a word of it, and logged without the film's name."""

import asyncio
import io
import json
import logging
from typing import Any

import pytest

from api.films import png
from api.running import FORM, form
from pneumoscope.api.app import make_app
from pneumoscope.api.server import PlacesOnly
from pneumoscope.api.service import Service
from pneumoscope.api.settings import Settings
from pneumoscope.runtime.predictor import Predictor


def ask(app: Any, body: bytes) -> tuple[int, bytes]:
    """Post one form to `/v1/predict` of an ASGI application; what it raises after its answer is raised."""
    sent: list[dict[str, Any]] = []
    error: list[Exception] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/predict",
        "raw_path": b"/v1/predict",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"content-type", FORM.encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    try:
        asyncio.run(app(scope, receive, send))
    except ValueError as raised:
        error.append(raised)
    assert [str(one) for one in error] == ["Doe_Jane.png is strange"]
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


def test_answer_tells_nothing_and_the_place_is_given_back(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, name: str) -> None:
        raise ValueError(f"{name} is strange")

    monkeypatch.setattr(Predictor, "attempt", fail)
    service = Service(predictor, Settings())
    status, body = ask(make_app(service), form(("film", "Doe_Jane.png", png(1))))
    service.pool.close()
    assert status == 500
    assert json.loads(body)["error"] == "internal"
    assert b"Doe" not in body
    assert 'status="500"' in service.metrics.expose(service.pool, "tiny")


def test_log_tells_type_and_places_only() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(PlacesOnly("%(message)s"))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    try:
        raise ValueError("Doe_Jane.png is strange")
    except ValueError:
        logger.exception("it failed")
    text = stream.getvalue()
    assert text.startswith("it failed\nValueError at\n")
    assert "in test_log_tells_type_and_places_only" in text
    assert "Doe" not in text

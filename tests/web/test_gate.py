"""Only what the page needs is there, nothing foreign is loaded, and a password is asked of everybody."""

import base64

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from pneumoscope.web.gate import Gate

PASSWORD = "a-password-of-some-length"


async def found(_: Request) -> PlainTextResponse:
    return PlainTextResponse("inside")


def client_of(password: str | None = None) -> TestClient:
    inside = Starlette(routes=[Route("/{path:path}", found, methods=["GET", "POST"])])
    return TestClient(Gate(inside, password))


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize(
    "path",
    ["/", "/config", "/assets/a.js", "/static/a.css", "/gradio_api/heartbeat/ab12", "/gradio_api/queue/data"],
)
def test_the_page_is_let_through(path: str) -> None:
    assert client_of().get(path).text == "inside"


@pytest.mark.parametrize("path", ["/gradio_api/queue/join", "/films", "/gradio_api/cancel"])
def test_what_the_page_sends_is_let_through(path: str) -> None:
    assert client_of().post(path).text == "inside"
    assert client_of().put(path).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/upload",
        "/gradio_api/upload_progress",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/proxy=http://example.org",
        "/gradio_api/deep_link",
        "/gradio_api/run/predict",
        "/gradio_api/call/score",
        "/gradio_api/process_recording",
        "/gradio_api/vibe-edit",
        "/gradio_api/component_server",
        "/gradio_api/runs",
        "/monitoring",
        "/monitoring/summary",
        "/docs",
        "/openapi.json",
        "/films",
        "/gradio_api/queue/join",
        "/assetsx",
    ],
)
def test_the_rest_of_gradio_is_not_there(path: str) -> None:
    assert client_of().get(path).status_code == 404
    if path not in ("/films", "/gradio_api/queue/join"):
        assert client_of().post(path).status_code == 404


def test_a_browser_may_load_and_send_nothing_elsewhere() -> None:
    headers = client_of().get("/").headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["connect-src"] == "'self'"
    for name in ("script-src", "style-src", "img-src", "font-src"):
        assert "http" not in policy[name]
        assert "*" not in policy[name]
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert "cache-control" not in client_of().get("/assets/a.js").headers


def test_the_password_is_asked_for_everywhere() -> None:
    client = client_of(PASSWORD)
    for path in ("/", "/films", "/assets/a.js", "/gradio_api/queue/data", "/nowhere"):
        answer = client.get(path)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic ")
        assert "inside" not in answer.text
    assert client.get("/", headers=basic("anybody", PASSWORD)).text == "inside"
    assert client.get("/", headers=basic("", PASSWORD)).text == "inside"


@pytest.mark.parametrize(
    "header",
    [
        *(basic("user", wrong)["authorization"] for wrong in ("", "wrong", PASSWORD + "x", PASSWORD[:-1])),
        f"Bearer {PASSWORD}",
        f"Basic {PASSWORD}",
        "Basic é",
        "Basic",
    ],
)
def test_a_wrong_password_is_none(header: str) -> None:
    sent = {b"authorization": header.encode("latin-1")}
    assert client_of(PASSWORD).get("/", headers=sent).status_code == 401


def test_a_container_may_ask_whether_the_page_is_there() -> None:
    assert client_of(PASSWORD).get("/ready").text == "ready\n"
    assert client_of(PASSWORD).head("/ready").status_code == 200
    assert client_of(PASSWORD).post("/ready").status_code == 401

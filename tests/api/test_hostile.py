"""Whatever is sent, the answer is a reason, and nothing of it stays behind."""

import socket
from pathlib import Path

import pytest

from api.films import large, png
from api.hostile import hostile_uploads
from api.running import FORM, Server, form, head, running

WARM_UP, UPLOADS = 270, 2000
# A bomb is refused from its head; what the allocator keeps of forms and pictures is bounded.
MOST_GROWTH_MB = 64


def check(server: Server, seed: int, count: int) -> dict[int, int]:
    """Send hostile uploads; returns how many got which status."""
    seen: dict[int, int] = {}
    for upload in hostile_uploads(seed, count):
        answer = server.ask("POST", "/v1/predict", upload.body, upload.headers)
        seen[answer.status] = seen.get(answer.status, 0) + 1
        if answer.status == 200:
            assert upload.may_score, upload.kind
        else:
            assert 400 <= answer.status < 500, (upload.kind, answer)
            assert answer.json["reason"], upload.kind
            assert "SECRET" not in answer.body.decode(), upload.kind
    return seen


@pytest.mark.slow
def test_hostile_uploads_get_a_reason_and_leave_nothing(bundle: Path, tmp_path: Path) -> None:
    with running(bundle, tmp_path) as server:
        check(server, 8, WARM_UP)
        before = server.resident_mb()
        seen = check(server, 7, UPLOADS)
        assert set(seen) >= {400, 413, 415, 422}
        assert sum(seen.values()) == UPLOADS
        assert server.resident_mb() < before + MOST_GROWTH_MB
        assert server.send("/v1/predict", png(1)).status == 200
        assert server.metric("pneumoscope_held_bytes") == 0
        assert server.metric("pneumoscope_requests_unfinished") == 0
        assert server.left() == []
        assert server.written() == []
    log = "".join(server.log)
    assert "Traceback" not in log
    assert " ERROR " not in log
    for word in ("film.png", "passwd", "SECRET"):
        assert word not in log


def raw(server: Server, data: bytes) -> bytes:
    """Send bytes, close that side, and return all that comes back."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as link:
        link.sendall(data)
        link.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: link.recv(65536), b""))


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"GET /" + b"a" * 400_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 400_000 + b"\r\n\r\n",
        b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
        + f"Content-Type: {FORM}\r\n\r\nZZ\r\n".encode(),
    ],
    ids=["tls", "target", "header", "negative length", "two lengths", "bad chunk"],
)
def test_what_is_no_http_is_told_so(server: Server, data: bytes) -> None:
    answer = raw(server, data)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"reason": "the request is no HTTP/1.1' in answer
    assert server.ask("GET", "/health").status == 200


@pytest.mark.parametrize("stated", [-7, 7])
def test_wrong_length(server: Server, stated: int) -> None:
    body = form(("film", "film.png", png(1)))
    answer = raw(server, head(len(body) + stated) + body)
    # Too short: the form ends before its boundary. Too long: the caller is gone before the form is complete.
    assert answer.startswith(b"HTTP/1.1 400 ") or (stated > 0 and answer == b"")
    assert server.metric("pneumoscope_requests_unfinished") == 0


def test_large_film_is_never_on_disk(server: Server) -> None:
    film = large(1)
    assert len(film) > 8_000_000
    assert server.send("/v1/predict-many", film, film).status == 200
    assert server.send("/v1/report", film).status == 200
    assert server.written() == []
    assert server.left() == []

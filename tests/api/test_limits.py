"""Size, count, rate, time and token."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.films import png
from api.running import FORM, Server, form, head, running

TOKEN = "a-token-of-the-tests"
LIMITS = ("--max-film-mb", "1", "--max-request-mb", "2", "--max-films", "3", "--max-memory-mb", "3")


@pytest.fixture(scope="module")
def strict(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("strict")
    with running(bundle, home, *LIMITS, "--read-timeout", "0.5", token=TOKEN) as server:
        yield server


RIGHT = {"authorization": f"Bearer {TOKEN}"}
WRONG = {
    "none": {},
    "empty": {"authorization": ""},
    "other": {"authorization": "Bearer another-token-altogether"},
    "beginning": {"authorization": f"Bearer {TOKEN[:-1]}"},
    "longer": {"authorization": f"Bearer {TOKEN}x"},
    "basic": {"authorization": f"Basic {TOKEN}"},
    "bare": {"authorization": TOKEN},
    "bytes": {"authorization": "Bearer \xff\xfe"},
}


@pytest.mark.parametrize("headers", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/predict"),
        ("POST", "/v1/report"),
        ("GET", "/v1/model"),
        ("GET", "/v1/openapi.json"),
        ("GET", "/metrics"),
        ("GET", "/nothing"),
        ("PUT", "/v1/model"),
    ],
)
def test_wrong_token_gets_401_and_nothing_else(
    strict: Server, method: str, path: str, headers: dict[str, str]
) -> None:
    body = form(("film", "film.png", png(1)))
    answer = strict.ask(method, path, body, {"content-type": FORM, **headers})
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json == {
        "error": "unauthorised",
        "reason": "the token is missing or wrong; send Authorization: Bearer TOKEN",
        "films": [],
    }


def test_right_token_is_let_in(strict: Server) -> None:
    assert strict.send("/v1/predict", png(1), headers=RIGHT).status == 200
    assert strict.ask("GET", "/v1/model", headers={"authorization": f"bearer {TOKEN}"}).status == 200


def test_probes_need_no_token_but_no_wrong_one_either(strict: Server) -> None:
    for path in ("/health", "/ready"):
        assert strict.ask("GET", path).status == 200
        assert strict.ask("GET", path, headers=WRONG["other"]).status == 401


def test_token_is_in_no_log(strict: Server) -> None:
    strict.send("/v1/predict", png(1), name="Doe_Jane.png", headers=RIGHT)
    strict.ask("GET", "/Doe_Jane?token=Doe_Jane", headers=WRONG["other"])
    log = strict.logged("other 401")
    for word in (TOKEN, "another-token", "Doe", "127.0.0.1 -"):
        assert word not in log


@pytest.mark.parametrize("chunked", [False, True])
def test_film_too_large(strict: Server, chunked: bool) -> None:
    body = form(("film", "film.png", bytes(2**20 + 1)))
    sent = iter([body[at : at + 100_000] for at in range(0, len(body), 100_000)]) if chunked else body
    answer = strict.ask("POST", "/v1/predict", sent, {"content-type": FORM, **RIGHT}, encode_chunked=chunked)
    assert (answer.status, answer.json["error"]) == (413, "too_large")
    assert "film is larger than 1 MB" in answer.json["reason"]


def test_film_just_not_too_large_is_read(strict: Server) -> None:
    assert strict.send("/v1/predict", bytes(2**20), headers=RIGHT).json["error"] == "unreadable"


@pytest.mark.parametrize("chunked", [False, True])
def test_request_too_large(strict: Server, chunked: bool) -> None:
    body = form(*[("films", "film.png", bytes(2**20 - 1))] * 3)
    sent = iter([body[at : at + 100_000] for at in range(0, len(body), 100_000)]) if chunked else body
    headers = {"content-type": FORM, **RIGHT} | ({"transfer-encoding": "chunked"} if chunked else {})
    answer = strict.ask("POST", "/v1/predict-many", sent, headers, encode_chunked=chunked)
    assert (answer.status, answer.json["error"]) == (413, "too_large")
    assert "request is larger than 2 MB" in answer.json["reason"]


def test_too_large_is_told_from_the_head_alone(strict: Server) -> None:
    """The answer comes before any of the body was sent."""
    with socket.create_connection(("127.0.0.1", strict.port), timeout=60) as link:
        link.sendall(head(99_999_999_999, **RIGHT))
        assert link.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_too_many_films(strict: Server) -> None:
    assert strict.send("/v1/predict-many", *[png(1)] * 3, headers=RIGHT).status == 200
    answer = strict.send("/v1/predict-many", *[png(1)] * 4, headers=RIGHT)
    assert (answer.status, answer.json["error"]) == (413, "too_many")


def test_slow_request_is_answered_and_let_go(strict: Server) -> None:
    body = form(("film", "film.png", png(1)))
    with socket.create_connection(("127.0.0.1", strict.port), timeout=60) as link:
        link.sendall(head(len(body), **RIGHT) + body[:50])
        assert link.recv(65536).startswith(b"HTTP/1.1 408 ")


def test_head_that_never_ends_is_cut_off(strict: Server) -> None:
    with socket.create_connection(("127.0.0.1", strict.port), timeout=60) as link:
        link.sendall(b"GET /health HTTP/1.1\r\nHost:")
        assert link.recv(65536) == b""


def test_rate_of_one_address(bundle: Path, tmp_path: Path) -> None:
    with running(bundle, tmp_path, "--rate", "5") as server:
        answers = [server.ask("GET", "/v1/model", headers={"x-forwarded-for": str(n)}) for n in range(6)]
        assert [answer.status for answer in answers] == [200] * 5 + [429]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 12
        assert server.ask("GET", "/ready").status == 200


def test_connection_too_many_is_told_so(bundle: Path, tmp_path: Path) -> None:
    with running(bundle, tmp_path, "--max-connections", "2") as server:
        kept = [socket.create_connection(("127.0.0.1", server.port), timeout=60) for _ in range(2)]
        for link in kept:
            link.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
            assert link.recv(65536).startswith(b"HTTP/1.1 200 ")
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as third:
            answer = b"".join(iter(lambda: third.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b'"error": "busy"' in answer
        for link in kept:
            link.close()

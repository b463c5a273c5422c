"""Films come in by a ticket, once, within limits; nothing else does."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pneumoscope.errors import UnreadableFilmError
from pneumoscope.web.arrivals import ARRIVALS_PATH, Arrivals
from pneumoscope.web.settings import PageSettings

KIND = {"content-type": "application/octet-stream"}
LIMITS = PageSettings(film_bytes=1000, held_bytes=2500)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def client_of(arrivals: Arrivals) -> TestClient:
    return TestClient(Starlette(routes=[arrivals.route()]))


def test_a_film_is_handed_out_once_and_then_gone() -> None:
    arrivals = Arrivals(LIMITS)
    client = client_of(arrivals)
    tickets = [
        client.post(ARRIVALS_PATH, content=b"x" * size, headers=KIND).json()["ticket"] for size in (3, 1000)
    ]
    assert len({*tickets}) == 2
    assert min(len(ticket) for ticket in tickets) >= 43
    assert arrivals.held_bytes == 1003
    assert arrivals.take(tickets[1], "b") == b"x" * 1000
    assert arrivals.held_bytes == 3
    with pytest.raises(UnreadableFilmError, match=r"b: the file did not arrive"):
        arrivals.take(tickets[1], "b")


@pytest.mark.parametrize("ticket", [None, "", "guess", 7, ["x"], {"a": 1}])
def test_without_a_ticket_there_is_no_film(ticket: object) -> None:
    arrivals = Arrivals(LIMITS)
    client_of(arrivals).post(ARRIVALS_PATH, content=b"x", headers=KIND)
    with pytest.raises(UnreadableFilmError, match="did not arrive"):
        arrivals.take(ticket, "a")
    assert arrivals.held_bytes == 1


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (413, "the file is larger than 3 MB; send one film, not a series"),
        (503, "too many films were waiting here; send it again in a minute"),
        (0, "the file did not arrive; send it again"),
        (200, "the file did not arrive; send it again"),
    ],
)
def test_the_sender_learns_why_a_film_is_not_here(status: int, reason: str) -> None:
    arrivals = Arrivals(PageSettings(film_bytes=3 * 2**20))
    with pytest.raises(UnreadableFilmError, match=f"^a: {reason}$"):
        arrivals.take(None, "a", status)


def test_a_film_that_nobody_asks_for_is_let_go() -> None:
    clock = Clock()
    arrivals = Arrivals(LIMITS, clock)
    ticket = client_of(arrivals).post(ARRIVALS_PATH, content=b"x", headers=KIND).json()["ticket"]
    clock.now = 301.0
    with pytest.raises(UnreadableFilmError):
        arrivals.take(ticket, "a")
    assert arrivals.held_bytes == 0


def test_what_waits_too_long_makes_room() -> None:
    clock = Clock()
    arrivals = Arrivals(LIMITS, clock)
    client = client_of(arrivals)

    def send() -> int:
        return client.post(ARRIVALS_PATH, content=b"x" * 1000, headers=KIND).status_code

    assert [send(), send(), send()] == [200, 200, 503]
    assert arrivals.held_bytes == 2000
    clock.now = 301.0
    assert send() == 200
    assert arrivals.held_bytes == 1000


def test_too_large_is_refused_and_not_kept() -> None:
    arrivals = Arrivals(LIMITS)
    answer = client_of(arrivals).post(ARRIVALS_PATH, content=b"x" * 1001, headers=KIND)
    assert answer.status_code == 413
    assert arrivals.held_bytes == 0


@pytest.mark.parametrize(
    "kind", ["multipart/form-data; boundary=a", "text/plain", "application/x-www-form-urlencoded"]
)
def test_forms_of_other_sites_are_refused(kind: str) -> None:
    """A browser sends these without asking; any other type it only sends where it is let."""
    arrivals = Arrivals(LIMITS)
    answer = client_of(arrivals).post(ARRIVALS_PATH, content=b"x", headers={"content-type": kind})
    assert answer.status_code == 415
    assert arrivals.held_bytes == 0


def test_only_posting_is_possible() -> None:
    client = client_of(Arrivals(LIMITS))
    assert {client.request(method, ARRIVALS_PATH).status_code for method in ("GET", "PUT", "DELETE")} == {405}


def received(arrivals: Arrivals, messages: Callable[[], AsyncIterator[dict[str, object]]]) -> int:
    """Status of a request whose body comes as told."""
    status = 0
    stream = messages()

    async def receive() -> dict[str, object]:
        return await anext(stream)

    async def send(message: dict[str, object]) -> None:
        nonlocal status
        status = int(str(message.get("status", status)))

    scope = {
        "type": "http", "method": "POST", "path": ARRIVALS_PATH, "query_string": b"",
        "headers": [(b"content-type", b"application/octet-stream")],
    }  # fmt: skip
    asyncio.run(Starlette(routes=[arrivals.route()])(scope, receive, send))
    return status


def test_who_goes_away_leaves_nothing() -> None:
    arrivals = Arrivals(LIMITS)
    held = []

    async def cut() -> AsyncIterator[dict[str, object]]:
        yield {"type": "http.request", "body": b"x" * 900, "more_body": True}
        held.append(arrivals.held_bytes)
        yield {"type": "http.disconnect"}

    assert received(arrivals, cut) == 408
    assert held == [900]
    assert arrivals.held_bytes == 0


def test_films_that_are_arriving_count() -> None:
    arrivals = Arrivals(PageSettings(film_bytes=1000, held_bytes=1000))

    async def slow() -> AsyncIterator[dict[str, object]]:
        yield {"type": "http.request", "body": b"x" * 600, "more_body": True}
        arrivals._arriving += 500  # another visitor's film, half here
        yield {"type": "http.request", "body": b"x", "more_body": False}

    assert received(arrivals, slow) == 503
    assert arrivals.held_bytes == 500


def test_a_film_without_room_is_read_to_its_end_and_not_kept() -> None:
    arrivals = Arrivals(PageSettings(film_bytes=5000, held_bytes=1000))
    held = []

    async def large() -> AsyncIterator[dict[str, object]]:
        for left in range(4, -1, -1):
            yield {"type": "http.request", "body": b"x" * 600, "more_body": left > 0}
            held.append(arrivals.held_bytes)

    assert received(arrivals, large) == 503
    assert held == [600, 0, 0, 0]
    assert arrivals.held_bytes == 0

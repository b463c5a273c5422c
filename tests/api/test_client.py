"""The client answers and raises as `Predictor` does."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from api.films import dicom, png
from api.running import Server, running
from pneumoscope.api import client as module
from pneumoscope.api.client import Client
from pneumoscope.errors import RejectedFilmError, ServiceError, UnreadableFilmError
from pneumoscope.runtime.predictor import Predictor

LARGE = bytes(30 * 2**20)  # more than a socket holds


@pytest.fixture
def client(server: Server) -> Client:
    return Client(server.url + "/")


def test_predict_is_the_predictors(client: Client, predictor: Predictor, tmp_path: Path) -> None:
    path = tmp_path / 'Röntgen "1"\n.dcm'
    path.write_bytes(dicom(2))
    found = client.predict(path, operating_point="screening")
    expected = predictor.at("screening").predict(path)
    assert found.path == "Röntgen %221%22%0A.dcm"
    assert found.model_dump(exclude={"path", "warnings"}) == {
        key: value for key, value in expected.record().items() if key != "path"
    }


@pytest.mark.parametrize(
    ("film", "kind"),
    [
        (b"a letter", UnreadableFilmError),
        (b"", UnreadableFilmError),
        (dicom(1, Modality="CT"), RejectedFilmError),
    ],
    ids=["text", "empty", "ct"],
)
def test_bad_film_raises_as_the_predictor_does(
    client: Client, predictor: Predictor, film: bytes, kind: type[Exception]
) -> None:
    with pytest.raises(kind) as here:
        predictor.predict(film, name="film")
    for ask in (client.predict, client.heatmap, client.overlay, lambda film: client.report([film])):
        with pytest.raises(kind) as there:
            ask(film)
        assert str(there.value) == str(here.value)


def test_many(client: Client) -> None:
    results = client.predict_many([png(1), b"a letter", png(2)])
    assert [result.status for result in results] == ["ok", "error", "ok"]
    assert [result.status for result in client.predict_many([b"one", b"two"])] == ["error", "error"]


def test_missing_file_is_told_before_anything_is_sent(client: Client, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFilmError, match="cannot be read"):
        client.predict_many([tmp_path / "none.png"])


def test_heatmap_overlay_report_and_model(client: Client, predictor: Predictor) -> None:
    film = predictor.predict(png(2), name="film")
    np.testing.assert_array_equal(client.heatmap(png(2)), film.heatmap)
    np.testing.assert_array_equal(np.asarray(client.overlay(png(2))), np.asarray(film.overlay()))
    assert "2 chest films, 2 scored" in client.report([png(1), png(2)])
    assert client.model().card == predictor.bundle.card
    assert client.is_ready()


def test_refusal_is_a_service_error(client: Client) -> None:
    with pytest.raises(ServiceError, match="operating_point") as refused:
        client.predict(png(1), operating_point="mine")
    assert (refused.value.status, refused.value.error) == (422, "wrong_parameter")


@contextmanager
def scripted(*answers: tuple[int, dict[str, str], bytes]) -> Iterator[tuple[str, list[str]]]:
    """A server that gives these answers in turn."""
    left, asked = list(answers), []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, headers, body = left.pop(0)
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}", asked
        finally:
            http.shutdown()
            thread.join()


def test_busy_server_is_asked_again_after_the_wait_it_names(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(module.time, "sleep", waits.append)
    good = server.ask("GET", "/v1/model").body
    with scripted((503, {"retry-after": "7"}, b"{}"), (429, {}, b"{}"), (200, {}, good)) as (url, asked):
        assert Client(url).model().model == "tiny 0.1.0"
    assert waits == [7.0, 1.0]
    assert asked == ["/v1/model"] * 3


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    with scripted(*[(503, {}, b"{}")] * 2) as (url, asked):
        with pytest.raises(ServiceError, match="503"):
            Client(url, patience=1).model()
        assert len(asked) == 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, {}, b"<html>"), "not the one of this version"),
        ((500, {}, b"<html>"), "status 500"),
        ((302, {"location": "http://127.0.0.1:9/"}, b""), "status 302"),
    ],
    ids=["other server", "mistake", "redirection"],
)
def test_strange_answers(answer: tuple[int, dict[str, str], bytes], words: str) -> None:
    with scripted(answer) as (url, asked):
        with pytest.raises(ServiceError, match=words):
            Client(url).model()
        assert len(asked) == 1


def test_a_refusal_arrives_although_the_film_was_not_read(client: Client) -> None:
    """The server answers before the film has come; it must not cut off who is still sending it."""
    for _ in range(3):
        with pytest.raises(ServiceError, match="operating_point") as refused:
            client.predict(LARGE, operating_point="none")
        assert (refused.value.status, refused.value.error) == (422, "wrong_parameter")


def test_a_wrong_token_is_told_of_whatever_the_size_of_the_film(bundle: Path, tmp_path: Path) -> None:
    with running(bundle, tmp_path, token="a-token-that-is-long-enough") as server:
        for _ in range(3):
            with pytest.raises(ServiceError, match="the token is missing or wrong") as refused:
                Client(server.url, token="another-token-of-some-length").predict(LARGE)
            assert refused.value.status == 401


def test_nobody_there() -> None:
    client = Client("http://127.0.0.1:1")
    with pytest.raises(ServiceError, match="does not answer"):
        client.model()
    assert not client.is_ready()

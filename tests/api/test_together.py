"""Many callers at once: each gets its own film's numbers, and a stop loses nothing."""

import socket
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from api.films import large, png
from api.running import FORM, Answer, Server, form, head, running
from pneumoscope.runtime.predictor import Predictor


def test_users_never_see_each_others_films(server: Server, predictor: Predictor) -> None:
    films = [png(seed, height=70 + seed) for seed in range(16)]
    expected = [predictor.predict(film, name=f"user-{user}") for user, film in enumerate(films)]

    def user(number: int) -> None:
        film, own = films[number], expected[number]
        for _ in range(3):
            record = server.send("/v1/predict", film, name=f"user-{number}").json
            assert record == own.record() | {"warnings": []}
            found = np.load(BytesIO(server.send("/v1/heatmap?form=npy", film).body), allow_pickle=False)
            np.testing.assert_array_equal(found, own.heatmap)
            many = server.send("/v1/predict-many", film, film, name=f"user-{number}").json["films"]
            assert many == [record, record]
        page = server.send("/v1/report", film, name=f"user-{number}.png").body.decode()
        assert [other for other in range(16) if f"user-{other}.png" in page] == [number]

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(user, range(16)))


def test_sixty_four_clients(server: Server) -> None:
    """Each keeps its connection; there are more of them than threads and no error at all."""
    body = form(("film", "film.png", png(1)))

    def client(_: int) -> list[int]:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=120)
        statuses = []
        for _ in range(5):
            connection.request("POST", "/v1/predict", body, {"content-type": FORM})
            statuses.append(Answer.of(connection.getresponse()).status)
        connection.close()
        return statuses

    with ThreadPoolExecutor(64) as pool:
        assert {status for statuses in pool.map(client, range(64)) for status in statuses} == {200}
    assert server.metric("pneumoscope_requests_unfinished") == 0
    assert server.metric("pneumoscope_films_waiting") == 0


def test_full_queue_is_told_at_once(bundle: Path, tmp_path: Path) -> None:
    with (
        running(bundle, tmp_path, "--workers", "1", "--max-waiting", "2") as server,
        ThreadPoolExecutor(12) as pool,
    ):
        answers = list(pool.map(lambda _: server.send("/v1/report", large(1)), range(12)))
        assert {answer.status for answer in answers} == {200, 503}
        for answer in answers:
            if answer.status == 503:
                assert answer.json["error"] == "busy"
                assert int(answer.headers["retry-after"]) >= 1
        assert server.send("/v1/predict", png(1)).status == 200


@pytest.mark.slow
def test_stop_finishes_every_accepted_request(bundle: Path, tmp_path: Path) -> None:
    films = [large(seed) for seed in range(6)]
    with running(bundle, tmp_path, "--workers", "1") as server, ThreadPoolExecutor(12) as pool:
        # One has sent its head and half of its body; one keeps a connection that has been used.
        body = form(("film", "film.png", png(1)))
        half = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        half.sendall(head(len(body)) + body[:99])
        used = HTTPConnection("127.0.0.1", server.port, timeout=60)
        used.request("GET", "/ready")
        assert Answer.of(used.getresponse()).status == 200
        sent = [pool.submit(server.send, "/v1/report", film) for film in films]
        while server.metric("pneumoscope_requests_unfinished") < 4:
            pass
        used.request("POST", "/v1/predict", body, {"content-type": FORM})
        in_work = server.metric("pneumoscope_requests_unfinished")
        server.process.terminate()
        half.sendall(body[99:])
        answer = b"".join(iter(lambda: half.recv(65536), b""))
        half.close()
        assert in_work >= 2
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert Answer.of(used.getresponse()).status == 200
        used.close()
        assert [one.result().status for one in sent] == [200] * 6
        assert server.process.wait(60) == 0
    assert server.left() == []
    assert server.written() == []


def test_stopping_server_closes_idle_connections(bundle: Path, tmp_path: Path) -> None:
    with running(bundle, tmp_path) as server:
        idle = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        server.ask("GET", "/health")
        server.process.terminate()
        assert idle.recv(1) == b""
        idle.close()
        assert server.process.wait(60) == 0

"""What the API answers is what `Predictor` says, in every form it can be asked for."""

from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from api.films import dicom, png
from api.running import FORM, Server, form
from pneumoscope.report.evidence_layer import render_evidence_layer
from pneumoscope.runtime.film import RECORD_FIELDS
from pneumoscope.runtime.predictor import Predictor


@pytest.mark.parametrize("point", ["screening", "balanced", "rule-in"])
@pytest.mark.parametrize("film", [png(1), png(2), dicom(3)], ids=["png", "opacity", "dicom"])
def test_predict(server: Server, predictor: Predictor, film: bytes, point: str) -> None:
    answer = server.send(f"/v1/predict?operating_point={point}", film, name="../ward/film")
    assert answer.status == 200
    expected = predictor.at(point).predict(film, name="film").record()
    assert answer.json == expected | {"warnings": []}
    assert tuple(answer.json)[:-1] == RECORD_FIELDS


def test_default_is_the_balanced_point(server: Server) -> None:
    assert server.send("/v1/predict", png(1)).json["operating_point"] == "balanced"


def test_warnings_are_told(server: Server) -> None:
    dark = Image.fromarray((np.arange(96 * 96, dtype=np.uint16) % 4000).reshape(96, 96))
    file = BytesIO()
    dark.save(file, "PNG")
    assert (
        "may have been stored with fewer bits"
        in server.send("/v1/predict", file.getvalue()).json["warnings"][0]
    )


def test_predict_many_keeps_the_order_and_a_bad_film_stops_nobody(
    server: Server, predictor: Predictor
) -> None:
    films = [png(1), b"a letter", dicom(2), png(4), png(5)]
    answer = server.send("/v1/predict-many", *films, name="f")
    assert answer.status == 200
    expected = [predictor.attempt(film, name="f").record() | {"warnings": []} for film in films]
    assert answer.json == {"films": expected}


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/heatmap", "/v1/predict-many", "/v1/report"])
@pytest.mark.parametrize(
    ("film", "error"),
    [(b"a letter", "unreadable"), (dicom(1, Modality="CT"), "rejected")],
    ids=["text", "ct"],
)
def test_nothing_to_score_is_422_with_the_reason(
    server: Server, predictor: Predictor, path: str, film: bytes, error: str
) -> None:
    answer = server.send(path, film)
    assert answer.status == 422
    assert answer.json["error"] == error
    assert answer.json["reason"] == predictor.attempt(film).reason
    assert [each["path"] for each in answer.json["films"]] == ["film.png"]


def test_heatmap_as_array_is_the_predictors(server: Server, predictor: Predictor) -> None:
    answer = server.send("/v1/heatmap?form=npy", dicom(2))
    assert answer.headers["content-type"] == "application/octet-stream"
    found = np.load(BytesIO(answer.body), allow_pickle=False)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, predictor.predict(dicom(2)).heatmap)


def test_heatmap_as_layer_and_overlay_are_the_reports(server: Server, predictor: Predictor) -> None:
    film = predictor.predict(png(2), name="film.png")
    for form_, picture in (("png", render_evidence_layer(film)), ("overlay", film.overlay())):
        answer = server.send(f"/v1/heatmap?form={form_}", png(2))
        assert answer.headers["content-type"] == "image/png"
        np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(answer.body))), np.asarray(picture))


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.parametrize("count", [1, 3])
def test_report_holds_every_film_and_loads_nothing(server: Server, count: int) -> None:
    answer = server.send("/v1/report", *[png(seed) for seed in range(count)], name="<b>.png")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = _Links()
    page.feed(answer.body.decode())
    assert len(page.sources) == 2 * count
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources)
    assert page.text.count("<b>.png") == count * (1 + (count > 1))


def test_report_of_a_mixed_job_tells_both(server: Server) -> None:
    page = server.send("/v1/report", png(1), b"a letter").body.decode()
    assert "2 chest films, 1 scored" in page
    assert "It is text, not an image" in page


def test_model(server: Server, predictor: Predictor) -> None:
    answer = server.ask("GET", "/v1/model").json
    assert answer["model"] == "tiny 0.1.0"
    assert answer["sha256"] == predictor.bundle.sha256
    assert answer["card"] == predictor.bundle.card.model_dump(mode="json")


def test_health_and_readiness(server: Server) -> None:
    assert server.ask("GET", "/health").json["status"] == "alive"
    assert server.ask("GET", "/ready").json["status"] == "ready"


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_a_load_balancer_may_ask_with_head(server: Server, path: str) -> None:
    answer = server.ask("HEAD", path)
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/predict-many", "/v1/heatmap", "/v1/report"])
def test_a_misspelt_parameter_is_refused_and_not_answered_with_the_default(server: Server, path: str) -> None:
    answer = server.send(f"{path}?operatingpoint=screening", png(1))
    assert (answer.status, answer.json["error"]) == (422, "wrong_parameter")
    assert answer.json["reason"].startswith("operatingpoint: ")


def test_metrics_count(server: Server) -> None:
    name = 'pneumoscope_films_total{status="error"}'
    before = server.metric(name)
    server.send("/v1/predict", b"a letter")
    assert server.metric(name) == before + 1
    assert server.metric("pneumoscope_requests_unfinished") == 0
    assert server.metric("pneumoscope_held_bytes") == 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/docs", 404),
        ("GET", "/v1/predict", 405),
        ("DELETE", "/v1/model", 405),
        ("POST", "/v1/predict", 415),
        ("POST", "/v1/predict?operating_point=mine", 422),
        ("BREW", "/v1/model", 405),
    ],
)
def test_mistakes_are_json_with_a_reason(server: Server, method: str, path: str, status: int) -> None:
    answer = server.ask(method, path)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json) == {"error", "reason", "films"}
    assert answer.json["reason"]


def test_every_answer_forbids_caching(server: Server) -> None:
    for answer in (
        server.ask("GET", "/health"),
        server.ask("GET", "/none"),
        server.send("/v1/predict", png(1)),
    ):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_unknown_field_is_refused(server: Server) -> None:
    answer = server.ask("POST", "/v1/predict", form(("picture", "a.png", png(1))), {"content-type": FORM})
    assert (answer.status, answer.json["error"]) == (422, "unknown_field")


def test_openapi_document_has_examples_and_problems(server: Server) -> None:
    document = server.ask("GET", "/v1/openapi.json").json
    assert set(document["paths"]) >= {
        "/v1/predict",
        "/v1/predict-many",
        "/v1/heatmap",
        "/v1/report",
        "/v1/model",
    }
    schemas = document["components"]["schemas"]
    assert schemas["FilmResult"]["examples"][0]["status"] == "ok"
    assert schemas["Problem"]["examples"][0]["films"][0]["status"] == "error"
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert set(operation["responses"]) >= {"200", "401", "404", "422", "429", "503"}, path

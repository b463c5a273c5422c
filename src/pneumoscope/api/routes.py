"""The operations of the API."""

from collections.abc import Callable
from io import BytesIO
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from pneumoscope._version import __version__
from pneumoscope.api.documents import PROBLEMS, films_form, one_film_form
from pneumoscope.api.metrics import CONTENT_TYPE
from pneumoscope.api.problems import ProblemError
from pneumoscope.api.schemas import FilmList, FilmResult, ModelDescription, ServerState
from pneumoscope.api.service import Service, film_result, not_scored
from pneumoscope.api.uploads import receive_films
from pneumoscope.report.evidence_layer import render_evidence_layer
from pneumoscope.report.film_page import film_section, render_film_page, render_job_page
from pneumoscope.runtime.card import OperatingPointName
from pneumoscope.runtime.film import Failure, Film

__all__ = ["operator_routes", "scoring_routes"]

_Form = Literal["png", "npy", "overlay"]
_NPY = "application/octet-stream"


class _Question(BaseModel):
    """What may be asked in a query; a misspelt name is refused, or the default would answer in its place."""

    model_config = ConfigDict(extra="forbid")

    operating_point: OperatingPointName = Field(
        "balanced", description="Whose threshold decides the finding."
    )


class _DrawingQuestion(_Question):
    """What may be asked of a map."""

    form: _Form = Field("png", description="What the answer is.")


_Asked = Annotated[_Question, Query()]


def scoring_routes(service: Service) -> APIRouter:
    """`/v1`: what is asked with films, and about the model."""
    router = APIRouter(prefix="/v1", tags=["films"], responses=PROBLEMS)
    settings = service.settings
    many_form = films_form(settings.films)

    @router.post("/predict", summary="Score one film", openapi_extra=one_film_form())
    async def predict(request: Request, asked: _Asked) -> FilmResult:
        with service.pool.place() as place:
            (upload,) = await receive_films(request, "film", 1, settings, place.hold)
            result = await service.score(place, upload, asked.operating_point, film_result)
        if result.status != "ok":
            raise not_scored([result])
        return result

    @router.post(
        "/predict-many",
        summary="Score several films",
        description="One record per film, in the order sent; a bad film is a record and never stops the "
        "others. Only where none of them could be scored is the answer 422, with the same records.",
        openapi_extra=many_form,
    )
    async def predict_many(request: Request, asked: _Asked) -> FilmList:
        with service.pool.place() as place:
            uploads = await receive_films(request, "films", settings.films, settings, place.hold)
            results = await service.score_all(place, uploads, asked.operating_point, film_result)
        if all(result.status != "ok" for result in results):
            raise not_scored(results)
        return FilmList(films=tuple(results))

    @router.post(
        "/heatmap",
        summary="Where the evidence lies on one film",
        description="`png`: colours and opacity of the evidence as an RGBA layer of the film's own height "
        "and width; `npy`: the signed map in logit units, float32, of the same size, as a NumPy file; "
        "`overlay`: a picture of the film beside its evidence.",
        openapi_extra=one_film_form(),
        response_class=Response,
        responses={
            200: {
                "description": "The map.",
                "content": {
                    kind: {"schema": {"type": "string", "format": "binary"}} for kind in ("image/png", _NPY)
                },
            }
        },
    )
    async def heatmap(request: Request, asked: Annotated[_DrawingQuestion, Query()]) -> Response:
        with service.pool.place() as place:
            (upload,) = await receive_films(request, "film", 1, settings, place.hold)
            drawn = await service.score(place, upload, asked.operating_point, _drawing(asked.form))
        if isinstance(drawn, FilmResult):
            raise not_scored([drawn])
        return Response(drawn, media_type=_NPY if asked.form == "npy" else "image/png")

    @router.post(
        "/report",
        summary="One page about one or several films",
        description="HTML that needs nothing else and prints well.",
        openapi_extra=many_form,
        response_class=Response,
        responses={
            200: {"description": "The page.", "content": {"text/html": {"schema": {"type": "string"}}}}
        },
    )
    async def report(request: Request, asked: _Asked) -> Response:
        with service.pool.place() as place:
            uploads = await receive_films(request, "films", settings.films, settings, place.hold)
            alone = len(uploads) == 1

            def draw(result: Film | Failure) -> tuple[FilmResult, str]:
                write = render_film_page if alone else film_section
                return film_result(result), write(result, service.bundle)

            drawn = await service.score_all(place, uploads, asked.operating_point, draw)
        results = [result for result, _ in drawn]
        if all(result.status != "ok" for result in results):
            raise not_scored(results)
        parts = [part for _, part in drawn]
        records = [result.model_dump(exclude={"warnings"}) for result in results]
        text = parts[0] if alone else render_job_page(records, parts, service.bundle)
        return Response(text, media_type="text/html; charset=utf-8")

    @router.get("/model", summary="The bundle that answers", tags=["model"])
    async def model() -> ModelDescription:
        bundle = service.bundle
        return ModelDescription(model=bundle.identity, sha256=bundle.sha256, card=bundle.card)

    return router


def operator_routes(service: Service) -> APIRouter:
    """What the one who runs the server asks."""
    router = APIRouter(tags=["operation"], responses=PROBLEMS)

    # Many a load balancer asks with HEAD.
    @router.head("/health", include_in_schema=False)
    @router.get("/health", summary="Does the server live?")
    async def health() -> ServerState:
        return ServerState(status="alive", version=__version__)

    @router.head("/ready", include_in_schema=False)
    @router.get("/ready", summary="May films be sent?")
    async def ready() -> ServerState:
        if service.stopping:
            raise ProblemError(503, "stopping", "the server is about to stop", retry_after=5)
        return ServerState(status="ready", version=__version__)

    @router.get(
        "/metrics",
        summary="Counts, for Prometheus",
        response_class=Response,
        responses={
            200: {"description": "Counts.", "content": {"text/plain": {"schema": {"type": "string"}}}}
        },
    )
    async def metrics() -> Response:
        text = service.metrics.expose(service.pool, service.bundle.identity)
        return Response(text, headers={"content-type": CONTENT_TYPE})

    return router


def _drawing(form: _Form) -> Callable[[Film | Failure], bytes | FilmResult]:
    def draw(result: Film | Failure) -> bytes | FilmResult:
        if isinstance(result, Failure):
            return film_result(result)
        file = BytesIO()
        if form == "npy":
            np.save(file, result.heatmap, allow_pickle=False)
        elif form == "overlay":
            result.overlay().save(file, "PNG")
        else:
            render_evidence_layer(result).save(file, "PNG", compress_level=1)
        return file.getvalue()

    return draw

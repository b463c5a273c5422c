"""The ASGI application: routes, and one shape for every error."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from pneumoscope._version import __version__
from pneumoscope.api.documents import describe_app
from pneumoscope.api.gate import Gate
from pneumoscope.api.problems import ProblemError, problem_response
from pneumoscope.api.routes import operator_routes, scoring_routes
from pneumoscope.api.service import Service

__all__ = ["make_app"]

_DOCUMENT = "/v1/openapi.json"


def make_app(service: Service) -> Gate:
    """The whole application of a server.

    There is no page of documentation: FastAPI's loads its scripts from other people's servers.

    Args:
        service: closed when the application is.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.pool.close()

    app = FastAPI(
        title="Pneumoscope",
        version=__version__,
        description=describe_app(service.bundle.identity),
        lifespan=lifespan,
        openapi_url=_DOCUMENT,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    routers = (scoring_routes(service), operator_routes(service))
    for router in routers:
        app.include_router(router)
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _wrong_parameter)
    app.add_exception_handler(Exception, _our_mistake)
    if service.settings.token is not None:
        _document_token(app)
    paths = {str(getattr(route, "path", "")) for router in routers for route in router.routes}
    return Gate(app, service, frozenset({*paths, _DOCUMENT}))


async def _problem(_: Request, error: Exception) -> Response:
    if not isinstance(error, ProblemError):
        raise error
    return problem_response(error)


async def _http_error(_: Request, error: Exception) -> Response:
    """What the framework refuses: unknown paths and methods."""
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    problem = ProblemError(
        status, status.name.lower(), f"{status.phrase.lower()}; the paths are listed at {_DOCUMENT}"
    )
    problem.headers.update(error.headers or {})
    return problem_response(problem)


async def _wrong_parameter(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    reasons = (
        f"{'.'.join(str(step) for step in each['loc'][1:])}: {each['msg'].lower()}" for each in error.errors()
    )
    return problem_response(ProblemError(422, "wrong_parameter", "; ".join(reasons)))


async def _our_mistake(_: Request, __: Exception) -> Response:
    """An answer without a word of the exception, which may quote the film's name."""
    return problem_response(ProblemError(500, "internal", "this is a mistake of the server, not of yours"))


def _document_token(app: FastAPI) -> None:
    """Say in the OpenAPI document that a token is asked for."""
    make = app.openapi

    def document() -> dict[str, object]:
        described = make()
        described.setdefault("components", {})["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer"}
        }
        described["security"] = [{"token": []}]
        for path in ("/health", "/ready"):
            described["paths"][path]["get"]["security"] = [{}, {"token": []}]
        return described

    app.openapi = document  # type: ignore[method-assign]  # the way that FastAPI documents

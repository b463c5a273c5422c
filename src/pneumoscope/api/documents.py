"""The parts of the OpenAPI document that the code itself does not tell: forms, pictures and problems."""

from typing import Any

from pneumoscope.api.schemas import Problem

__all__ = ["PROBLEMS", "describe_app", "films_form", "one_film_form"]

_MEANINGS = {
    400: "The request is not well formed.",
    401: "The token is missing or wrong.",
    404: "There is nothing at this path.",
    405: "This path does not know the method.",
    408: "The request took too long to arrive.",
    413: "The film or the request is too large, or there are too many films.",
    415: "The request is no form.",
    422: "No film could be scored, or a parameter is wrong.",
    429: "Too many requests of this address; Retry-After says how many seconds to wait.",
    503: "Too many requests at once; Retry-After says how many seconds to wait.",
}

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": meaning} for status, meaning in _MEANINGS.items()
}
"""Answers that every operation may give."""

_FILM = {
    "type": "string",
    "format": "binary",
    "description": "DICOM, PNG, JPEG, TIFF, BMP or WebP; told by its first bytes, not by its name",
}


def _form(schema: dict[str, Any], encoded: str) -> dict[str, Any]:
    form = {
        "schema": schema | {"type": "object", "additionalProperties": False},
        "encoding": {encoded: {"contentType": "application/octet-stream, application/dicom, image/*"}},
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": form}}}


def one_film_form() -> dict[str, Any]:
    """A form with one film, in the field `film`."""
    return _form({"required": ["film"], "properties": {"film": _FILM}}, "film")


def films_form(most: int) -> dict[str, Any]:
    """A form with films, each in a field `films`.

    Args:
        most: films in one form.
    """
    films = {"type": "array", "items": _FILM, "minItems": 1, "maxItems": most}
    return _form({"required": ["films"], "properties": {"films": films}}, "films")


def describe_app(model: str) -> str:
    """The API's description, Markdown.

    Args:
        model: name and version of the bundle.
    """
    return (
        f"Scores chest radiographs with the bundle {model}. **Research use only; not a medical device.**\n\n"
        "Films are sent as files of a form and are kept in memory until they are answered:\n\n"
        "```\ncurl -F film=@film.dcm http://127.0.0.1:8000/v1/predict\n"
        "curl -F films=@a.png -F films=@b.dcm http://127.0.0.1:8000/v1/predict-many\n```\n\n"
        "An answer that is no success is JSON: `error`, one word for programs, and `reason`, a sentence."
    )

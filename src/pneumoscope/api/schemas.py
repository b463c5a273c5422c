"""What the server answers and the client reads, as schemas with examples."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from pneumoscope.runtime.card import Card

__all__ = ["FilmList", "FilmResult", "ModelDescription", "Problem", "ServerState"]

_SCORED: dict[str, JsonValue] = {
    "path": "film.dcm",
    "status": "ok",
    "reason": None,
    "probability": 0.917,
    "logit": 3.61,
    "finding": "PNEUMONIA",
    "operating_point": "balanced",
    "threshold": 0.5,
    "model": "pneumoscope-lite0 1.0.0",
    "warnings": [],
}
_NOT_SCORED: dict[str, JsonValue] = {
    **dict.fromkeys(_SCORED),
    "path": "letter.png",
    "status": "error",
    "reason": "it is text, not an image, whatever its name says; send DICOM, PNG, JPEG, TIFF, BMP or WebP",
    "warnings": [],
}


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class FilmResult(_Answer):
    """One film's record, as `pneumoscope predict` writes it, and the film's warnings.

    Attributes:
        path: the name that the caller sent, without folders.
        status: "ok"; "rejected": sound, but no frontal chest radiograph; "error": cannot be read.
        reason: why there is no score and what to do about it; None where there is one.
        probability: calibrated, 0..1.
        logit: of the network, before calibration.
        finding: "PNEUMONIA" where the probability reaches the threshold, else "NORMAL".
        operating_point: whose threshold decided.
        threshold: on the calibrated probability; it belongs to one version of one bundle.
        model: name and version of the bundle.
        warnings: sentences for the person who reads the result.
    """

    model_config = ConfigDict(frozen=True, json_schema_extra={"examples": [_SCORED, _NOT_SCORED]})

    path: str
    status: Literal["ok", "rejected", "error"]
    reason: str | None
    probability: float | None
    logit: float | None
    finding: str | None
    operating_point: str | None
    threshold: float | None
    model: str | None
    warnings: tuple[str, ...] = ()


class FilmList(_Answer):
    """One record per film, in the order they were sent."""

    model_config = ConfigDict(
        frozen=True, json_schema_extra={"examples": [{"films": [_SCORED, _NOT_SCORED]}]}
    )

    films: tuple[FilmResult, ...]


class Problem(_Answer):
    """Why a request was not done.

    Attributes:
        error: one word for programs.
        reason: a sentence for people.
        films: a record per film, where films were read and none of them could be scored.
    """

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [{"error": "unreadable", "reason": _NOT_SCORED["reason"], "films": [_NOT_SCORED]}]
        },
    )

    error: str = Field(examples=["unreadable"])
    reason: str
    films: tuple[FilmResult, ...] = ()


class ModelDescription(_Answer):
    """Which bundle answers.

    Attributes:
        model: name and version, as in every record.
        sha256: of the bundle, all files of it.
        card: what it says about itself.
    """

    model: str = Field(examples=["pneumoscope-lite0 1.0.0"])
    sha256: str = Field(examples=["ab" * 32])
    card: Card


class ServerState(_Answer):
    """Whether the server lives, or is ready for films."""

    status: Literal["alive", "ready"]
    version: str = Field(examples=["1.0.0"])

"""A client of the HTTP interface, for programs that do not score themselves; needs no extra.

It answers and raises as `Predictor` does: a film that cannot be scored is the same exception, whether the
network runs here or there.

    client = Client("http://127.0.0.1:8000")
    film = client.predict("film.dcm")
    film.probability, film.finding, client.heatmap("film.dcm")
"""

import json
import time
from collections.abc import Iterable
from email.message import Message
from http.client import HTTPException
from io import BytesIO
from pathlib import Path
from typing import TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ValidationError

from pneumoscope.api.schemas import FilmList, FilmResult, ModelDescription, Problem
from pneumoscope.errors import FilmError, RejectedFilmError, ServiceError, UnreadableFilmError

__all__ = ["Client", "Sendable"]

Sendable = str | Path | bytes
"""A path, or the bytes of a whole file."""

_Answer = TypeVar("_Answer", bound=BaseModel)

_COME_AGAIN = (429, 503)


class Client:
    """Asks one server. It keeps no connection open and may be shared by any number of threads.

    Films go straight to the server: no proxy of the environment is used, and no redirection followed.

    Args:
        url: where the server is, for example "http://127.0.0.1:8000".
        token: what the server asks for, or None.
        timeout: seconds without a byte from the server after which it counts as lost.
        patience: times that a busy server is asked again, each after the wait that it names.
    """

    def __init__(
        self, url: str, *, token: str | None = None, timeout: float = 120.0, patience: int = 3
    ) -> None:
        self._url = url.rstrip("/")
        self._headers = {} if token is None else {"authorization": f"Bearer {token}"}
        self._timeout = timeout
        self._patience = patience

    def predict(self, film: Sendable, *, operating_point: str = "balanced") -> FilmResult:
        """Score one film.

        Raises:
            UnreadableFilmError: it cannot be read.
            RejectedFilmError: it is no frontal chest radiograph that may be scored.
            ServiceError: the server refused, or did not answer.
        """
        answer = self._send("/v1/predict", "film", [film], operating_point=operating_point)
        return _parsed(FilmResult, answer)

    def predict_many(
        self, films: Iterable[Sendable], *, operating_point: str = "balanced"
    ) -> tuple[FilmResult, ...]:
        """Score films in one request; the server limits how many. A bad film is a record, not an exception.

        Raises:
            UnreadableFilmError: there is no file at one of the paths.
            ServiceError: the server refused, or did not answer.
        """
        try:
            answer = self._send("/v1/predict-many", "films", films, operating_point=operating_point)
        except _NoneScoredError as error:
            return error.films
        return _parsed(FilmList, answer).films

    def heatmap(self, film: Sendable) -> NDArray[np.float32]:
        """Signed evidence map of one film.

        Returns:
            (H, W) float32 in logit units, at the film's own height and width.

        Raises:
            FilmError: as `predict`.
            ServiceError: as `predict`.
        """
        answer = self._send("/v1/heatmap", "film", [film], form="npy")
        array: NDArray[np.float32] = np.load(BytesIO(answer), allow_pickle=False)
        return array

    def overlay(self, film: Sendable, *, operating_point: str = "balanced") -> Image.Image:
        """The film beside the film with its evidence, as an RGB image.

        Raises:
            FilmError: as `predict`.
            ServiceError: as `predict`.
        """
        answer = self._send("/v1/heatmap", "film", [film], form="overlay", operating_point=operating_point)
        image = Image.open(BytesIO(answer))
        image.load()
        return image

    def report(self, films: Iterable[Sendable], *, operating_point: str = "balanced") -> str:
        """One HTML page about the films.

        Raises:
            FilmError: none of them could be scored; this is why the first one could not.
            ServiceError: as `predict`.
        """
        return self._send("/v1/report", "films", films, operating_point=operating_point).decode()

    def model(self) -> ModelDescription:
        """The bundle that answers.

        Raises:
            ServiceError: as `predict`.
        """
        return _parsed(ModelDescription, self._ask(Request(f"{self._url}/v1/model", headers=self._headers)))

    def is_ready(self) -> bool:
        """Whether films may be sent now."""
        try:
            self._ask(Request(f"{self._url}/ready", headers=self._headers), patience=0)
        except ServiceError:
            return False
        return True

    def _send(self, path: str, field: str, films: Iterable[Sendable], **query: str) -> bytes:
        kind, body = _form(field, films)
        headers = {**self._headers, "content-type": kind}
        url = f"{self._url}{path}?{urlencode(query)}"
        return self._ask(Request(url, data=body, headers=headers, method="POST"))

    def _ask(self, request: Request, patience: int | None = None) -> bytes:
        left = self._patience if patience is None else patience
        while True:
            try:
                with _opener().open(request, timeout=self._timeout) as answer:
                    return bytes(answer.read())
            except HTTPError as error:
                with error:
                    if error.code in _COME_AGAIN and left > 0:
                        left -= 1
                        wait = _seconds(error.headers)
                    else:
                        raise _failure(error.code, error.read()) from error
            except (URLError, HTTPException, OSError) as error:
                reason = getattr(error, "reason", error)
                raise ServiceError(f"{self._url} does not answer: {reason}") from error
            time.sleep(wait)


class _NoneScoredError(FilmError):
    """No film of a request could be scored."""

    films: tuple[FilmResult, ...] = ()


class _RejectedThereError(_NoneScoredError, RejectedFilmError):
    """The server rejected the film."""


class _UnreadableThereError(_NoneScoredError, UnreadableFilmError):
    """The server could not read the film."""


class _NoRedirect(HTTPRedirectHandler):
    """A film and a token go where they were sent, and nowhere else."""

    def redirect_request(self, *_: object) -> None:
        """Follow nothing: the redirection is an error."""


def _opener() -> OpenerDirector:
    return build_opener(ProxyHandler({}), _NoRedirect())


def _form(field: str, films: Iterable[Sendable]) -> tuple[str, bytes]:
    """Content type and body of a form (RFC 7578)."""
    boundary = uuid4().hex
    parts = []
    for film in films:
        name, data = _content(film)
        # As browsers do: what could end the quoted name is written in percent.
        named = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        parts += [
            f'--{boundary}\r\ncontent-disposition: form-data; name="{field}"; filename="{named}"\r\n'
            "content-type: application/octet-stream\r\n\r\n".encode("utf-8", "replace"),
            data,
            b"\r\n",
        ]
    return f"multipart/form-data; boundary={boundary}", b"".join([*parts, f"--{boundary}--\r\n".encode()])


def _content(film: Sendable) -> tuple[str, bytes]:
    if isinstance(film, bytes):
        return "film", film
    path = Path(film)
    try:
        return path.name, path.read_bytes()
    except OSError as error:
        raise UnreadableFilmError(
            str(film), f"the file cannot be read ({error.strerror})", "check path and permissions"
        ) from error


def _seconds(headers: Message) -> float:
    """What the server's Retry-After says; one second where it says nothing we know."""
    stated = headers.get("retry-after", "")
    return float(stated) if stated.isdigit() else 1.0


def _failure(status: int, body: bytes) -> Exception:
    """The exception that an answer stands for."""
    try:
        problem = Problem.model_validate(json.loads(body))
    except (ValueError, ValidationError):
        return ServiceError(f"the server answered with status {status}", status)
    if not problem.films:
        return ServiceError(f"the server refused: {problem.reason}", status, problem.error)
    first = problem.films[0]
    kind = _RejectedThereError if first.status == "rejected" else _UnreadableThereError
    cause, _, remedy = (first.reason or problem.reason).partition("; ")
    failure = kind(first.path, cause, remedy)
    failure.films = problem.films
    return failure


def _parsed(kind: type[_Answer], body: bytes) -> _Answer:
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise ServiceError("the server's answer is not the one of this version; install the same") from error

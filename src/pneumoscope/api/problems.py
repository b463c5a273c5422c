"""The one way in which the API says no: a status, one word for programs, and a sentence for people."""

from fastapi.responses import JSONResponse

from pneumoscope.api.schemas import FilmResult, Problem

__all__ = ["ProblemError", "busy", "problem_response"]


class ProblemError(Exception):
    """A request that is not done; becomes an answer of its status.

    Args:
        status: HTTP status.
        error: one word for programs.
        reason: what is wrong and what to do about it.
        retry_after: seconds after which the same request may succeed.
        films: records of films that could not be scored.
    """

    def __init__(
        self,
        status: int,
        error: str,
        reason: str,
        *,
        retry_after: int | None = None,
        films: tuple[FilmResult, ...] = (),
    ) -> None:
        super().__init__(status, error, reason)
        self.status = status
        self.problem = Problem(error=error, reason=reason, films=films)
        self.headers = {} if retry_after is None else {"retry-after": str(retry_after)}


def busy(reason: str, retry_after: int) -> ProblemError:
    """The answer of a server that has too much to do: 503, come again."""
    return ProblemError(503, "busy", reason, retry_after=retry_after)


def problem_response(error: ProblemError) -> JSONResponse:
    """The error as an answer."""
    return JSONResponse(
        error.problem.model_dump(mode="json"), status_code=error.status, headers=dict(error.headers)
    )

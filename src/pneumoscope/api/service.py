"""What all requests of one server share: the predictor, the queue, the counts. No film is among it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from pneumoscope.api.metrics import Metrics
from pneumoscope.api.pool import Place, ScoringPool
from pneumoscope.api.problems import ProblemError
from pneumoscope.api.rate import RateLimit
from pneumoscope.api.schemas import FilmResult
from pneumoscope.api.settings import Settings
from pneumoscope.api.uploads import Upload
from pneumoscope.runtime.film import Failure, Film
from pneumoscope.runtime.predictor import Predictor

__all__ = ["Service", "film_result", "not_scored"]

_Drawn = TypeVar("_Drawn")


class Service:
    """One server's state.

    Attributes:
        settings: limits and time-outs.
        bundle: that scores.
        pool: threads and their queue.
        metrics: counts.
        rate: by address.
        stopping: requests are still served, but no more are wanted.
    """

    def __init__(self, predictor: Predictor, settings: Settings) -> None:
        self.settings = settings
        self.bundle = predictor.bundle
        self.pool = ScoringPool(settings)
        self.metrics = Metrics()
        self.rate = RateLimit(settings.per_minute)
        self.stopping = False
        points = map(str, predictor.bundle.card.operating_points)
        self._predictors = {point: predictor.at(point) for point in points}

    async def score(
        self, place: Place, upload: Upload, operating_point: str, draw: Callable[[Film | Failure], _Drawn]
    ) -> _Drawn:
        """Score one film in a thread of the pool, and make of it what the caller wants.

        Args:
            place: of the request.
            upload: the film.
            operating_point: whose threshold decides.
            draw: called in the same thread, so that a film's pixels are let go there.

        Raises:
            ProblemError: it waited or took too long.
        """
        predictor = self._predictors.get(operating_point)
        if predictor is None:
            raise ProblemError(
                422, "operating_point", f"this bundle has no operating point {operating_point!r}"
            )

        def work() -> tuple[str, _Drawn]:
            result = predictor.attempt(upload.data, name=upload.name)
            return (result.status if isinstance(result, Failure) else "ok"), draw(result)

        status, drawn = await self.pool.run(place, work)
        self.metrics.count_film(status)
        return drawn

    async def score_all(
        self,
        place: Place,
        uploads: Sequence[Upload],
        operating_point: str,
        draw: Callable[[Film | Failure], _Drawn],
    ) -> list[_Drawn]:
        """Score films side by side, in order; never more at a time than there are threads.

        That way a request of many films shares the queue with the requests of others.

        Raises:
            ProblemError: one waited or took too long.
        """
        free = asyncio.Semaphore(self.settings.workers)

        async def one(upload: Upload) -> _Drawn:
            async with free:
                return await self.score(place, upload, operating_point, draw)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(upload)) for upload in uploads]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [task.result() for task in tasks]


def film_result(result: Film | Failure) -> FilmResult:
    """The film's record and warnings as an answer."""
    warnings = result.warnings if isinstance(result, Film) else ()
    return FilmResult.model_validate({**result.record(), "warnings": warnings})


def not_scored(films: Sequence[FilmResult]) -> ProblemError:
    """The answer to a request of which no film could be scored.

    Args:
        films: their records, at least one.
    """
    reason = films[0].reason or ""
    if len(films) > 1:
        reason = f"none of the {len(films)} films could be scored; the first one: {reason}"
    error = "rejected" if films[0].status == "rejected" else "unreadable"
    return ProblemError(422, error, reason, films=tuple(films))

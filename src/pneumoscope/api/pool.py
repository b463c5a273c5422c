"""Threads that score, with a door before them: who cannot be served soon is told so at once.

There is no batching across requests: the network sees one film at a time, because a film's number must not
depend on its company, and on a CPU a batch is no faster per film. What is left to manage is a queue of
bounded length and bounded memory.
"""

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from pneumoscope.api.problems import ProblemError, busy
from pneumoscope.api.settings import Settings

__all__ = ["Place", "ScoringPool"]

_Result = TypeVar("_Result")

_LONGEST_RETRY = 60
_SMOOTHING = 0.1


class Place:
    """One request's place: what it holds until it is answered and none of its films is in work any more."""

    def __init__(self, pool: "ScoringPool") -> None:
        self._pool = pool
        self._bytes = 0
        self._users = 1

    def hold(self, size: int) -> None:
        """Count bytes that are about to be kept.

        Raises:
            ProblemError: 503, the server holds as many as it may.
        """
        if self._pool.held_bytes + size > self._pool.settings.held_bytes:
            raise busy("the server holds as many films as it may; send the request again", 1)
        self._bytes += size
        self._pool.held_bytes += size

    def enter(self) -> None:
        """A film goes into work."""
        self._users += 1

    def leave(self) -> None:
        """A film is done with, or the request is answered."""
        self._users -= 1
        if self._users == 0:
            self._pool.held_bytes -= self._bytes
            self._pool.unfinished -= 1


class ScoringPool:
    """Scores in `settings.workers` threads. All methods are called from the event loop.

    Attributes:
        unfinished: requests that hold a place.
        held_bytes: bytes of films, as sent, that those requests hold.
        waiting: films that no thread has taken yet.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.unfinished = 0
        self.held_bytes = 0
        self.waiting = 0
        self._mean_seconds = 0.1
        self._threads = ThreadPoolExecutor(settings.workers, thread_name_prefix="score")

    @contextmanager
    def place(self) -> Iterator[Place]:
        """A place for one request.

        Raises:
            ProblemError: 503, there is none; `Retry-After` says when there will be.
        """
        if self.unfinished >= self.settings.unfinished:
            raise busy(f"{self.unfinished} requests are waiting; send the request again", self._retry_after())
        self.unfinished += 1
        place = Place(self)
        try:
            yield place
        finally:
            place.leave()

    async def run(self, place: Place, function: Callable[[], _Result]) -> _Result:
        """Call a function in one of the threads.

        A film that has waited too long is taken out of the queue. One that is in work too long cannot be
        stopped; its request is answered, and its place is kept until it ends.

        Raises:
            ProblemError: 503 it waited too long; 422 its scoring takes too long.
        """
        loop = asyncio.get_running_loop()
        self.waiting += 1
        place.enter()

        def call() -> _Result:
            loop.call_soon_threadsafe(self._taken)
            began = time.monotonic()
            try:
                return function()
            finally:
                loop.call_soon_threadsafe(self._measure, time.monotonic() - began)

        def done(job: Future[_Result]) -> None:
            if job.cancelled():
                loop.call_soon_threadsafe(self._taken)
            loop.call_soon_threadsafe(place.leave)

        job = self._threads.submit(call)
        job.add_done_callback(done)
        result = asyncio.wrap_future(job)
        try:
            await asyncio.wait({result}, timeout=self.settings.answer_seconds)
        except asyncio.CancelledError:
            job.cancel()
            raise
        if result.done():
            return result.result()
        seconds = f"{self.settings.answer_seconds:g} seconds"
        if job.cancel():
            raise busy(f"the film was not reached within {seconds}; send it again", self._retry_after())
        raise ProblemError(
            422, "too_long", f"the film could not be scored within {seconds}; export it again, uncompressed"
        )

    def close(self) -> None:
        """Wait for what is in work and end the threads."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _taken(self) -> None:
        self.waiting -= 1

    def _measure(self, seconds: float) -> None:
        self._mean_seconds += _SMOOTHING * (seconds - self._mean_seconds)

    def _retry_after(self) -> int:
        """Seconds until half of the queue will have been served."""
        ahead = (self.waiting + self.unfinished) / 4
        return min(max(1, math.ceil(ahead * self._mean_seconds / self.settings.workers)), _LONGEST_RETRY)

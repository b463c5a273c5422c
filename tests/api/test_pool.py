"""The queue: its bounds, its waiting, and that every place is given back."""

import asyncio
import threading

import pytest

from pneumoscope.api.pool import ScoringPool
from pneumoscope.api.problems import ProblemError
from pneumoscope.api.settings import Settings


def test_results_come_back_and_places_are_given_back() -> None:
    async def run() -> None:
        pool = ScoringPool(Settings(workers=2))
        with pool.place() as place:
            place.hold(1000)
            assert (pool.unfinished, pool.held_bytes) == (1, 1000)
            assert await asyncio.gather(*(pool.run(place, lambda n=n: n * n) for n in range(9))) == [
                n * n for n in range(9)
            ]
        pool.close()
        await asyncio.sleep(0)
        assert (pool.unfinished, pool.held_bytes, pool.waiting) == (0, 0, 0)

    asyncio.run(run())


def test_no_place_is_503_with_a_time() -> None:
    async def run() -> None:
        pool = ScoringPool(Settings(unfinished=1))
        with pool.place():
            with pytest.raises(ProblemError) as refused, pool.place():
                pass
            assert refused.value.status == 503
            assert int(refused.value.headers["retry-after"]) >= 1
        with pool.place():
            assert pool.unfinished == 1
        pool.close()

    asyncio.run(run())


def test_bytes_of_all_requests_are_counted_together() -> None:
    async def run() -> None:
        pool = ScoringPool(Settings(held_bytes=100))
        with pool.place() as one, pool.place() as other:
            one.hold(60)
            with pytest.raises(ProblemError, match="503"):
                other.hold(41)
            other.hold(40)
        assert pool.held_bytes == 0
        pool.close()

    asyncio.run(run())


def test_film_that_waits_too_long_leaves_the_queue_and_one_in_work_keeps_its_place() -> None:
    release = threading.Event()
    done = []

    async def run() -> None:
        pool = ScoringPool(Settings(workers=1, answer_seconds=0.05))
        with pool.place() as place:
            first = asyncio.ensure_future(pool.run(place, release.wait))
            second = asyncio.ensure_future(pool.run(place, lambda: done.append("second")))
            results = await asyncio.gather(first, second, return_exceptions=True)
        assert [error.status for error in results] == [422, 503]
        assert pool.unfinished == 1
        release.set()
        pool.close()
        while pool.unfinished:
            await asyncio.sleep(0)
        assert pool.waiting == 0

    asyncio.run(run())
    assert done == []


def test_exception_of_the_function_comes_back() -> None:
    def fail() -> None:
        raise KeyError("ours")

    async def run() -> None:
        pool = ScoringPool(Settings())
        with pytest.raises(KeyError, match="ours"), pool.place() as place:
            await pool.run(place, fail)
        pool.close()
        while pool.unfinished:
            await asyncio.sleep(0)

    asyncio.run(run())

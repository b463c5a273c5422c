"""Many films on this machine: threads that score ahead, results in order, memory flat."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from pneumoscope.errors import UsageError

__all__ = ["default_workers", "map_in_order", "usable_cores"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# Each worker may hold one decoded film; more workers than this are a choice to be made by the user.
_MOST_WORKERS_UNASKED = 8
_AHEAD_PER_WORKER = 2


def default_workers() -> int:
    """One per core that this process may use, at most eight."""
    return min(usable_cores(), _MOST_WORKERS_UNASKED)


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_in_order(
    function: Callable[[_Item], _Result], items: Iterable[_Item], workers: int
) -> Generator[_Result, None, None]:
    """Apply a function to items in `workers` threads and yield the results in the order of the items.

    At most two items per worker are in work or finished and not yet taken, however many there are and
    however slowly the results are taken. Closing the iterator drops what has not begun and waits for
    what has.

    Args:
        function: must be thread-safe; an exception of it is raised in its item's turn.
        items: read lazily.
        workers: threads, at least 1; with 1 everything runs in the caller's own thread.

    Raises:
        UsageError: `workers` is below one.
    """
    if workers < 1:
        raise UsageError(f"the number of workers is {workers}, but must be at least 1")
    if workers == 1:
        return _map_here(function, items)
    return _map_threaded(function, iter(items), workers)


def _map_here(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Generator[_Result, None, None]:
    for item in items:
        yield function(item)


def _map_threaded(
    function: Callable[[_Item], _Result], items: Iterator[_Item], workers: int
) -> Generator[_Result, None, None]:
    pool = ThreadPoolExecutor(workers, thread_name_prefix="score")
    try:
        ahead: deque[Future[_Result]] = deque(
            pool.submit(function, item) for item in islice(items, workers * _AHEAD_PER_WORKER)
        )
        while ahead:
            yield ahead.popleft().result()
            ahead.extend(pool.submit(function, item) for item in islice(items, 1))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)

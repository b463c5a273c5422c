"""One function called on many things, in this process or in several; the results come in order."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TypeVar

from pneumoscope.errors import DataError

__all__ = ["Each", "processes"]

_ITEMS_PER_TASK = 16

Item = TypeVar("Item")
Result = TypeVar("Result")


class Each:
    """Calls a function on each of some things."""

    def __init__(self, pool: ProcessPoolExecutor | None) -> None:
        self._pool = pool

    def __call__(self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Results in the order of the items, as they are ready.

        Args:
            function: of a module, so that other processes find it.
            items: small, for they travel between processes.
        """
        if self._pool is None:
            return map(function, items)
        return self._pool.map(function, items, chunksize=_ITEMS_PER_TASK)


@contextmanager
def processes(workers: int | None) -> Iterator[Each]:
    """Open processes for as long as the context lasts.

    Args:
        workers: how many; None for one per core, 1 for this process alone.

    Raises:
        DataError: one of them died.
    """
    count = workers or os.cpu_count() or 1
    if count == 1:
        yield Each(None)
        return
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"))
    try:
        yield Each(pool)
    except BrokenProcessPool as error:
        raise DataError(
            "a worker process died, most likely for lack of memory; run again, with fewer workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)

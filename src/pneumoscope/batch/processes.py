"""Many films on this machine: processes that score ahead, one of which may die without taking the rest along.

A decoder written in C can end its process over one damaged film, and the system can do so when memory runs
out. Here that costs one worker: it is replaced, and its film is tried once more. Threads start faster and
share one network, so `local.map_in_order` serves few films.
"""

import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Generic, TypeVar

from pneumoscope.errors import PneumoscopeError, UsageError

__all__ = ["map_in_processes"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# One in work and one waiting in the pipe: a worker never waits for the parent.
_SENT_AHEAD = 2
# Sent, or finished and waiting for an earlier one: a slow film must not stop the other workers at once.
_AHEAD_PER_WORKER = 8
_TRIES = 2
_READY = -1


@dataclass(eq=False)
class _Task(Generic[_Item]):
    number: int
    item: _Item
    tries: int = 0


@dataclass(eq=False)
class _Worker(Generic[_Item]):
    process: SpawnProcess
    pipe: Connection
    sent: deque[_Task[_Item]] = field(default_factory=deque)
    ready: bool = False


def map_in_processes(
    make: Callable[[], Callable[[_Item], _Result]],
    items: Iterable[_Item],
    workers: int,
    lost: Callable[[_Item, str], _Result],
) -> Generator[_Result, None, None]:
    """Apply a function to items in spawned processes and yield the results in the order of the items.

    At most eight items per worker are in work or finished and not yet taken, however many there are. An item
    whose process dies is tried once more, in another one; then its result is what `lost` makes of it. Closing
    the iterator drops what has not begun and waits for what has. The workers end when the caller's process
    does, however it ends.

    Args:
        make: called once in every process, to make the function; both are pickled, as are items and results.
            What either raises on purpose, as a `PneumoscopeError`, is raised here in its item's turn.
        items: read lazily.
        workers: processes, at least 1.
        lost: called here, with the item and how its last process ended, for example "signal SIGKILL".

    Raises:
        UsageError: `workers` is below one.
        PneumoscopeError: of `make` or the function, as a plain one; or a process died before it was ready.
    """
    if workers < 1:
        raise UsageError(f"the number of workers is {workers}, but must be at least 1")
    return _Pool(make, iter(items), workers, lost).results()


class _Pool(Generic[_Item, _Result]):
    """The workers, and what has been sent to and come from them."""

    def __init__(
        self,
        make: Callable[[], Callable[[_Item], _Result]],
        items: Iterator[_Item],
        workers: int,
        lost: Callable[[_Item, str], _Result],
    ) -> None:
        self._make = make
        self._items = enumerate(items)
        self._size = workers
        self._lost = lost
        self._workers: list[_Worker[_Item]] = []
        self._again: deque[_Task[_Item]] = deque()
        self._finished: dict[int, tuple[bool, _Result | str]] = {}
        self._taken = 0
        self._failed_starts = 0

    def results(self) -> Generator[_Result, None, None]:
        try:
            self._workers = [self._start() for _ in range(self._size)]
            self._feed()
            while self._finished or self._busy():
                while self._taken not in self._finished:
                    self._receive()
                good, result = self._finished.pop(self._taken)
                if not good:
                    raise PneumoscopeError(result)
                self._taken += 1
                self._feed()
                yield result  # type: ignore[misc]
        finally:
            self._stop()

    def _busy(self) -> bool:
        return bool(self._again) or any(worker.sent for worker in self._workers)

    def _start(self) -> _Worker[_Item]:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self._make), name="score", daemon=True)
        with _interrupts_ignored():
            process.start()
        # Only the worker may hold its end: its death must close it.
        theirs.close()
        return _Worker(process, ours)

    def _feed(self) -> None:
        """Send what may be sent, to the workers with the least to do first."""
        for depth in range(_SENT_AHEAD):
            for worker in self._workers:
                if len(worker.sent) > depth:
                    continue
                task = self._next_task()
                if task is None:
                    return
                worker.sent.append(task)
                # A dead worker's pipe is broken; `_receive` finds out and gives its tasks to another one.
                with suppress(BrokenPipeError, ConnectionResetError):
                    worker.pipe.send((task.number, task.item))

    def _next_task(self) -> _Task[_Item] | None:
        if self._again:
            return self._again.popleft()
        waiting = len(self._finished) + sum(len(worker.sent) for worker in self._workers)
        if waiting >= self._size * _AHEAD_PER_WORKER:
            return None
        return next((_Task(number, item) for number, item in islice(self._items, 1)), None)

    def _receive(self) -> None:
        """Wait for any worker and take what it has sent."""
        pipes = {worker.pipe: worker for worker in self._workers}
        for pipe in wait(list(pipes)):
            worker = pipes[pipe]  # type: ignore[index]
            try:
                number, good, result = worker.pipe.recv()
            except (EOFError, ConnectionResetError):
                self._replace(worker)
                continue
            if number == _READY:
                if not good:
                    raise PneumoscopeError(result)
                worker.ready = True
                self._failed_starts = 0
                continue
            worker.sent.popleft()
            self._finished[number] = (good, result)
        self._feed()

    def _replace(self, worker: _Worker[_Item]) -> None:
        """Put a new worker in the place of a dead one; the oldest film it was sent is the suspect."""
        worker.process.join()
        worker.pipe.close()
        ending = _describe_exit(worker.process.exitcode)
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts == _TRIES:
                raise PneumoscopeError(f"processes that were to score films ended while starting ({ending})")
        elif worker.sent:
            suspect = worker.sent[0]
            suspect.tries += 1
            if suspect.tries == _TRIES:
                worker.sent.popleft()
                self._finished[suspect.number] = (True, self._lost(suspect.item, ending))
        self._again.extendleft(reversed(worker.sent))
        self._workers[self._workers.index(worker)] = self._start()

    def _stop(self) -> None:
        for worker in self._workers:
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join()
            worker.process.close()


def _work(pipe: Connection, make: Callable[[], Callable[[_Item], _Result]]) -> None:
    """What a worker does: until the parent closes its end of the pipe, whether on purpose or by dying."""
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            function = make()
        except PneumoscopeError as error:
            pipe.send((_READY, False, str(error)))
            return
        pipe.send((_READY, True, None))
        while True:
            number, item = pipe.recv()
            try:
                result: tuple[int, bool, _Result | str] = (number, True, function(item))
            except PneumoscopeError as error:
                result = (number, False, str(error))
            pipe.send(result)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Let a process start that ignores Ctrl-C from its first instant, because what is ignored is inherited.

    The terminal sends the signal to all processes; only the parent is to answer it.
    """
    if threading.current_thread() is not threading.main_thread():  # where signals cannot be set, nor arrive
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _describe_exit(code: int | None) -> str:
    """How a process ended.

    >>> _describe_exit(-9), _describe_exit(1)
    ('signal SIGKILL', 'exit status 1')
    """
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit status {code}"

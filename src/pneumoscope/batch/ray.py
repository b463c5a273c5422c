"""Many films on a Ray cluster: actors that hold the network, and may die without taking anything along.

Ray Data hands chunks of films to actors, starts another one in the place of one that has died, and gives its
chunks to that; it waits where results are not taken. What is done with a film is the same as in
`processes.map_in_processes`, so both engines give the same records.
"""

import pickle
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import Any, Generic, TypeVar

from pneumoscope.batch.processes import map_in_processes
from pneumoscope.batch.ray_cluster import open_cluster
from pneumoscope.errors import PneumoscopeError, UsageError

__all__ = ["chunk_size", "map_in_ray"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# One in work, one that has come already.
_CHUNKS_PER_ACTOR = 2
_SMALLEST_FULL_CHUNK = 16
_LARGEST_CHUNK = 256
_CHUNKS_FOR_BALANCE = 8


def map_in_ray(
    make: Callable[[], Callable[[_Item], _Result]],
    items: Sequence[_Item],
    workers: int | None,
    lost: Callable[[_Item, str], _Result],
    *,
    chunk: int | None = None,
) -> Generator[_Result, None, None]:
    """Apply a function to items in actors of a Ray cluster and yield the results in the order of the items.

    The chunks of an actor that dies are done once more, from their beginning, by the one in its place. It
    leaves them to a process beside it, so that an item over which processes die is found out and becomes what
    `lost` makes of it, while the others of its chunk are done. Closing the iterator ends the actors.

    Args:
        make: called once in every actor, to make the function; both are pickled, as are items and results.
            What either raises on purpose, as a `PneumoscopeError`, is raised here in its item's turn.
        items: all of them.
        workers: actors, at least 1; None is what fits the cluster, see `open_cluster`.
        lost: called with an item and how its last process ended, for example "signal SIGKILL".
        chunk: items that are sent and lost together; None is as many as suit the cluster, see `chunk_size`.

    Raises:
        UsageError: `workers` is below one, or the cluster cannot be joined.
        MissingExtraError: Ray is not installed.
        PneumoscopeError: of `make` or the function, as a plain one; or the cluster failed.
    """
    if workers is not None and workers < 1:
        raise UsageError(f"the number of workers is {workers}, but must be at least 1")
    return _results(make, items, workers, lost, chunk)


def _results(
    make: Callable[[], Callable[[_Item], _Result]],
    items: Sequence[_Item],
    workers: int | None,
    lost: Callable[[_Item, str], _Result],
    chunk: int | None,
) -> Generator[_Result, None, None]:
    if not items:
        return
    with open_cluster(workers) as cluster:
        import ray
        from ray.data import ActorPoolStrategy
        from ray.exceptions import RayError

        size = chunk or chunk_size(len(items), cluster.workers)
        chunks = [
            {"chunk": pickle.dumps((begin, items[begin : begin + size]))}
            for begin in range(0, len(items), size)
        ]
        # The bundle may be in there: it passes through the object store, once to each machine.
        shared = ray.put((make, lost))
        dataset = ray.data.from_items(chunks, override_num_blocks=len(chunks))
        dataset.context.enable_progress_bars = False
        dataset.context.print_on_execution_start = False
        dataset.context.execution_options.preserve_order = True
        answers = dataset.map(
            _Actor,  # type: ignore[arg-type]  # Ray makes it, and calls what it has made
            fn_constructor_args=(shared,),
            compute=ActorPoolStrategy(
                size=min(cluster.workers, len(chunks)), max_tasks_in_flight_per_actor=_CHUNKS_PER_ACTOR
            ),
            num_cpus=cluster.cpus_per_actor,
        )
        done = 0
        try:
            for row in answers.iter_rows():
                begin, results, refusal = pickle.loads(row["answer"])
                if begin != done:
                    raise PneumoscopeError(
                        f"Ray handed on the results from place {begin} where those from {done} were due:"
                        " run the command again"
                    )
                yield from results
                done += len(results)
                if refusal is not None:
                    raise PneumoscopeError(refusal)
        except RayError as error:
            raise PneumoscopeError(f"the Ray cluster failed: {_last_line(error)}") from error
        if done != len(items):
            raise PneumoscopeError(f"Ray handed on {done} of {len(items)} results: run the command again")


def chunk_size(items: int, workers: int) -> int:
    """Items that are sent and lost together.

    The larger the cluster, the larger they are, because one process hands out all of them; and small enough
    for every actor to get several.

    >>> chunk_size(100_000, 2), chunk_size(10_000_000, 1600), chunk_size(20, 2)
    (16, 256, 1)
    """
    balanced = items // (workers * _CHUNKS_FOR_BALANCE)
    return max(1, min(balanced, max(_SMALLEST_FULL_CHUNK, min(workers, _LARGEST_CHUNK))))


class _Actor(Generic[_Item, _Result]):
    """What lives in an actor: the function, made when the first chunk comes.

    An actor in the place of one that has died does its first chunks in a process of their own, because one of
    them may be what the former one died of.

    Args:
        shared: reference to `make` and `lost` of `map_in_ray`.
    """

    def __init__(self, shared: Any) -> None:
        import ray

        self._make: Callable[[], Callable[[_Item], _Result]]
        self._make, self._lost = ray.get(shared)
        self._function: Callable[[_Item], _Result] | None = None
        replaces = ray.get_runtime_context().was_current_actor_reconstructed
        self._careful = _CHUNKS_PER_ACTOR if replaces else 0

    def __call__(self, row: dict[str, bytes]) -> dict[str, bytes]:
        """Do one chunk: its place, the results, and the message of the error that ended it, or None."""
        begin, items = pickle.loads(row["chunk"])
        results: list[_Result] = []
        refusal = None
        try:
            with closing(self._do(items)) as done:
                for result in done:
                    results.append(result)
        except PneumoscopeError as error:
            refusal = str(error)
        return {"answer": pickle.dumps((begin, results, refusal))}

    def _do(self, items: Sequence[_Item]) -> Generator[_Result, None, None]:
        if self._careful:
            self._careful -= 1
            yield from map_in_processes(self._make, items, 1, self._lost)
            return
        if self._function is None:
            self._function = self._make()
        for item in items:
            yield self._function(item)


def _last_line(error: BaseException) -> str:
    """What happened; Ray puts a description of the task before it."""
    return [type(error).__name__, *str(error).strip().splitlines()][-1].strip()

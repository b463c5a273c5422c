"""How fast this machine scores these films with this bundle, stage by stage, and what the limit is.

Nothing can be faster than the network alone, on plates that are ready: that is what the whole way from files
to records is compared with, on as many threads.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pneumoscope.batch.local import map_in_order
from pneumoscope.errors import FilmError, UsageError
from pneumoscope.image.prepare import prepare
from pneumoscope.image.read import read
from pneumoscope.runtime.predictor import Predictor

__all__ = ["STAGES", "BenchReport", "Throughput", "measure_films", "spread_sample"]

_Item = TypeVar("_Item")

STAGES = {
    "read": "file to grey pixels",
    "guard": "is it a frontal chest film?",
    "prepare": "pixels to the network's input",
    "network": "input to logit and evidence map",
    "map": "evidence map at the film's own size",
    "overlay": "film beside its evidence, as a picture",
}
"""What is timed, in order; the last two only if asked for, and no part of a score."""

_EXTRAS = ("map", "overlay")
_FEWEST_RUNS = 32  # of the network or of films in one measurement of throughput
# A thread that owns its core is at work nearly all of the time that passes.
_OWNED = 0.9


@dataclass(frozen=True, slots=True)
class Throughput:
    """Films per second on a number of threads, medians over the rounds.

    Attributes:
        threads: films in work at the same time.
        network: of the network alone, on plates that are ready: the limit.
        films: of all that `predict` does, from files to records.
    """

    threads: int
    network: float
    films: float

    @property
    def share_of_network(self) -> float:
        """What the whole way reaches of the limit."""
        return self.films / self.network


@dataclass(frozen=True, slots=True)
class BenchReport:
    """What was measured.

    Attributes:
        films: how many were measured.
        left_out: those that could not be scored, path and reason.
        megapixels: of the median film.
        megabytes: of the median file.
        milliseconds: of each stage per film, one after the other in one thread; the mean over films of each
            film's median over the rounds.
        throughput: with one thread, and with as many as were asked for.
        peak_megabytes: most memory that this process ever had, its libraries included; None where the system
            does not say.
        quiet: False where other programs took part of the processor: then all speeds are too low.
    """

    films: int
    left_out: tuple[tuple[str, str], ...]
    megapixels: float
    megabytes: float
    milliseconds: dict[str, float]
    throughput: tuple[Throughput, ...]
    peak_megabytes: float | None
    quiet: bool

    @property
    def score_milliseconds(self) -> float:
        """Of a score without pictures."""
        return sum(value for stage, value in self.milliseconds.items() if stage not in _EXTRAS)


def spread_sample(films: Sequence[str], most: int) -> list[str]:
    """At most so many films, evenly spread over the list.

    >>> spread_sample("abcdefgh", 3)
    ['a', 'c', 'f']
    """
    step = max(1.0, len(films) / most)
    return [films[int(number * step)] for number in range(min(len(films), most))]


def measure_films(predictor: Predictor, films: Sequence[str], *, workers: int, rounds: int) -> BenchReport:
    """Measure every stage on these films, then the network and the whole way in turn.

    Args:
        predictor: scores.
        films: paths; those that cannot be scored are left out.
        workers: threads for the second measurement of throughput.
        rounds: how often everything is measured, at least 1; all films are scored once before, to warm up.

    Raises:
        UsageError: none of the films can be scored.
    """
    measured, left_out = _scored(predictor, films)
    times = {stage: np.zeros((rounds, len(measured))) for stage in STAGES}
    passed = worked = 0.0
    for number in range(rounds):
        for column, path in enumerate(measured):
            for stage, (seconds, at_work) in _stages(predictor, path).items():
                times[stage][number, column] = seconds
                if stage == "network":  # the others may let another thread or process work
                    passed, worked = passed + seconds, worked + at_work
    sizes, plates = [], []
    for path in measured:
        film = read(path)
        sizes.append(film.pixels.size)
        plates.append(prepare(film, predictor.bundle.card.prepare)[0])
    threads = [1, *([workers] if workers > 1 else [])]
    return BenchReport(
        films=len(measured),
        left_out=tuple(left_out),
        megapixels=statistics.median(sizes) / 1e6,
        megabytes=statistics.median(os.stat(path).st_size for path in measured) / 1e6,  # noqa: PTH116
        milliseconds={
            stage: float(np.median(times[stage], axis=0).mean() * 1000)
            for stage in STAGES
            if stage != "guard" or predictor.guard is not None
        },
        throughput=tuple(_throughput(predictor, measured, plates, number, rounds) for number in threads),
        peak_megabytes=_peak_megabytes(),
        quiet=worked > _OWNED * passed,
    )


def _scored(predictor: Predictor, films: Sequence[str]) -> tuple[list[str], list[tuple[str, str]]]:
    measured, left_out = [], []
    for path in films:
        try:
            predictor.predict(path).overlay()
            measured.append(path)
        except FilmError as error:
            left_out.append((path, error.reason))
    if not measured:
        raise UsageError(f"none of these films can be scored, for example {left_out[0][0]}: {left_out[0][1]}")
    return measured, left_out


def _stages(predictor: Predictor, path: str) -> dict[str, tuple[float, float]]:
    """Seconds of each stage for one film, on the clock and of this thread at work.

    What a score needs is done as `Predictor.score` does it.
    """
    times: dict[str, tuple[float, float]] = {}

    @contextmanager
    def timed(stage: str) -> Iterator[None]:
        begun, at_work = time.perf_counter(), time.thread_time()
        yield
        times[stage] = time.perf_counter() - begun, time.thread_time() - at_work

    with timed("read"):
        film = read(path)
    if predictor.guard is not None:
        with timed("guard"):
            predictor.guard.check(film)
    with timed("prepare"):
        plate, geometry = prepare(film, predictor.bundle.card.prepare)
    with timed("network"):
        _, cam = predictor.infer(plate)
    with timed("map"):
        geometry.to_film(cam)
    scored = predictor.score(film)
    with timed("overlay"):
        scored.overlay()
    return times


def _throughput(
    predictor: Predictor,
    films: Sequence[str],
    plates: Sequence[NDArray[np.float32]],
    threads: int,
    rounds: int,
) -> Throughput:
    runs = max(_FEWEST_RUNS * threads, len(films))
    network, whole = [], []
    for _ in range(rounds):
        network.append(_speed(predictor.infer, islice(cycle(plates), runs), threads))
        whole.append(_speed(predictor.attempt, islice(cycle(films), runs), threads))
    return Throughput(threads, statistics.median(network), statistics.median(whole))


def _speed(function: Callable[[_Item], object], items: Iterable[_Item], threads: int) -> float:
    begun = time.perf_counter()
    done = sum(1 for _ in map_in_order(function, items, threads))
    return done / (time.perf_counter() - begun)


def _peak_megabytes() -> float | None:
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6  # bytes there, KiB elsewhere

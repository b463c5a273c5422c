"""Labelled films to scores, through the one `Predictor`: a card's figures are what `predict` gives."""

import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from pneumoscope.errors import DataError
from pneumoscope.evaluation.films import LabelledFilm
from pneumoscope.runtime.film import Failure, Film

__all__ = ["AGE_GROUP", "FACETS", "Scorer", "Scores", "each_film", "score_films"]

AGE_GROUP = "age group"
FACETS: Mapping[str, str] = {"view": "view", AGE_GROUP: "age_group", "population": "population"}
"""By what films are grouped beside their source: name to attribute of `LabelledFilm`."""

Result = TypeVar("Result")


class Scorer(Protocol):
    """What scores a film; `Predictor` is one."""

    def attempt(self, source: str) -> Film | Failure:
        """Score one film; a bad one is a `Failure`, not an exception."""


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Scored films, column by column, in the order they were given; films that failed stand apart.

    Attributes:
        paths: of N films.
        targets: (N,) bool, True is PNEUMONIA.
        patients: (N,) str.
        sources: (N,) str.
        logits: (N,) float64 of the network.
        probabilities: (N,) float64, calibrated by the bundle that scored.
        cams: N signed maps (h, w) float32 in logit units.
        failures: films without a number.
        facets: name of `FACETS` to (N,) str, "" where unknown; empty where nobody asked.
    """

    paths: tuple[str, ...]
    targets: NDArray[np.bool_]
    patients: NDArray[np.str_]
    sources: NDArray[np.str_]
    logits: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    cams: tuple[NDArray[np.float32], ...]
    failures: tuple[Failure, ...]
    facets: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.paths)


class _Score(NamedTuple):
    """What is kept of a film: its pixels are not, thousands would not fit in memory."""

    logit: float
    probability: float
    cam: NDArray[np.float32]


def _score(scorer: Scorer, film: LabelledFilm) -> _Score | Failure:
    result = scorer.attempt(str(film.path))
    return result if isinstance(result, Failure) else _Score(result.logit, result.probability, result.cam)


def each_film(
    work: Callable[[LabelledFilm], Result],
    films: Sequence[LabelledFilm],
    *,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[Result]:
    """Do something with every film, several at once; results in the films' order.

    Args:
        work: called in any thread.
        films: to work on.
        workers: threads; None for one per core.
        progress: told how many films are done, after each.
    """
    results: list[Result] = []
    workers = workers or os.cpu_count() or 1
    queue = iter(films)
    with ThreadPoolExecutor(workers) as pool:
        running = deque(pool.submit(work, film) for film in islice(queue, 4 * workers))
        while running:
            results.append(running.popleft().result())
            running.extend(pool.submit(work, film) for film in islice(queue, 1))
            if progress is not None:
                progress(len(results))
    return results


def score_films(
    scorer: Scorer,
    films: Sequence[LabelledFilm],
    *,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Scores:
    """Score films, several at once; the numbers do not depend on how many.

    Args:
        scorer: a `Predictor`.
        films: to score.
        workers: threads; None for one per core.
        progress: told how many films are done, after each.

    Raises:
        DataError: not one film could be scored.
    """
    results = each_film(lambda film: _score(scorer, film), films, workers=workers, progress=progress)
    scored = [
        (film, result) for film, result in zip(films, results, strict=True) if isinstance(result, _Score)
    ]
    failures = tuple(result for result in results if isinstance(result, Failure))
    if not scored:
        first = f"; the first: {failures[0].path}: {failures[0].reason}" if failures else ""
        raise DataError(f"none of {len(films)} films could be scored{first}")
    return Scores(
        paths=tuple(str(film.path) for film, _ in scored),
        targets=np.array([film.target for film, _ in scored], dtype=bool),
        patients=np.array([film.patient for film, _ in scored], dtype=str),
        sources=np.array([film.source for film, _ in scored], dtype=str),
        logits=np.array([result.logit for _, result in scored]),
        probabilities=np.array([result.probability for _, result in scored]),
        cams=tuple(result.cam for _, result in scored),
        failures=failures,
        facets={
            name: np.array([getattr(film, attribute) for film, _ in scored], dtype=str)
            for name, attribute in FACETS.items()
        },
    )

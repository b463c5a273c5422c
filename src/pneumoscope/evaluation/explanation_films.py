"""Films on which somebody drew the disease, and what explains them: where every test of the map starts."""

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from pneumoscope.errors import DataError, FilmError
from pneumoscope.image.radiograph import Radiograph
from pneumoscope.image.read import read
from pneumoscope.runtime.film import Failure

__all__ = ["Explained", "Explainer", "MarkedFilm", "Marks", "each_film"]

Mask = NDArray[np.bool_]
Result = TypeVar("Result")


class Marks(NamedTuple):
    """What was drawn on one film.

    Attributes:
        lesions: (H, W) bool, inside a lesion or a box around one.
        lungs: (H, W) bool, inside the lungs; None where nobody knows them.
    """

    lesions: Mask
    lungs: Mask | None


class MarkedFilm(Protocol):
    """One film with what was drawn on it."""

    @property
    def path(self) -> Path:
        """Of the file."""

    @property
    def patient(self) -> str:
        """Equal for films of one patient."""

    @property
    def source(self) -> str:
        """The group that it is reported under."""

    def marks(self, radiograph: Radiograph) -> Marks:
        """What was drawn, on the pixels of the film as read.

        Raises:
            DataError: a mask cannot be read, or is not of the film's height and width.
        """


class Explained(Protocol):
    """A scored film with its map; `Film` is one."""

    @property
    def logit(self) -> float:
        """Of the network."""

    @property
    def finding(self) -> str:
        """PNEUMONIA or NORMAL."""

    @property
    def heatmap(self) -> NDArray[np.float32]:
        """(H, W) float32, signed, on the film's own pixels."""


Explainer = Callable[[Radiograph], Explained]
"""What scores a film and says where; `Predictor.score` is one."""


def each_film(
    films: Sequence[MarkedFilm],
    work: Callable[[MarkedFilm, Radiograph], Result],
    *,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[list[Result], list[Failure]]:
    """Read films and do something with each, several at once, results in order.

    Args:
        films: to read.
        work: called with a film and its pixels; what it gives is kept, the pixels are not.
        workers: threads; None for one per core.
        progress: told how many films are done, after each.

    Returns:
        The results, and the films that could not be read or scored.

    Raises:
        DataError: not one film is left.
    """
    results: list[Result] = []
    failures: list[Failure] = []

    def one(film: MarkedFilm) -> Result | Failure:
        try:
            return work(film, read(film.path))
        except FilmError as error:
            return Failure.of(error)

    workers = workers or os.cpu_count() or 1
    queue = iter(films)
    with ThreadPoolExecutor(workers) as pool:
        running = deque(pool.submit(one, film) for film in islice(queue, 2 * workers))
        while running:
            result = running.popleft().result()
            if isinstance(result, Failure):
                failures.append(result)
            else:
                results.append(result)
            running.extend(pool.submit(one, film) for film in islice(queue, 1))
            if progress is not None:
                progress(len(results) + len(failures))
    if not results:
        first = f"; the first: {failures[0].path}: {failures[0].reason}" if failures else ""
        raise DataError(f"none of {len(films)} films could be explained{first}")
    return results, failures

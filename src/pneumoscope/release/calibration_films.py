"""Training films that stand for all: which, and as the network sees them."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pneumoscope.errors import DataError, FilmError
from pneumoscope.evaluation.films import LabelledFilm
from pneumoscope.evaluation.scoring import each_film
from pneumoscope.image.prepare import PrepareParameters, prepare
from pneumoscope.image.read import read

__all__ = ["read_plates", "spread_choice"]


def spread_choice(films: Sequence[LabelledFilm], most: int) -> list[LabelledFilm]:
    """As many films of each source and label, evenly spread over their order; all of those that are few.

    Args:
        films: to choose from.
        most: films in all, but at least one of each source and label.
    """
    groups: dict[tuple[str, int], list[LabelledFilm]] = {}
    for film in films:
        groups.setdefault((film.source, film.target), []).append(film)
    each = max(1, most // max(1, len(groups)))
    return [
        group[index]
        for _, group in sorted(groups.items())
        for index in np.unique(np.linspace(0, len(group) - 1, each).round().astype(int))
    ]


def read_plates(
    films: Sequence[LabelledFilm],
    parameters: PrepareParameters,
    *,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[NDArray[np.float32]]:
    """The network's input for every film that can be read.

    Args:
        films: to read.
        parameters: of the bundle.
        workers: threads; None for one per core.
        progress: told how many films are done, after each.

    Returns:
        (1, S, S) float32 each, normalised.

    Raises:
        DataError: not one film can be read.
    """

    def plate(film: LabelledFilm) -> NDArray[np.float32] | None:
        try:
            return prepare(read(film.path), parameters)[0]
        except FilmError:
            return None

    made = each_film(plate, films, workers=workers, progress=progress)
    plates = [each for each in made if each is not None]
    if not plates:
        raise DataError(f"none of the {len(films)} films to calibrate with can be read: check --root")
    return plates

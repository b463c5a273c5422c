"""The films that a bundle is most wrong about, of both kinds."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.scoring import Scores

__all__ = ["WrongFilm", "worst_films"]


@dataclass(frozen=True, slots=True)
class WrongFilm:
    """A film whose finding is wrong.

    Attributes:
        path: as it was named; nothing else that could tell a person.
        source: its group.
        probability: calibrated.
    """

    path: str
    source: str
    probability: float


def worst_films(scores: Scores, threshold: float, count: int) -> Mapping[str, list[WrongFilm]]:
    """The most confident misses of both kinds at one threshold.

    Args:
        scores: of the films.
        threshold: on the calibrated probability.
        count: how many of each kind at most.

    Returns:
        "missed": films with pneumonia below the threshold, the lowest probability first; "overcalled": films
        without at or above it, the highest first.
    """
    found = scores.probabilities >= threshold
    p = scores.probabilities

    def take(wrong: NDArray[np.bool_], order: NDArray[np.float64]) -> list[WrongFilm]:
        members = np.flatnonzero(wrong)
        chosen = members[np.argsort(order[members], kind="stable")[:count]].tolist()
        return [WrongFilm(scores.paths[at], str(scores.sources[at]), float(p[at])) for at in chosen]

    return {"missed": take(scores.targets & ~found, p), "overcalled": take(~scores.targets & found, -p)}

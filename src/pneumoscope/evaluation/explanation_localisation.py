"""Does the map lie where radiologists drew? Film by film, beside stand-ins that never look at the film.

A large lesion is hit by anything, so every figure stands beside the same figure of four stand-ins: `film`, a
point drawn anywhere; `lungs`, a point drawn inside the lungs; `centre`, the middle of the film; and `others`,
the hottest points of other patients' films, which know everything about a map but the film.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.explanation_films import Explained, Explainer, MarkedFilm, Marks, each_film
from pneumoscope.evaluation.localisation import (
    centre_map,
    evidence_share,
    hottest_point,
    map_average_precision,
    pointing_chance,
    pointing_hit,
)
from pneumoscope.image.radiograph import Radiograph
from pneumoscope.runtime.film import Failure

__all__ = ["MAP", "STAND_INS", "FilmLocalisation", "MapFigures", "localise_film", "localise_films"]

MAP = "map"
STAND_INS = ("film", "lungs", "centre", "others")


class MapFigures(NamedTuple):
    """How one map, or a stand-in for one, lies on one film; None where it is not defined.

    Attributes:
        pointing: 1.0 where the hottest point lies in a lesion, 0.0 where not; of a point drawn at random, its
            chance.
        average_precision: of the map's pixels against the lesions'.
        evidence_in_lungs: share of the positive evidence.
    """

    pointing: float | None
    average_precision: float | None
    evidence_in_lungs: float | None


@dataclass(frozen=True, slots=True, eq=False)
class FilmLocalisation:
    """Where the map of one film lies.

    Attributes:
        path: of the file.
        patient: equal for films of one patient.
        source: the group that it is reported under.
        logit: of the network.
        found: the finding was pneumonia.
        point: (row, column) of the hottest point, shares of the film's height and width.
        lesion_share: of the film's area.
        figures: by `MAP` and the stand-ins.
        shape: (H, W) of the film.
        lesions: which pixels lie in a lesion, eight to a byte, so that thousands of films can be held.
    """

    path: str
    patient: str
    source: str
    logit: float
    found: bool
    point: tuple[float, float]
    lesion_share: float
    figures: dict[str, MapFigures]
    shape: tuple[int, int] = field(repr=False)
    lesions: NDArray[np.uint8] = field(repr=False)


def localise_film(film: MarkedFilm, marks: Marks, explained: Explained) -> FilmLocalisation | None:
    """Compare one map with what was drawn.

    Args:
        film: whose it is.
        marks: what was drawn on it.
        explained: its score and map.

    Returns:
        The figures of the map and of the stand-ins that need no other film; None where no lesion is drawn.
    """
    lesions, lungs = marks
    if not lesions.any():
        return None
    heatmap = explained.heatmap
    height, width = lesions.shape
    row, column = hottest_point(heatmap)
    centre = centre_map(height, width)
    share = float(lesions.mean())
    figures = {
        MAP: MapFigures(
            float(pointing_hit(heatmap, lesions)),
            map_average_precision(heatmap, lesions),
            _evidence(heatmap, lungs),
        ),
        "film": MapFigures(share, share, None if lungs is None else float(lungs.mean())),
        "centre": MapFigures(
            float(pointing_hit(centre, lesions)),
            map_average_precision(centre, lesions),
            _evidence(centre, lungs),
        ),
    }
    if lungs is not None and lungs.any():
        figures["lungs"] = MapFigures(
            pointing_chance(lungs, lesions), map_average_precision(lungs, lesions), 1.0
        )
    return FilmLocalisation(
        path=str(film.path),
        patient=film.patient,
        source=film.source,
        logit=explained.logit,
        found=explained.finding == "PNEUMONIA",
        point=((row + 0.5) / height, (column + 0.5) / width),
        lesion_share=share,
        figures=figures,
        shape=(height, width),
        lesions=np.packbits(lesions),
    )


def localise_films(
    films: Sequence[MarkedFilm],
    explain: Explainer,
    *,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[list[FilmLocalisation], list[Failure]]:
    """Explain films and compare each map with what was drawn.

    Args:
        films: marked ones.
        explain: scores a film and says where.
        workers: threads; None for one per core.
        progress: told how many films are done, after each.

    Returns:
        One per film on which a lesion is drawn, with all stand-ins, in order; and the films that failed.

    Raises:
        DataError: a mask is not of its film, or not one film is left.
    """

    def one(film: MarkedFilm, radiograph: Radiograph) -> FilmLocalisation | None:
        return localise_film(film, film.marks(radiograph), explain(radiograph))

    located, failures = each_film(films, one, workers=workers, progress=progress)
    return with_others([each for each in located if each is not None]), failures


def with_others(films: Sequence[FilmLocalisation]) -> list[FilmLocalisation]:
    """The films with the stand-in `others`: how often hottest points of other patients would hit.

    Points come from the same source, as shares of their own film's height and width. A film whose source
    holds no other patient stays as it is.
    """
    points = np.array([film.point for film in films]).reshape(-1, 2)
    patients = np.array([film.patient for film in films], dtype=str)
    sources = np.array([film.source for film in films], dtype=str)
    joined = []
    for film in films:
        foreign = points[(patients != film.patient) & (sources == film.source)]  # (M, 2)
        if len(foreign):
            rows, columns = (foreign * film.shape).astype(np.intp).T
            height, width = film.shape
            lesions = np.unpackbits(film.lesions, count=height * width).reshape(height, width)
            others = MapFigures(float(lesions[rows, columns].mean()), None, None)
            film = replace(film, figures={**film.figures, "others": others})
        joined.append(film)
    return joined


def _evidence(heatmap: NDArray[np.float32], lungs: NDArray[np.bool_] | None) -> float | None:
    if lungs is None:
        return None
    share = evidence_share(heatmap, lungs)
    return share if np.isfinite(share) else None

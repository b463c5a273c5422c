"""The same network asked by several methods: where they point, what weights mean to them, what they cost."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from pneumoscope.evaluation.explanation_changes import CHANGES
from pneumoscope.evaluation.explanation_films import MarkedFilm, Marks, each_film
from pneumoscope.evaluation.explanation_localisation import MAP, FilmLocalisation, localise_film
from pneumoscope.evaluation.explanation_means import patient_mean
from pneumoscope.evaluation.explanation_randomisation import (
    Randomisation,
    RandomisedMaps,
    judge_randomisation,
)
from pneumoscope.evaluation.explanation_repeatability import Repeatability, measure_repeatability
from pneumoscope.evaluation.explanation_summary import summarise_localisation
from pneumoscope.image.prepare import Geometry, prepare
from pneumoscope.image.radiograph import Radiograph
from pneumoscope.models import PooledClassifier
from pneumoscope.release.attributions import METHODS, OURS, Attribution, attributable, guided_units
from pneumoscope.release.random_weights import random_networks
from pneumoscope.runtime.card import Estimate
from pneumoscope.runtime.film import Film
from pneumoscope.runtime.predictor import Predictor

__all__ = ["MethodComparison", "MethodFigures", "compare_methods"]

Map = NDArray[np.float32]

_SMOOTHING = (
    28  # the Gaussian's sigma is one part in this many of the plate's side: a quarter of a 7 x 7 cell
)
_CHANGES = tuple(
    change for change in CHANGES if change.name in ("shift 2% right", "turn +2°", "JPEG, quality 75")
)


@dataclass(frozen=True, slots=True)
class MethodFigures:
    """One method on the same network and films.

    Attributes:
        name: key; ends in `_smoothed` for the smoothed form of a method with a value per pixel.
        title: for people.
        milliseconds: per film, median, without reading and preparing; None for a smoothed form.
        pointing: share of films whose hottest point lies in a lesion.
        average_precision: mean over films.
        evidence_in_lungs: mean over films; None where no film's lungs are known.
        ours_points_better: our hits minus its hits, film by film.
        randomisation: judged as our map is, on a few films; None for a smoothed form, as the next.
        repeatability: under three changes, on a few films.
    """

    name: str
    title: str
    milliseconds: float | None
    pointing: Estimate
    average_precision: Estimate
    evidence_in_lungs: Estimate | None
    ours_points_better: Estimate
    randomisation: Randomisation | None
    repeatability: Repeatability | None


@dataclass(frozen=True, slots=True)
class MethodComparison:
    """All methods on the same network and films.

    Attributes:
        films: that all were asked about.
        patients: that they are of.
        threads: that torch used.
        grad_cam_difference: largest difference of our map and captum's Grad-CAM times the number of cells,
            in units of the film's largest absolute cell.
        guided_units: units whose gradient guided backpropagation changes in this network.
        methods: ours first.
    """

    films: int
    patients: int
    threads: int
    grad_cam_difference: float
    guided_units: int
    methods: list[MethodFigures]


@dataclass(frozen=True, slots=True, eq=False)
class _Attributed:
    """A film with the map of some method."""

    logit: float
    finding: str
    heatmap: Map = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """One film and what every method says of it: maps over the plate, seconds, and where each lies."""

    film: MarkedFilm
    plate: Tensor
    maps: dict[str, Map]
    seconds: dict[str, float]
    located: dict[str, FilmLocalisation]


def compare_methods(
    model: PooledClassifier,
    predictor: Predictor,
    films: Sequence[MarkedFilm],
    *,
    seeds: Sequence[int],
    few: int = 12,
    progress: Callable[[int], None] | None = None,
) -> MethodComparison:
    """Ask one network by every method.

    Args:
        model: the trained network.
        predictor: with the bundle that was made of it: it says what was found and how films are prepared.
        films: marked ones, in an order that does not matter.
        seeds: of random weights.
        few: films, the first ones, on which randomisation and repeatability are looked at: with captum both
            cost minutes per film.
        progress: told how many films are done, after each.

    Raises:
        DataError: not one film is left.
    """
    network = attributable(model)

    def one(film: MarkedFilm, radiograph: Radiograph) -> _Asked | None:
        return _ask(network, predictor, film, film.marks(radiograph), radiograph)

    results, _ = each_film(films, one, workers=1, progress=progress)
    asked = [each for each in results if each is not None]
    ours = np.array([_hit(each.located[OURS.name]) for each in asked])
    patients = [each.film.patient for each in asked]
    first = asked[:few]
    methods = []
    for method in METHODS:
        figures = _figures(asked, method.name, method.title, ours)
        methods.append(
            replace(
                figures,
                milliseconds=1000.0 * median(each.seconds[method.name] for each in asked),
                randomisation=_randomised(network, method, first, seeds),
                repeatability=_repeated(network, predictor, method, first),
            )
        )
        if method.fine:
            methods.append(_figures(asked, f"{method.name}_smoothed", f"{method.title}, smoothed", ours))
    return MethodComparison(
        films=len(asked),
        patients=len(set(patients)),
        threads=torch.get_num_threads(),
        grad_cam_difference=max(map(_grad_cam_difference, asked)),
        guided_units=guided_units(network),
        methods=methods,
    )


def _ask(
    network: PooledClassifier, predictor: Predictor, film: MarkedFilm, marks: Marks, radiograph: Radiograph
) -> _Asked | None:
    """Every method on one film; None where no lesion is drawn."""
    scored = predictor.score(radiograph)
    plate, geometry = _plate(radiograph, predictor)
    maps, seconds, located = {}, {}, {}
    for method in METHODS:
        start = perf_counter()
        found = method.explain(network, plate)
        seconds[method.name] = perf_counter() - start
        maps[method.name] = found
        for name, shown in _forms(method, found, plate.shape[-1]):
            figures = localise_film(film, marks, _attributed(scored, geometry, shown))
            if figures is None:
                return None
            located[name] = figures
    return _Asked(film, plate, maps, seconds, located)


def _plate(radiograph: Radiograph, predictor: Predictor) -> tuple[Tensor, Geometry]:
    """(1, 1, S, S) and the way back."""
    plate, geometry = prepare(radiograph, predictor.bundle.card.prepare)
    return torch.from_numpy(plate)[None], geometry


def _forms(method: Attribution, found: Map, size: int) -> Iterator[tuple[str, Map]]:
    yield method.name, found
    if method.fine:
        yield f"{method.name}_smoothed", ndimage.gaussian_filter(found, size / _SMOOTHING)


def _attributed(scored: Film, geometry: Geometry, plate_map: Map) -> _Attributed:
    return _Attributed(scored.logit, scored.finding, geometry.to_film(plate_map))


def _hit(film: FilmLocalisation) -> float:
    hit = film.figures[MAP].pointing
    assert hit is not None, "the map itself always points somewhere"
    return hit


def _figures(asked: Sequence[_Asked], name: str, title: str, ours: NDArray[np.float64]) -> MethodFigures:
    located = [each.located[name] for each in asked]
    metrics = summarise_localisation(located)[0].metrics
    theirs = np.array([_hit(film) for film in located])
    return MethodFigures(
        name=name,
        title=title,
        milliseconds=None,
        pointing=metrics["pointing"][MAP],
        average_precision=metrics["average_precision"][MAP],
        evidence_in_lungs=metrics["evidence_in_lungs"].get(MAP),
        ours_points_better=patient_mean(ours - theirs, [film.patient for film in located]),
        randomisation=None,
        repeatability=None,
    )


def _randomised(
    network: PooledClassifier, method: Attribution, asked: Sequence[_Asked], seeds: Sequence[int]
) -> Randomisation | None:
    """Only with all weights random; None where all films are of one patient."""
    patients = [each.film.patient for each in asked]
    if len(set(patients)) < 2:
        return None
    trained = np.stack([each.maps[method.name] for each in asked])

    def cascades() -> Iterator[tuple[int, list[RandomisedMaps]]]:
        for seed in seeds:
            *_, (stage, share, random) = random_networks(network, seed)
            maps = np.stack([method.explain(random, each.plate) for each in asked])
            yield seed, [RandomisedMaps(stage, share, maps)]

    return judge_randomisation(trained, cascades(), patients)


def _repeated(
    network: PooledClassifier, predictor: Predictor, method: Attribution, asked: Sequence[_Asked]
) -> Repeatability:
    def explain(radiograph: Radiograph) -> _Attributed:
        plate, geometry = _plate(radiograph, predictor)
        return _attributed(predictor.score(radiograph), geometry, method.explain(network, plate))

    return measure_repeatability([each.film for each in asked], explain, _CHANGES, workers=1)[0]


def _grad_cam_difference(asked: _Asked) -> float:
    ours, theirs = asked.maps[OURS.name], asked.maps["grad_cam"]
    largest = float(np.abs(ours).max())
    return float(np.abs(theirs * ours.size - ours).max()) / largest if largest > 0 else 0.0

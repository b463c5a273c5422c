"""What needs the trained network itself: its map with random weights, and other methods on it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from pneumoscope.errors import UsageError
from pneumoscope.evaluation.explanation import ExplanationReport, sample_of_patients
from pneumoscope.evaluation.explanation_films import MarkedFilm, each_film
from pneumoscope.evaluation.explanation_randomisation import RandomisedMaps, judge_randomisation
from pneumoscope.image.prepare import prepare
from pneumoscope.models import PooledClassifier
from pneumoscope.release.parity import check_parity
from pneumoscope.release.random_weights import cascade_maps, network_maps
from pneumoscope.runtime.bundle import Bundle
from pneumoscope.runtime.predictor import Predictor

__all__ = ["measure_network"]

Progress = Callable[[str, int, int], None]

_COMPARED = 4  # films on which bundle and network must agree


def measure_network(
    report: ExplanationReport,
    model: PooledClassifier,
    bundle: Bundle,
    films: Sequence[MarkedFilm],
    *,
    count: int,
    seeds: int,
    methods: bool,
    progress: Progress | None = None,
) -> ExplanationReport:
    """The report with what random weights do to the map, and perhaps with other methods.

    Args:
        report: of the same bundle and films.
        model: the network that the bundle was made of.
        bundle: whose map is measured.
        films: marked ones.
        count: films drawn of them, at most.
        seeds: cascades of random weights, numbered from 0.
        methods: ask captum's methods too.
        progress: told what is done, how many, of how many.

    Raises:
        BundleError: the bundle was not made of this network.
        UsageError: all films are of one patient.
    """
    drawn = {film.path for film in report.located}
    chosen = sample_of_patients([film for film in films if str(film.path) in drawn], count)
    if len({film.patient for film in chosen}) < 2:
        raise UsageError(
            "maps of random weights are compared with those of other patients, but all films are of one: "
            "name more films, or leave --run out"
        )
    predictor = Predictor(bundle, guard=False)
    check_parity(model, predictor, [film.path for film in chosen[:_COMPARED]])
    parameters = bundle.card.prepare
    prepared, _ = each_film(
        chosen, lambda film, radiograph: (film.patient, prepare(radiograph, parameters)[0]), workers=1
    )
    patients, plates = zip(*prepared, strict=True)
    stacked = np.stack(plates)  # (N, 1, S, S)

    def cascades() -> Iterator[tuple[int, Iterator[RandomisedMaps]]]:
        for seed in range(seeds):
            yield seed, cascade_maps(model, stacked, seed)
            if progress is not None:
                progress("cascades of random weights", seed + 1, seeds)

    randomisation = judge_randomisation(network_maps(model, stacked), cascades(), patients)
    report = replace(report, randomisation=randomisation)
    if not methods:
        return report
    from pneumoscope.release.method_comparison import compare_methods

    def asked(done: int) -> None:
        if progress is not None:
            progress("films asked by all methods", done, len(chosen))

    compared = compare_methods(model, predictor, chosen, seeds=range(min(seeds, 3)), progress=asked)
    return replace(report, methods=compared)

"""One bundle's map, tested: does it lie in the lesion, does it stay there, does it need the weights?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pneumoscope.errors import DataError
from pneumoscope.evaluation.explanation_films import MarkedFilm
from pneumoscope.evaluation.explanation_localisation import MAP, FilmLocalisation, localise_films
from pneumoscope.evaluation.explanation_randomisation import Randomisation
from pneumoscope.evaluation.explanation_repeatability import Repeatability, measure_repeatability
from pneumoscope.evaluation.explanation_summary import LocalisationSummary, summarise_localisation
from pneumoscope.evaluation.plain import plain
from pneumoscope.runtime.bundle import Bundle
from pneumoscope.runtime.film import Failure
from pneumoscope.runtime.predictor import Predictor

__all__ = ["ExplanationReport", "measure_explanation", "sample_of_patients"]

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class ExplanationReport:
    """All figures of one bundle's map.

    Attributes:
        model: name and version of the bundle.
        sha256: of the bundle.
        split: that the films are of.
        located: every film on which a lesion is drawn.
        groups: the same, pooled and per source.
        repeatability: under small changes of the film.
        failures: films that could not be read or scored.
        empty: films left out because nothing is drawn on them: masks and boxes hold no pixel.
        randomisation: with random weights; None where the network was not at hand.
        methods: other methods on the same network, as plain values; None where they were not asked for.
    """

    model: str
    sha256: str
    split: str
    located: list[FilmLocalisation]
    groups: list[LocalisationSummary]
    repeatability: Repeatability
    failures: list[Failure]
    empty: int = 0
    randomisation: Randomisation | None = None
    methods: Any = None

    def to_json(self) -> dict[str, Any]:
        """As plain dicts, lists and numbers; every interval as value, low and high."""
        return {
            "model": self.model,
            "sha256": self.sha256,
            "split": self.split,
            "groups": plain(self.groups),
            "repeatability": plain(self.repeatability),
            "randomisation": plain(self.randomisation),
            "methods": plain(self.methods),
            "films": [_film(film) for film in self.located],
            "empty": self.empty,
            "failures": [failure.record() for failure in self.failures],
        }


def measure_explanation(
    bundle: Bundle,
    films: Sequence[MarkedFilm],
    split: str,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> ExplanationReport:
    """What can be told of a bundle without its network's training: place and repeatability.

    Its guard stands aside: what is measured is the map, on every film on which a lesion is drawn.

    Args:
        bundle: to measure.
        films: marked ones.
        split: that they are of, for the record.
        workers: threads; None for one per core.
        progress: told what is done, how many, of how many.

    Raises:
        DataError: a mask is not of its film, not one film could be scored, or nothing is drawn on any.
    """
    predictor = Predictor(bundle, guard=False)

    def told(what: str) -> Callable[[int], None] | None:
        return None if progress is None else lambda done: progress(what, done, len(films))

    located, failures = localise_films(
        films, predictor.score, workers=workers, progress=told("films explained")
    )
    if not located:
        raise DataError(f"on none of {len(films)} films a lesion is drawn: their masks and boxes are empty")
    drawn = {film.path for film in located}
    repeatability, _ = measure_repeatability(
        [film for film in films if str(film.path) in drawn],
        predictor.score,
        workers=workers,
        progress=told("films changed"),
    )
    return ExplanationReport(
        model=bundle.identity,
        sha256=bundle.sha256,
        split=split,
        located=located,
        groups=summarise_localisation(located),
        repeatability=repeatability,
        failures=failures,
        empty=len(films) - len(located) - len(failures),
    )


def sample_of_patients(films: Sequence[MarkedFilm], count: int, seed: int = 0) -> list[MarkedFilm]:
    """Films drawn at random, of as many patients as possible.

    Args:
        films: to draw from.
        count: how many at most.
        seed: of the draw.

    Returns:
        In random order; no patient's second film before every patient's first.
    """
    order = np.random.default_rng(seed).permutation(len(films))
    taken: dict[str, int] = {}
    turns: list[tuple[int, int, int]] = []
    for index in order:
        patient = films[index].patient
        taken[patient] = taken.get(patient, 0) + 1
        turns.append((taken[patient], len(turns), int(index)))
    return [films[index] for _, _, index in sorted(turns)[:count]]


def _film(film: FilmLocalisation) -> dict[str, Any]:
    told = {
        name: getattr(film, name) for name in ("path", "patient", "source", "logit", "found", "lesion_share")
    }
    figures = {name: each._asdict() for name, each in film.figures.items()}
    return {**told, "point": list(film.point), "hit": film.figures[MAP].pointing == 1.0, "figures": figures}

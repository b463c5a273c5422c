"""Does the map depend on what the network learnt? Weights are replaced by random ones; the map must follow.

A map that stays as it is when the weights are gone shows the film, not the network. The network is randomised
from its head down, a part at a time, until nothing that was learnt is left. Two maps may be alike because
both show a chest: so the yardstick is how alike the trained network's maps of two patients are.

A seed passes where, with all weights random, a film's map is less like the trained network's map of that film
than maps of different patients are like each other, by both measures, and the 95 % interval of the difference
(patients drawn with replacement) lies above zero. Source: Adebayo et al. 2018 (arXiv:1810.03292), cascading
randomisation; Arun et al. 2021 (doi:10.1148/ryai.2021200267), the yardstick.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.explanation_means import patient_mean
from pneumoscope.evaluation.explanation_similarity import partners, rank_correlation, structural_similarity
from pneumoscope.runtime.card import Estimate

__all__ = ["Randomisation", "RandomisedMaps", "SeedOutcome", "StageSimilarity", "judge_randomisation"]

Maps = NDArray[np.float32]
FloatArray = NDArray[np.float64]

_MEASURES = {"rank_correlation": rank_correlation, "structural_similarity": structural_similarity}


class RandomisedMaps(NamedTuple):
    """Maps of all films after part of the weights were replaced.

    Attributes:
        stage: what was replaced last.
        share: of the network's weights that are random by then, above 0; 1 is all.
        maps: (N, h, w) signed.
    """

    stage: str
    share: float
    maps: Maps


@dataclass(frozen=True, slots=True)
class StageSimilarity:
    """How alike the maps of the trained and of the partly random network are, means over films.

    Attributes:
        stage: what was replaced last.
        share: of the network's weights that are random by then.
        similarity: by measure.
    """

    stage: str
    share: float
    similarity: dict[str, Estimate]


@dataclass(frozen=True, slots=True)
class SeedOutcome:
    """One cascade.

    Attributes:
        seed: of the random weights.
        stages: from the head down; the last has no learnt weight left.
        margin: by measure: likeness of different patients' maps minus what is left of a film's own, with all
            weights random.
        own_film: with all weights random, rank correlation with the trained map of the same film minus that
            with those of other patients' films: what still comes from the film itself.
        passed: the interval of every margin lies above zero.
    """

    seed: int
    stages: list[StageSimilarity]
    margin: dict[str, Estimate]
    own_film: Estimate
    passed: bool


@dataclass(frozen=True, slots=True)
class Randomisation:
    """All cascades.

    Attributes:
        films: how many.
        patients: that they are of.
        other_patients: by measure: likeness of the trained network's maps of different patients.
        seeds: each cascade.
        failed: seeds that did not pass.
    """

    films: int
    patients: int
    other_patients: dict[str, Estimate]
    seeds: list[SeedOutcome]
    failed: list[int]


def judge_randomisation(
    trained: Maps, cascades: Iterable[tuple[int, Iterable[RandomisedMaps]]], patients: Sequence[str]
) -> Randomisation:
    """Compare maps of the trained network with those of random ones.

    Args:
        trained: (N, h, w) signed maps of N films.
        cascades: seed and stages, from the head down; the last stage with all weights random.
        patients: (N,) names, at least two different ones.

    Raises:
        ValueError: all films are of one patient, a cascade does not end with all weights random, or shapes
            differ.
    """
    chosen = partners(patients)
    if chosen is None:
        raise ValueError("maps of different patients are needed to compare with: all films are of one")
    expected = {
        name: np.mean([measure(trained, trained[column]) for column in chosen.T], axis=0)
        for name, measure in _MEASURES.items()
    }
    seeds = [_outcome(seed, trained, stages, chosen, expected, patients) for seed, stages in cascades]
    return Randomisation(
        films=len(trained),
        patients=len(set(patients)),
        other_patients={name: patient_mean(values, patients) for name, values in expected.items()},
        seeds=seeds,
        failed=[outcome.seed for outcome in seeds if not outcome.passed],
    )


def _outcome(
    seed: int,
    trained: Maps,
    cascade: Iterable[RandomisedMaps],
    chosen: NDArray[np.intp],
    expected: dict[str, FloatArray],
    patients: Sequence[str],
) -> SeedOutcome:
    stages = []
    own: dict[str, FloatArray] = {}
    share, maps = 0.0, trained
    for stage, share, maps in cascade:
        own = {name: measure(trained, maps) for name, measure in _MEASURES.items()}
        stages.append(
            StageSimilarity(
                stage, share, {name: patient_mean(values, patients) for name, values in own.items()}
            )
        )
    if share < 1.0:
        raise ValueError(f"the cascade of seed {seed} ends with {share:.0%} of the weights random, not all")
    margin = {name: patient_mean(expected[name] - own[name], patients) for name in _MEASURES}
    foreign = np.mean([rank_correlation(trained[column], maps) for column in chosen.T], axis=0)
    return SeedOutcome(
        seed=seed,
        stages=stages,
        margin=margin,
        own_film=patient_mean(own["rank_correlation"] - foreign, patients),
        passed=all(estimate.low > 0.0 for estimate in margin.values()),
    )

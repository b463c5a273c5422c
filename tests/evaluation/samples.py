"""Seeded scores of imagined films, some patients with several."""

from typing import NamedTuple

import numpy as np


class Sample(NamedTuple):
    labels: np.ndarray
    scores: np.ndarray
    patients: np.ndarray


def films(seed: int, count: int, separation: float, *, decimals: int | None = None) -> Sample:
    """Independent films: normal scores, positives shifted by `separation`; rounded so that scores tie."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 3 == 0
    scores = generator.normal(size=count) + separation * labels
    return Sample(
        labels, scores if decimals is None else scores.round(decimals), np.arange(count).astype(str)
    )


def families(seed: int, patients: int, per_patient: int, separation: float) -> Sample:
    """Several films per patient of one label, four fifths of the variance shared within the patient."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(patients) % 2 == 0, per_patient)
    shared = np.repeat(generator.normal(size=patients), per_patient) * 0.8**0.5
    scores = shared + generator.normal(size=labels.size) * 0.2**0.5 + separation * labels
    return Sample(labels, scores, np.repeat(np.arange(patients), per_patient).astype(str))

"""How well a few numbers per film tell two kinds of films apart, patients kept on one side."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pneumoscope.data.audit.films import Comparison, Text
from pneumoscope.evaluation.intervals import auc_interval
from pneumoscope.runtime.card import Estimate

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

__all__ = ["held_out_scores", "mostly_known", "patient_folds", "raw_auc", "tell_apart"]

_FOLDS = 5
# More films narrow an interval that is narrow already.
_MOST_FILMS = 5000

Features = NDArray[np.float32]
Target = NDArray[np.bool_]


def patient_folds(
    target: Target, patients: Text, generator: np.random.Generator, folds: int = _FOLDS
) -> NDArray[np.int64]:
    """Deal patients into folds, those with and without a positive first film separately.

    Args:
        target: (N,) bool.
        patients: (N,) names.
        generator: shuffles.
        folds: how many.

    Returns:
        (N,) number of the fold; one patient's films share it.
    """
    names, first, of_film = np.unique(patients, return_index=True, return_inverse=True)
    order = np.lexsort((generator.random(names.size), target[first]))
    fold = np.empty(names.size, dtype=np.int64)
    fold[order] = np.arange(names.size) % folds
    return fold[of_film]


def _subset(comparison: Comparison, patients: Text, generator: np.random.Generator) -> Comparison:
    """At most `_MOST_FILMS` films, whole patients."""
    if comparison.members.size <= _MOST_FILMS or comparison.fitted_on is not None:
        return comparison
    names, of_film = np.unique(patients[comparison.members], return_inverse=True)
    rank = generator.permutation(names.size)[of_film]
    keep = np.sort(np.argsort(rank, kind="stable")[:_MOST_FILMS])
    return Comparison(
        comparison.films,
        comparison.positive,
        comparison.negative,
        comparison.members[keep],
        comparison.target[keep],
        in_use=comparison.in_use,
    )


def _boosting() -> "HistGradientBoostingClassifier":
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=30,
        learning_rate=0.2,
        max_leaf_nodes=15,
        min_samples_leaf=20,
        max_bins=63,
        early_stopping=False,
        random_state=0,
    )


def _scores(features: Features, target: Target, asked: Features) -> NDArray[np.float64]:
    """Fit gradient boosting, and logistic regression beside it where there are many numbers; mean logit."""
    boosted = _boosting().fit(features, target).decision_function(asked)
    if features.shape[1] <= 16:
        return np.asarray(boosted, dtype=np.float64)
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500)).fit(features, target)
    return np.asarray(boosted + linear.decision_function(asked), dtype=np.float64) / 2.0


def held_out_scores(
    comparison: Comparison, features: Features, patients: Text, seed: int
) -> tuple[Comparison, NDArray[np.float64]]:
    """Scores of simple classifiers for films of patients that they were not fitted on.

    Five folds by patient, or fitted on `comparison.fitted_on`.

    Args:
        comparison: which films.
        features: (N, K) of all films; NaN where unknown.
        patients: (N,) names, of all films.
        seed: of folds and, above 5,000 films, of the sample.

    Returns:
        comparison: of n films, the same or fewer.
        scores: (n,) higher where the positive kind is likelier.
    """
    generator = np.random.default_rng(seed)
    comparison = _subset(comparison, patients, generator)
    own, target, people = features[comparison.members], comparison.target, patients[comparison.members]
    if comparison.fitted_on is not None and comparison.fitted_target is not None:
        return comparison, _scores(features[comparison.fitted_on], comparison.fitted_target, own)
    fold = patient_folds(target, people, generator)
    scores = np.zeros(target.size)
    for number in range(_FOLDS):
        held_out = fold == number
        scores[held_out] = _scores(own[~held_out], target[~held_out], own[held_out])
    return comparison, scores


def tell_apart(comparison: Comparison, features: Features, patients: Text, seed: int) -> Estimate:
    """AUC of `held_out_scores` with its 95 % interval, patients as clusters.

    An interval whose lower end lies above 0.5 means that the features tell the kinds apart.

    Args:
        comparison: which films.
        features: (N, K) of all films; NaN where unknown.
        patients: (N,) names, of all films.
        seed: of folds and, above 5,000 films, of the sample.
    """
    asked, scores = held_out_scores(comparison, features, patients, seed)
    return auc_interval(asked.target, scores, patients[asked.members])


def mostly_known(comparison: Comparison, features: Features) -> bool:
    """Whether at least half of the films of each kind have what is asked about.

    Args:
        comparison: which films.
        features: (N, K) of all films; NaN where unknown.
    """
    known = np.asarray(np.isfinite(features[comparison.members]).any(axis=1))
    target = comparison.target
    return bool(min(known[target].mean(), known[~target].mean()) >= 0.5)


def raw_auc(comparison: Comparison, feature: Features, patients: Text) -> Estimate | None:
    """AUC of one number as it stands, turned so that it is at least 0.5; None where too few films have it.

    Args:
        comparison: which films.
        feature: (N, 1) of all films.
        patients: (N,) names, of all films.
    """
    values = feature[comparison.members, 0]
    known = np.isfinite(values)
    target, people = comparison.target[known], patients[comparison.members][known]
    if min(np.unique(people[target]).size, np.unique(people[~target]).size) < 2:
        return None
    estimate = auc_interval(target, values[known], people)
    if estimate.value >= 0.5:
        return estimate
    return Estimate(value=1.0 - estimate.value, low=1.0 - estimate.high, high=1.0 - estimate.low)

"""Scores to figures: every metric with its interval, pooled, per source and per kind of film."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation import metrics
from pneumoscope.evaluation.calibration import ReliabilityBin, reliability_table
from pneumoscope.evaluation.intervals import auc_interval, clustered_proportion, patient_bootstrap
from pneumoscope.evaluation.scoring import AGE_GROUP, Scores
from pneumoscope.runtime.card import Estimate, Evaluation

__all__ = [
    "POOLED",
    "FacetSummary",
    "GroupSummary",
    "PointSummary",
    "card_evaluation",
    "groups_of",
    "summarise",
    "summarise_facets",
    "summarise_group",
]

POOLED = "all sources"
_CURVE_POINTS = 198
_BOOTSTRAPPED = (metrics.average_precision, metrics.brier, metrics.expected_calibration_error)


@dataclass(frozen=True, slots=True)
class PointSummary:
    """One threshold on one group of films.

    Attributes:
        threshold: on the calibrated probability.
        true_positives: films with pneumonia at or above it; the other three likewise.
        metrics: sensitivity, specificity, accuracy, f1, those of them that are defined.
    """

    threshold: float
    true_positives: int
    false_negatives: int
    false_positives: int
    true_negatives: int
    metrics: dict[str, Estimate]


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """All figures of one group of films.

    Attributes:
        group: name of the source, or `POOLED`, or what a facet's films share.
        films: how many were scored.
        patients: how many they are of, where an unknown patient is one per film.
        positives: films with pneumonia.
        metrics: auc, average_precision, brier, expected_calibration_error, those of them that are defined.
        operating_points: by name.
        reliability: predicted against observed.
        roc: points (1 - specificity, sensitivity), at most 200; none where one label is missing.
        precision_recall: points (recall, precision), at most 200; none where one label is missing.
    """

    group: str
    films: int
    patients: int
    positives: int
    metrics: dict[str, Estimate]
    operating_points: dict[str, PointSummary]
    reliability: list[ReliabilityBin]
    roc: list[tuple[float, float]]
    precision_recall: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class FacetSummary:
    """Films grouped by something else than their source.

    Attributes:
        facet: by what, such as "view".
        films: of which it is known.
        unknown: films of which it is not.
        groups: over all sources where several know it, then within each source that it divides.
    """

    facet: str
    films: int
    unknown: int
    groups: list[GroupSummary]


def _point(
    threshold: float,
    targets: NDArray[np.bool_],
    probabilities: NDArray[np.float64],
    patients: NDArray[np.str_],
) -> PointSummary:
    found = probabilities >= threshold
    measured = {"accuracy": clustered_proportion(found == targets, patients)}
    if targets.any():
        measured["sensitivity"] = clustered_proportion(found[targets], patients[targets])
        measured["f1"] = patient_bootstrap(metrics.f1, targets, found, patients)
    if not targets.all():
        measured["specificity"] = clustered_proportion(~found[~targets], patients[~targets])
    return PointSummary(
        threshold=threshold,
        true_positives=int((found & targets).sum()),
        false_negatives=int((~found & targets).sum()),
        false_positives=int((found & ~targets).sum()),
        true_negatives=int((~found & ~targets).sum()),
        metrics=measured,
    )


def _thinned(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[tuple[float, float]]:
    """A curve's points, first and last included, evenly spread along its length where they are many."""
    length = np.append(0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    picked = np.searchsorted(length, np.linspace(0.0, length[-1], _CURVE_POINTS))
    kept = np.unique(np.append(picked, [0, x.size - 1])) if x.size > _CURVE_POINTS else np.arange(x.size)
    return list(zip(x[kept].tolist(), y[kept].tolist(), strict=True))


def summarise_group(
    group: str,
    targets: NDArray[np.bool_],
    probabilities: NDArray[np.float64],
    patients: NDArray[np.str_],
    thresholds: Mapping[str, float],
) -> GroupSummary:
    """Every figure of one group of films; a metric that is undefined on it is left out.

    The AUC has the clustered DeLong interval, rates Wilson's at the effective number of films, the others the
    percentiles of 2,000 bootstrap resamples of patients.

    Args:
        group: its name.
        targets: (N,) True is PNEUMONIA; at least one film.
        probabilities: (N,) calibrated.
        patients: (N,) names.
        thresholds: by operating point.
    """
    measured: dict[str, Estimate] = {}
    two_labels = bool(targets.any() and not targets.all())
    with_and_without = [np.unique(patients[targets]).size, np.unique(patients[~targets]).size]
    if min(with_and_without) >= 2:
        measured["auc"] = auc_interval(targets, probabilities, patients)
    for metric in _BOOTSTRAPPED:
        if np.isfinite(metric(targets, probabilities)) and (targets.any() or metric is not _BOOTSTRAPPED[0]):
            measured[metric.__name__] = patient_bootstrap(metric, targets, probabilities, patients)
    return GroupSummary(
        group=group,
        films=int(targets.size),
        patients=int(np.unique(patients).size),
        positives=int(targets.sum()),
        metrics=measured,
        operating_points={
            name: _point(threshold, targets, probabilities, patients)
            for name, threshold in thresholds.items()
        },
        reliability=reliability_table(targets, probabilities, patients),
        roc=_thinned(*metrics.roc_points(targets, probabilities)) if two_labels else [],
        precision_recall=_thinned(*metrics.precision_recall_points(targets, probabilities))
        if two_labels
        else [],
    )


def groups_of(sources: NDArray[np.str_]) -> list[tuple[str, NDArray[np.bool_]]]:
    """All films where there are several sources, then each source by itself.

    Args:
        sources: (N,) of at least one film.

    Returns:
        names, each with (N,) films that belong to it.
    """
    names = sorted(set(sources.tolist()))
    groups = [(name, np.asarray(sources == name)) for name in names]
    if len(groups) > 1:
        groups.insert(0, (POOLED, np.ones(sources.size, dtype=bool)))
    return groups


def _summarise(
    name: str,
    scores: Scores,
    chosen: NDArray[np.bool_] | NDArray[np.intp],
    thresholds: Mapping[str, float],
) -> GroupSummary:
    return summarise_group(
        name, scores.targets[chosen], scores.probabilities[chosen], scores.patients[chosen], thresholds
    )


def summarise(scores: Scores, thresholds: Mapping[str, float]) -> list[GroupSummary]:
    """All films pooled, then each source by itself where there are several.

    Args:
        scores: of at least one film.
        thresholds: by operating point.
    """
    return [_summarise(name, scores, inside, thresholds) for name, inside in groups_of(scores.sources)]


def summarise_facets(scores: Scores, thresholds: Mapping[str, float]) -> list[FacetSummary]:
    """Films by view, age group and population, over all sources and within each source.

    Sources differ in more than in view or age, so a figure over all sources says little where the sources do
    not agree. A facet that divides neither all films nor those of a source is left out.

    Args:
        scores: of at least one film.
        thresholds: by operating point.
    """
    found = []
    for facet, values in scores.facets.items():
        known = np.flatnonzero(values != "")
        if known.size == 0:
            continue
        groups = []
        for source, inside in groups_of(scores.sources[known]):
            members = known[inside]
            kinds = sorted(set(values[members].tolist()), key=_first_year if facet == AGE_GROUP else None)
            if len(kinds) < 2:
                continue
            where = "" if source == POOLED else f", {source}"
            groups += [
                _summarise(f"{kind}{where}", scores, members[values[members] == kind], thresholds)
                for kind in kinds
            ]
        if groups:
            found.append(FacetSummary(facet, known.size, values.size - known.size, groups))
    return found


def _first_year(group: str) -> int:
    """The youngest age of a group as `age_group` names it."""
    return int(group.split()[0])


def card_evaluation(summary: GroupSummary, split: str, command: str) -> Evaluation:
    """A group's figures as a bundle's card keeps them.

    Metrics at an operating point are named `sensitivity@balanced` and so on.

    Args:
        summary: of the group.
        split: for the record, such as "kermany:test".
        command: that gives the same figures again.
    """
    flat = dict(summary.metrics)
    for name, point in summary.operating_points.items():
        flat |= {f"{metric}@{name}": estimate for metric, estimate in point.metrics.items()}
    return Evaluation(
        split=split,
        films=summary.films,
        patients=summary.patients,
        positives=summary.positives,
        metrics=flat,
        command=command,
    )

"""One bundle, or two, on labelled films: everything that `pneumoscope evaluate` writes."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from pneumoscope.evaluation.calibration import ReliabilityBin
from pneumoscope.evaluation.films import LabelledFilm
from pneumoscope.evaluation.intervals import PairedTest, delong_test, mcnemar
from pneumoscope.evaluation.scoring import Scores, score_films
from pneumoscope.evaluation.summary import POOLED, GroupSummary, summarise
from pneumoscope.runtime.bundle import Bundle
from pneumoscope.runtime.card import Estimate
from pneumoscope.runtime.predictor import Predictor

__all__ = ["Comparison", "EvaluationReport", "compare_scores", "evaluate_bundle", "scores_csv"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two bundles on the same films, film by film.

    Attributes:
        group: name of the source, or `POOLED`.
        films: that both have scored.
        auc: first minus second, DeLong's test with patients as clusters; None where it is undefined.
        mcnemar: p-value that both are right equally often, by operating point.
    """

    group: str
    films: int
    auc: PairedTest | None
    mcnemar: dict[str, float]


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """All figures of one evaluation.

    Attributes:
        model: name and version of the bundle.
        sha256: of the bundle.
        temperature: of its card.
        scores: of every film.
        groups: pooled and per source.
        rival: name and version of the bundle that it is compared with.
        comparison: with that one, pooled and per source.
    """

    model: str
    sha256: str
    temperature: float
    scores: Scores
    groups: list[GroupSummary]
    rival: str | None = None
    comparison: tuple[Comparison, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain dicts, lists and numbers; every interval as value, low and high."""
        return {
            "model": self.model,
            "sha256": self.sha256,
            "temperature": self.temperature,
            "groups": [_plain(group) for group in self.groups],
            "compared_with": self.rival,
            "comparison": [_plain(comparison) for comparison in self.comparison],
            "worst": self.worst(),
            "failures": [failure.record() for failure in self.scores.failures],
        }

    def worst(self, count: int = 20) -> list[dict[str, Any]]:
        """Films whose calibrated probability is farthest from the truth, the farthest first.

        Args:
            count: how many at most; films on the right side of 0.5 are never among them.
        """
        distance = np.abs(self.scores.probabilities - self.scores.targets)
        order = np.argsort(-distance, kind="stable")[:count]
        return [
            {
                "path": self.scores.paths[index],
                "source": str(self.scores.sources[index]),
                "target": int(self.scores.targets[index]),
                "probability": float(self.scores.probabilities[index]),
            }
            for index in order
            if distance[index] > 0.5
        ]


def _plain(value: Any) -> Any:
    """Dataclasses, named tuples and estimates as dicts, recursively."""
    if isinstance(value, Estimate):
        return value.model_dump()
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, PairedTest | ReliabilityBin):
        return {key: _plain(item) for key, item in value._asdict().items()}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def evaluate_bundle(
    bundle: Bundle,
    films: Sequence[LabelledFilm],
    *,
    rival: Bundle | None = None,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> EvaluationReport:
    """Score films with a bundle and sum up.

    Its guard stands aside: what is measured is the network, on every film that has a label.

    Args:
        bundle: to measure.
        films: with their truth.
        rival: another bundle to score the same films with.
        workers: threads; None for one per core.
        progress: told how many films are done, those of the rival after the bundle's own.

    Raises:
        DataError: not one film could be scored.
    """
    scores = score_films(Predictor(bundle, guard=False), films, workers=workers, progress=progress)
    thresholds = _thresholds(bundle)
    comparison: tuple[Comparison, ...] = ()
    if rival is not None:

        def further(done: int) -> None:
            if progress is not None:
                progress(len(films) + done)

        theirs = score_films(Predictor(rival, guard=False), films, workers=workers, progress=further)
        comparison = compare_scores(scores, thresholds, theirs, _thresholds(rival))
    return EvaluationReport(
        model=bundle.identity,
        sha256=bundle.sha256,
        temperature=bundle.card.temperature,
        scores=scores,
        groups=summarise(scores, thresholds),
        rival=None if rival is None else rival.identity,
        comparison=comparison,
    )


def _thresholds(bundle: Bundle) -> dict[str, float]:
    return {name: point.threshold for name, point in bundle.card.operating_points.items()}


def compare_scores(
    first: Scores, first_thresholds: dict[str, float], second: Scores, second_thresholds: dict[str, float]
) -> tuple[Comparison, ...]:
    """Two bundles on the films that both have scored, pooled and per source.

    Args:
        first: of one bundle.
        first_thresholds: by operating point.
        second: of the other, on the same films.
        second_thresholds: by operating point.
    """
    common = set(first.paths) & set(second.paths)
    mine = np.array([path in common for path in first.paths], dtype=bool)
    theirs = np.array([path in common for path in second.paths], dtype=bool)
    targets, patients = first.targets[mine], first.patients[mine]
    p, q, sources = first.probabilities[mine], second.probabilities[theirs], first.sources[mine]
    names = sorted(set(sources.tolist()))
    groups = [(name, sources == name) for name in names]
    if len(groups) > 1:
        groups.insert(0, (POOLED, np.ones(sources.size, dtype=bool)))
    comparisons = []
    for name, inside in groups:
        y = targets[inside]
        pairs = [np.unique(patients[inside][y == label]).size for label in (True, False)]
        comparisons.append(
            Comparison(
                group=name,
                films=int(inside.sum()),
                auc=delong_test(y, p[inside], q[inside], patients[inside]) if min(pairs) > 1 else None,
                mcnemar={
                    point: mcnemar(
                        (p[inside] >= threshold) == y, (q[inside] >= second_thresholds[point]) == y
                    )
                    for point, threshold in first_thresholds.items()
                },
            )
        )
    return tuple(comparisons)


def scores_csv(scores: Scores) -> str:
    """One line per film: path, source, patient, target, status, logit, probability; failures last."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["path", "source", "patient", "target", "status", "logit", "probability"])
    for row in zip(
        scores.paths,
        scores.sources.tolist(),
        scores.patients.tolist(),
        scores.targets.astype(int).tolist(),
        ["ok"] * len(scores),
        scores.logits.tolist(),
        scores.probabilities.tolist(),
        strict=True,
    ):
        lines.writerow(row)
    for failure in scores.failures:
        lines.writerow([failure.path, "", "", "", failure.status, "", ""])
    return text.getvalue()

"""One bundle, or two, on labelled films: everything that `pneumoscope evaluate` writes."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from pneumoscope.evaluation.baseline import Baseline
from pneumoscope.evaluation.carry_over import CarryOver, carry_over
from pneumoscope.evaluation.comparison import Comparison, compare_scores
from pneumoscope.evaluation.films import LabelledFilm
from pneumoscope.evaluation.plain import plain
from pneumoscope.evaluation.scoring import Scores, score_films
from pneumoscope.evaluation.stress import StressResult
from pneumoscope.evaluation.summary import FacetSummary, GroupSummary, summarise, summarise_facets
from pneumoscope.evaluation.worst import WrongFilm, worst_films
from pneumoscope.runtime.bundle import Bundle
from pneumoscope.runtime.predictor import Predictor

__all__ = ["EvaluationReport", "evaluate_bundle", "scores_csv"]

WORST_OF_EACH_KIND = 10


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """All figures of one evaluation.

    Attributes:
        model: name and version of the bundle.
        sha256: of the bundle.
        temperature: of its card.
        trained_on: sources that its card names.
        scores: of every film.
        groups: pooled and per source.
        facets: per view, age group and population.
        thresholds: what the card promises of each, and what it gives here.
        worst: films that it is most wrong about at the balanced operating point.
        rival: name and version of the bundle that it is compared with.
        comparison: with that one, pooled and per source.
        films_of: which films these are and what was told from what, in the caller's words.
        baselines: what can be reached without seeing the disease; empty where nobody asked.
        stress: films changed; empty where nobody asked.
        lungs: for the stress test, how lungs were found, to number of films.
    """

    model: str
    sha256: str
    temperature: float
    trained_on: tuple[str, ...]
    scores: Scores
    groups: list[GroupSummary]
    facets: list[FacetSummary]
    thresholds: list[CarryOver]
    worst: Mapping[str, list[WrongFilm]]
    rival: str | None = None
    comparison: tuple[Comparison, ...] = ()
    films_of: Mapping[str, Any] = field(default_factory=dict)
    baselines: Sequence[Baseline] = ()
    stress: Sequence[StressResult] = ()
    lungs: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As plain dicts, lists and numbers; every interval as value, low and high."""
        told: dict[str, Any] = {
            each.name: plain(getattr(self, each.name)) for each in fields(self) if each.name != "scores"
        }
        told["compared_with"] = told.pop("rival")
        told["failures"] = [failure.record() for failure in self.scores.failures]
        return told


def evaluate_bundle(
    bundle: Bundle,
    films: Sequence[LabelledFilm],
    *,
    rival: Bundle | None = None,
    films_of: Mapping[str, Any] | None = None,
    worst: int = WORST_OF_EACH_KIND,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> EvaluationReport:
    """Score films with a bundle and sum up.

    Its guard stands aside: what is measured is the network, on every film that has a label.

    Args:
        bundle: to measure.
        films: with their truth.
        rival: another bundle to score the same films with.
        films_of: which films these are, for the record.
        worst: how many of the most confident errors of each kind to name.
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
        trained_on=tuple(source["name"] for source in bundle.card.training_data if "name" in source),
        scores=scores,
        groups=summarise(scores, thresholds),
        facets=summarise_facets(scores, thresholds),
        thresholds=carry_over(scores, bundle.card.operating_points),
        worst=worst_films(scores, thresholds["balanced"], worst),
        rival=None if rival is None else rival.identity,
        comparison=comparison,
        films_of=films_of or {},
    )


def _thresholds(bundle: Bundle) -> dict[str, float]:
    return {name: point.threshold for name, point in bundle.card.operating_points.items()}


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

"""Scores of films to entries on a card, each with the command that measures them again."""

from collections.abc import Sequence

from pneumoscope.evaluation.films import DEFAULT_TARGETS
from pneumoscope.evaluation.scoring import Scores
from pneumoscope.evaluation.summary import POOLED, card_evaluation, summarise
from pneumoscope.runtime.card import Card, Evaluation
from pneumoscope.training.recipe import DataChoice

__all__ = ["card_evaluations"]


def card_evaluations(
    scores: Scores,
    card: Card,
    data: DataChoice,
    *,
    split: str,
    pooled: Sequence[str] | None,
    manifest_names: Sequence[str],
) -> list[Evaluation]:
    """Pooled and per source, each with the command that measures it again.

    Args:
        scores: of the bundle.
        card: of it, for its name and thresholds.
        data: sources and targets that it was trained on.
        split: of the films.
        pooled: their sources; None for all of the manifest.
        manifest_names: file names of the manifests, for the commands.
    """
    thresholds: dict[str, float] = {name: point.threshold for name, point in card.operating_points.items()}
    labels = "".join(
        f" --{'positive' if target else 'negative'} {label}"
        for label, target in sorted(data.targets.items())
        if dict(data.targets) != dict(DEFAULT_TARGETS)
    )
    command = f"pneumoscope evaluate {card.name}{_places(manifest_names)} --split {split}{labels}"
    evaluations = []
    for summary in summarise(scores, thresholds):
        sources = (pooled or ()) if summary.group == POOLED else (summary.group,)
        chosen = "".join(f" --source {source}" for source in sources)
        evaluations.append(card_evaluation(summary, f"{summary.group}:{split}", command + chosen))
    return evaluations


def _places(manifests: Sequence[str]) -> str:
    """Where the films lie, as options of a command: by name where there is one manifest, else by number."""
    if len(manifests) == 1:
        return f" --manifest {manifests[0]} --root ROOT"
    return "".join(
        f" --manifest MANIFEST{number} --root ROOT{number}" for number in range(1, len(manifests) + 1)
    )

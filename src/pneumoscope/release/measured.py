"""Scores of films to entries on a card, each with the command that measures them again."""

from collections.abc import Callable, Mapping, Sequence

from pneumoscope.evaluation.films import DEFAULT_TARGETS
from pneumoscope.evaluation.scoring import Scores
from pneumoscope.evaluation.summary import POOLED, card_evaluation, summarise
from pneumoscope.runtime.card import Card, Evaluation

__all__ = ["Command", "card_evaluations", "manifest_command"]

Command = Callable[[Sequence[str]], str]
"""The command that measures films of these sources, or of all, again."""


def card_evaluations(
    scores: Scores, card: Card, *, split: str, command: Command, pooled: Sequence[str] = ()
) -> list[Evaluation]:
    """Pooled and per source, each with the command that measures it again.

    Args:
        scores: of the bundle.
        card: of it, for its thresholds.
        split: what to call the films.
        command: that measures them.
        pooled: their sources, where the command must name them.
    """
    thresholds: dict[str, float] = {name: point.threshold for name, point in card.operating_points.items()}
    return [
        card_evaluation(
            summary,
            f"{summary.group}:{split}",
            command(pooled if summary.group == POOLED else (summary.group,)),
        )
        for summary in summarise(scores, thresholds)
    ]


def manifest_command(
    name: str, targets: Mapping[str, int], split: str, manifest_names: Sequence[str]
) -> Command:
    """Measures films of a manifest's split.

    Args:
        name: of the bundle.
        targets: of each label.
        split: of the manifest.
        manifest_names: file names of the manifests.
    """
    labels = "".join(
        f" --{'positive' if target else 'negative'} {label}"
        for label, target in sorted(targets.items())
        if dict(targets) != dict(DEFAULT_TARGETS)
    )
    command = f"pneumoscope evaluate {name}{_places(manifest_names)} --split {split}{labels}"
    return lambda sources: command + "".join(f" --source {source}" for source in sources)


def _places(manifests: Sequence[str]) -> str:
    """Where the films lie, as options of a command: by name where there is one manifest, else by number."""
    if len(manifests) == 1:
        return f" --manifest {manifests[0]} --root ROOT"
    return "".join(
        f" --manifest MANIFEST{number} --root ROOT{number}" for number in range(1, len(manifests) + 1)
    )

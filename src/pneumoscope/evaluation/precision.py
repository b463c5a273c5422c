"""What a bundle in lower precision loses against the exact one: in AUC, logits, findings and maps."""

import math
from collections.abc import Mapping

import numpy as np

from pneumoscope.errors import DataError
from pneumoscope.evaluation import metrics
from pneumoscope.evaluation.scoring import Scores
from pneumoscope.runtime.card import Card, LowerPrecision

__all__ = ["measure_loss"]


def measure_loss(
    exact: Scores, lower: Scores, card: Card, *, split: str, stated: Mapping[str, str]
) -> LowerPrecision:
    """Compare two bundles on the same films, at the same thresholds.

    Args:
        exact: scores of the exact bundle.
        lower: scores of the one in lower precision, of the same films in the same order.
        card: of the exact bundle, for its thresholds.
        split: what the films are, for the record.
        stated: `arithmetic`, `made_from`, `made_from_sha256` and `calibrated_on` for the record.

    Raises:
        DataError: the two did not score the same films, or their maps differ in shape.
    """
    if exact.paths != lower.paths:
        raise DataError(f"{split}: the two bundles did not score the same films: both must read all of them")
    if any(one.shape != other.shape for one, other in zip(exact.cams, lower.cams, strict=True)):
        raise DataError(f"{split}: the maps of the two bundles differ in shape")
    auc = {name: _auc(exact, name) for name in _sources(exact)}
    changes = lower.logits - exact.logits
    changed, margin = _findings(exact, lower, card)
    cells = np.concatenate([cam.ravel() for cam in exact.cams]).astype(np.float64)
    cell_changes = np.concatenate([cam.ravel() for cam in lower.cams]) - cells
    hottest = [one.argmax() == other.argmax() for one, other in zip(exact.cams, lower.cams, strict=True)]
    return LowerPrecision.model_validate(
        {
            **stated,
            "split": split,
            "films": len(exact),
            "auc": auc,
            "auc_change": {name: _auc(lower, name) - before for name, before in auc.items()},
            "largest_logit_change": float(np.abs(changes).max()),
            "rms_logit_change": math.sqrt(float(np.mean(changes**2))),
            "findings_changed": changed,
            "margin": margin,
            "largest_map_change": float(np.abs(cell_changes).max()),
            "rms_map_change": math.sqrt(float(np.sum(cell_changes**2) / np.sum(cells**2))),
            "same_hottest_cell": float(np.mean(hottest)),
        }
    )


def _sources(scores: Scores) -> list[str]:
    """Sources with films of both labels; others have no AUC."""
    return [
        name
        for name in sorted(set(scores.sources.tolist()))
        if np.unique(scores.targets[scores.sources == name]).size == 2
    ]


def _auc(scores: Scores, source: str) -> float:
    inside = scores.sources == source
    return float(metrics.auc(scores.targets[inside], scores.logits[inside]))


def _findings(exact: Scores, lower: Scores, card: Card) -> tuple[dict[str, int], float]:
    """How many findings changed at each operating point, and how far from its threshold at most."""
    changed, margin = {}, 0.0
    for name, point in card.operating_points.items():
        differs = (exact.probabilities >= point.threshold) != (lower.probabilities >= point.threshold)
        changed[str(name)] = int(differs.sum())
        distances = np.abs(exact.probabilities[differs] - point.threshold)
        margin = max(margin, float(distances.max(initial=0.0)))
    return changed, margin

"""Temperature, thresholds and the curve between them, fixed on scored films and put on a card."""

from dataclasses import replace

from pneumoscope.errors import DataError
from pneumoscope.evaluation.calibration import (
    TEMPERATURE_BOUNDS,
    balanced_weights,
    calibrated_probability,
    fit_temperature,
)
from pneumoscope.evaluation.operating_points import choose_operating_points, measure_curve
from pneumoscope.evaluation.scoring import Scores
from pneumoscope.runtime.card import Card

__all__ = ["fix_thresholds"]


def fix_thresholds(
    card: Card,
    scores: Scores,
    *,
    split: str,
    balance_sources: bool = False,
    fallback: float | None = None,
) -> tuple[Card, Scores]:
    """Fit the temperature and choose the three operating points.

    Args:
        card: whose own are replaced.
        scores: of the bundle's network, of films that it was not trained on.
        split: what to call these films on the card.
        balance_sources: let every source and label count equally.
        fallback: temperature where none within `TEMPERATURE_BOUNDS` fits, as on films that part without error
            at a logit of 0, or that say nothing; None for the bound.

    Returns:
        card: with the new ones.
        scores: with probabilities by the new temperature.

    Raises:
        DataError: all films have one label, or nothing can be fitted to them.
    """
    if scores.targets.all() or not scores.targets.any():
        raise DataError(f"{split}: all films have one label, so nothing can be calibrated")
    weights = balanced_weights(scores.sources, scores.targets) if balance_sources else None
    temperature = fit_temperature(scores.logits, scores.targets, weights)
    if fallback is not None and temperature in TEMPERATURE_BOUNDS:
        temperature = fallback
    calibrated = replace(scores, probabilities=calibrated_probability(scores.logits, temperature))
    films = (calibrated.probabilities, calibrated.targets, calibrated.patients)
    fixed = {
        "temperature": temperature,
        "operating_points": choose_operating_points(*films, split=split, weights=weights),
        "curve": measure_curve(*films, split=split),
    }
    return card.model_copy(update=fixed), calibrated

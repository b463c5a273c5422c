"""Words and numbers that every page says alike."""

from pneumoscope.runtime.card import Estimate
from pneumoscope.runtime.rule import Bounds

__all__ = ["PURPOSE", "base_name", "interval", "percent", "sentence"]

PURPOSE = (
    "Research use only; not a medical device. It must not be used to diagnose, treat or triage patients."
)


def interval(estimate: Estimate | Bounds | None) -> str:
    """A rate with its 95 % interval, or what it lies between; "-" for none."""
    if estimate is None:
        return "-"
    if isinstance(estimate, Bounds):
        return f"between {estimate.low:.3f} and {estimate.high:.3f}"
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def percent(probability: float) -> str:
    """A share in percent with one decimal; certainty, 0 or 100, is never claimed.

    >>> percent(0.5), percent(0.0001), percent(0.9999)
    ('50.0 %', 'below 0.1 %', 'over 99.9 %')
    """
    if probability < 0.001:
        return "below 0.1 %"
    return "over 99.9 %" if probability > 0.999 else f"{100 * probability:.1f} %"


def sentence(text: str) -> str:
    """A text as a sentence.

    >>> sentence("it is empty; send it again")
    'It is empty; send it again.'
    """
    return text[:1].upper() + text[1:] + ("" if not text or text.endswith(".") else ".")


def base_name(path: str) -> str:
    """The last part of a path, without characters that no text may hold."""
    name = path.replace("\\", "/").rsplit("/", 1)[-1] or path
    return name.encode("utf-8", "replace").decode("utf-8")

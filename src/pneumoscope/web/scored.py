"""What the page keeps of a film once it is scored: words and small pictures, in memory, for one visitor."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from pneumoscope.report.entry import Entry, film_entry
from pneumoscope.report.layers import render_layers
from pneumoscope.runtime.film import Failure, Film

__all__ = ["Results", "Scored", "Views", "keep"]

_LONGEST = 1024
_EVIDENCE_LONGEST = 512
_QUALITY = 88


@dataclass(frozen=True, slots=True)
class Views:
    """The pictures of a film, as addresses that hold their data.

    Attributes:
        film: grey, at most 1024 pixels.
        evidence: colours, transparent where there is none.
        contour: the line, transparent beside it.
        width: of the film's picture, pixels.
        height: likewise.
        hottest: evidence at the film's hottest point, logit units.
    """

    film: str
    evidence: str
    contour: str
    width: int
    height: int
    hottest: float


@dataclass(frozen=True, slots=True)
class Scored:
    """One result.

    Attributes:
        entry: words and pictures for the report.
        views: pictures for the page; None where there is no score.
    """

    entry: Entry
    views: Views | None = None

    @property
    def probability(self) -> float | None:
        """Calibrated; None where there is no score."""
        probability = self.entry.record["probability"]
        return probability if isinstance(probability, float) else None


@dataclass(frozen=True, slots=True)
class Results:
    """What one visitor's last films gave.

    Attributes:
        films: in the order they were chosen.
        shown: index of the one that is shown large.
    """

    films: Sequence[Scored]
    shown: int = 0


def keep(result: Film | Failure) -> Scored:
    """Draw all that is kept of a result; the film's own pixels are not.

    Args:
        result: as scored, or why it was not.
    """
    entry = film_entry(result)
    if isinstance(result, Failure):
        return Scored(entry)
    layers = render_layers(result, _LONGEST)
    size = layers.film.size
    evidence = layers.evidence.copy()
    # The map is smooth: half the pixels look the same, and weigh a quarter.
    evidence.thumbnail((_EVIDENCE_LONGEST, _EVIDENCE_LONGEST), Image.Resampling.BOX)
    views = Views(
        _address(layers.film, "jpeg", quality=_QUALITY),
        _address(evidence, "png"),
        _address(layers.contour, "png"),
        *size,
        layers.hottest,
    )
    return Scored(entry, views)


def _address(picture: Image.Image, kind: str, **options: int) -> str:
    file = BytesIO()
    picture.save(file, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"

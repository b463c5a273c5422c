"""What a page keeps of one result: words and small pictures, no pixels of the film itself."""

import base64
from dataclasses import dataclass, replace
from io import BytesIO

from PIL import Image

from pneumoscope.report.overlay import EVIDENCE_BOX, FILM_BOX
from pneumoscope.runtime.film import Failure, Film, Record
from pneumoscope.runtime.rule import Rule

__all__ = ["Entry", "film_entry"]

_JPEG_QUALITY = 90


@dataclass(frozen=True, slots=True)
class Entry:
    """One result, ready to be written on a page.

    Attributes:
        record: as of the film or the failure.
        description: format, size and view; empty for a failure.
        warnings: sentences for the person who reads the result.
        pictures: HTML of the film and its evidence, side by side; empty for a failure.
    """

    record: Record
    description: str = ""
    warnings: tuple[str, ...] = ()
    pictures: str = ""

    def under(self, rule: Rule, labels: tuple[str, str]) -> "Entry":
        """The same result, decided by another rule; a failure stays as it is.

        Args:
            rule: what decides.
            labels: of the card.
        """
        probability = self.record["probability"]
        if not isinstance(probability, float):
            return self
        decided: Record = {
            "finding": labels[probability >= rule.threshold],
            "operating_point": rule.name,
            "threshold": rule.threshold,
        }
        return replace(self, record=self.record | decided)


def film_entry(result: Film | Failure) -> Entry:
    """Draw what is kept of a result.

    Args:
        result: as scored, or why it was not.
    """
    if isinstance(result, Failure):
        return Entry(result.record())
    radiograph = result.radiograph
    view = f", view {radiograph.view_position}" if radiograph.view_position else ""
    description = f"{radiograph.format}, {radiograph.width} x {radiograph.height} pixels{view}"
    return Entry(result.record(), description, result.warnings, _pictures(result))


def _pictures(film: Film) -> str:
    """Both panels of the overlay, each as a picture of its own."""
    overlay = film.overlay()
    left, top, _, bottom = EVIDENCE_BOX
    evidence = overlay.crop((left, top, overlay.width, bottom))  # the legend stands at its right
    captions = (
        (overlay.crop(FILM_BOX), "The film", "the film as read"),
        (
            evidence,
            f"Evidence for pneumonia, 0 to {film.heatmap_limit:.3g} logit units on every film; "
            "no outline of a lesion",
            "the film with the evidence in colour, and the scale of the colours",
        ),
    )
    figures = (
        # Widths in proportion to the pictures' make their heights equal, the legend's strip included.
        f'<figure style="flex-grow:{picture.width / picture.height:.3f}"><img alt="{alternative}" '
        f'width="{picture.width}" height="{picture.height}" '
        f'src="{_embedded(picture)}"><figcaption>{caption}</figcaption></figure>'
        for picture, caption, alternative in captions
    )
    return f'<div class="pictures">{"".join(figures)}</div>'


def _embedded(picture: Image.Image) -> str:
    file = BytesIO()
    picture.save(file, "JPEG", quality=_JPEG_QUALITY, subsampling=0, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"

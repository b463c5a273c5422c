"""Of the evaluation page, the films that a bundle is most wrong about, with pictures if asked for."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any

from PIL import Image

from pneumoscope.report.overlay import EVIDENCE_BOX, FILM_BOX
from pneumoscope.report.page import table

if TYPE_CHECKING:
    from pneumoscope.runtime.film import Film

__all__ = ["PICTURE_NOTICE", "film_picture", "worst_section"]

PICTURE_NOTICE = (
    "This page holds pictures of films. It must not be passed on where the films' licence forbids it."
)

_PANEL = 288  # pixels
_JPEG_QUALITY = 82
_KINDS = {
    "missed": "Missed: with pneumonia, the lowest probabilities first",
    "overcalled": "Overcalled: without pneumonia, the highest probabilities first",
}


def film_picture(film: "Film") -> str:
    """A film beside the same film with its evidence, small, as a data URI.

    Args:
        film: as scored.

    Returns:
        A JPEG of 576 x 288 pixels; nothing of the file's metadata is in it.
    """
    overlay = film.overlay()
    picture = Image.new("RGB", (2 * _PANEL, _PANEL))
    for left, box in ((0, FILM_BOX), (_PANEL, EVIDENCE_BOX)):
        panel = overlay.crop(box).resize((_PANEL, _PANEL), Image.Resampling.LANCZOS)
        picture.paste(panel, (left, 0))
    file = BytesIO()
    picture.save(file, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def worst_section(worst: Mapping[str, Sequence[Mapping[str, Any]]], pictures: Mapping[str, str]) -> str:
    """Both kinds of errors at the balanced operating point.

    Args:
        worst: by kind, films with path, source and probability.
        pictures: path to data URI, of the films to show; others are listed.
    """
    if not any(worst.values()):
        return ""
    parts = ['<h2 id="worst">Farthest from the truth</h2>']
    if pictures:
        parts.append(
            f'<p class="caution">{PICTURE_NOTICE}</p><p class="note">Left: the film. Right: evidence for '
            "pneumonia in colour, on one scale for all films.</p>"
        )
    for kind, films in worst.items():
        if not films:
            continue
        parts.append(f"<h3>{escape(_KINDS.get(kind, kind))}</h3>")
        shown = [film for film in films if film["path"] in pictures]
        if shown:
            figures = (_figure(film, pictures[film["path"]], kind) for film in shown)
            parts.append(f'<div class="films">{"".join(figures)}</div>')
        listed = [film for film in films if film["path"] not in pictures]
        if listed:
            rows = ((film["path"], film["source"], f"{film['probability']:.4f}") for film in listed)
            parts.append(f'<div class="wide">{table(("Film", "Source", "Probability"), rows)}</div>')
    return "".join(parts)


def _figure(film: Mapping[str, Any], picture: str, kind: str) -> str:
    caption = f"probability {film['probability']:.4f}, {film['source']}"
    return (
        f'<figure><img alt="{kind}: the film, and the film with its evidence" width="{2 * _PANEL}" '
        f'height="{_PANEL}" src="{picture}"><figcaption>{escape(caption)}<br><code>{escape(film["path"])}'
        "</code></figcaption></figure>"
    )

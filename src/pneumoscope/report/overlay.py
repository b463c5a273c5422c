"""The film beside its evidence map, as one picture of fixed size: for a reading room or a slide.

```
+--------------------------------------------------------------+
| finding, probability, threshold    film's name, bundle       |   header
| +-----------------------+ +-----------------------+  legend  |
| |   film                | |   film with evidence  |  in      |   panels, 768 x 768 each
| +-----------------------+ +-----------------------+  logits  |
| captions, warnings                 research use only         |   footer
+--------------------------------------------------------------+
```

The colours follow one absolute scale, from 0 to the bundle's `heatmap_limit`: a map is never rescaled to its
own film. What speaks against pneumonia (negative evidence) is left uncoloured.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pneumoscope.report.colour import blend
from pneumoscope.report.display import (
    CONTOUR_SHARE,
    SHOWN_PERCENTILES,
    contour_strokes,
    displayed,
    scored_part,
    shown_evidence,
)
from pneumoscope.report.typeface import fit, typeface, wrap

if TYPE_CHECKING:
    from pneumoscope.runtime.film import Film

__all__ = ["CANVAS_SIZE", "EVIDENCE_BOX", "FILM_BOX", "LEGEND_BOX", "render_overlay"]

CANVAS_SIZE = (1728, 972)
"""Width and height of every overlay, pixels: 16 to 9."""
FILM_BOX = (32, 104, 800, 872)
"""Left, top, right, bottom of the panel with the film."""
EVIDENCE_BOX = (824, 104, 1592, 872)
"""Left, top, right, bottom of the panel with the evidence over the film."""
LEGEND_BOX = (1612, 146, 1648, 826)
"""Left, top, right, bottom of the colour bar; its bottom is 0, its top the bundle's limit."""

_LEFT, _RIGHT = FILM_BOX[0], CANVAS_SIZE[0] - FILM_BOX[0]
_PANEL = FILM_BOX[2] - FILM_BOX[0]

_GROUND = (13, 15, 18)
_WHITE = (255, 255, 255)
_TEXT = (238, 240, 242)
_QUIET = (163, 170, 178)
_TROUGH = (52, 57, 64)
_MARK = (122, 190, 255)
_CAUTION = (255, 200, 87)


def render_overlay(film: "Film") -> Image.Image:
    """Draw a scored film beside its evidence map.

    Args:
        film: as scored.

    Returns:
        RGB image of `CANVAS_SIZE`, whatever the size of the film.
    """
    grey, shown = displayed(film.radiograph, _PANEL)
    canvas = Image.new("RGB", CANVAS_SIZE, _GROUND)
    canvas.paste(Image.fromarray(grey), FILM_BOX[:2])
    canvas.paste(Image.fromarray(grey), EVIDENCE_BOX[:2])
    top, left, height, width = scored_part(film.geometry, shown)
    part = grey[top : top + height, left : left + width]
    evidence = shown_evidence(film, height, width)
    overlaid = _with_evidence(part, evidence, film.heatmap_limit)
    canvas.paste(Image.fromarray(overlaid), (EVIDENCE_BOX[0] + left, EVIDENCE_BOX[1] + top))
    draw = ImageDraw.Draw(canvas)
    _draw_finding(draw, film)
    _draw_origin(draw, film)
    _draw_legend(canvas, draw, film.heatmap_limit)
    _draw_footer(draw, film.heatmap_limit, film.warnings)
    return canvas


def _with_evidence(grey: NDArray[np.uint8], evidence: NDArray[np.float32], limit: float) -> NDArray[np.uint8]:
    """The film with colours and contour, a white line in a dark one: (H, W, 3) uint8."""
    picture = blend(grey, evidence, limit).astype(np.float32)
    for opacity, colour in contour_strokes(evidence, limit, _PANEL):
        picture += opacity[..., None] * (np.float32(colour) - picture)  # (H, W, 1) times (H, W, 3)
    return np.rint(picture).astype(np.uint8)


def _percent(probability: float) -> str:
    """A share in percent with one decimal; certainty, 0 or 100, is never claimed."""
    if probability < 0.001:
        return "< 0.1 %"
    if probability > 0.999:
        return "> 99.9 %"
    return f"{100 * probability:.1f} %"


def _draw_finding(draw: ImageDraw.ImageDraw, film: "Film") -> None:
    """Finding, probability and threshold in words, and the two numbers on a line from 0 to 100 %."""
    finding = fit(film.finding, 46, 380)
    draw.text((_LEFT, 52), finding, _TEXT, typeface(46), anchor="ls")
    probability = f"probability of pneumonia {_percent(film.probability)}"
    beside = _LEFT + typeface(46).getlength(finding) + 22
    draw.text((beside, 52), fit(probability, 28, FILM_BOX[2] - beside), _TEXT, typeface(28), anchor="ls")
    rule = fit(f"{film.operating_point} operating point,", 22, 300) + " "
    draw.text((_LEFT, 84), rule, _QUIET, typeface(22), anchor="ls")
    threshold_text = f"threshold {_percent(film.threshold)}"
    draw.text((_LEFT + typeface(22).getlength(rule), 84), threshold_text, _MARK, typeface(22), anchor="ls")
    left, right, y = FILM_BOX[2] - 250, FILM_BOX[2], 77
    draw.rectangle((left, y - 3, right, y + 3), _TROUGH)
    draw.rectangle((left, y - 3, left + film.probability * (right - left), y + 3), _TEXT)
    threshold = left + film.threshold * (right - left)
    draw.rectangle((threshold - 1, y - 10, threshold + 1, y + 10), _MARK)


def _draw_origin(draw: ImageDraw.ImageDraw, film: "Film") -> None:
    """Which film, and what scored it."""
    radiograph = film.radiograph
    view = f", {radiograph.view_position}" if radiograph.view_position else ""
    size = f"   {radiograph.width} x {radiograph.height} px{view}"
    name = radiograph.source.replace("\\", "/").rsplit("/", 1)[-1]
    width = _RIGHT - EVIDENCE_BOX[0]
    named = fit(name, 22, width - typeface(22).getlength(size)) + size
    draw.text((_RIGHT, 52), named, _TEXT, typeface(22), anchor="rs")
    draw.text((_RIGHT, 84), fit(film.model, 22, width), _QUIET, typeface(22), anchor="rs")


def _draw_legend(canvas: Image.Image, draw: ImageDraw.ImageDraw, limit: float) -> None:
    left, top, right, bottom = LEGEND_BOX
    height, width = bottom - top, right - left
    evidence = np.linspace(limit, 0.0, height, dtype=np.float32)[:, None].repeat(width, axis=1)
    # From dark to bright film, left to right: each colour as it looks over either.
    grey = np.rint(np.linspace(40, 200, width)).astype(np.uint8)[None, :].repeat(height, axis=0)
    canvas.paste(Image.fromarray(blend(grey, evidence, limit)), (left, top))
    level = bottom - round(CONTOUR_SHARE * height)
    draw.line((left, level, right - 1, level), _WHITE, 2)
    for value, y in ((limit, top), (CONTOUR_SHARE * limit, level), (0.0, bottom - 1)):
        draw.line((right, y, right + 4, y), _QUIET, 1)
        draw.text((right + 9, y), f"{value:.3g}", _TEXT, typeface(20), anchor="lm")
    draw.text((left, top - 18), "evidence", _QUIET, typeface(20), anchor="ls")
    draw.text((left, bottom + 14), "logit units", _QUIET, typeface(18), anchor="la")


def _draw_footer(draw: ImageDraw.ImageDraw, limit: float, warnings: tuple[str, ...]) -> None:
    black, white = SHOWN_PERCENTILES
    caption = f"film, shown from its {black:g}th to its {white:g}th percentile"
    draw.text((_LEFT, 898), caption, _QUIET, typeface(20), anchor="ls")
    caption = f"evidence for pneumonia; the line runs at {CONTOUR_SHARE * limit:.3g}"
    draw.text((EVIDENCE_BOX[0], 898), caption, _QUIET, typeface(20), anchor="ls")
    purpose = "Research use only - not a medical device"
    draw.text((_RIGHT, 950), purpose, _TEXT, typeface(22), anchor="rs")
    width = _RIGHT - _LEFT - typeface(22).getlength(purpose) - 48
    count = f"{len(warnings)} warnings: " if len(warnings) > 1 else ""
    for line, text in enumerate(wrap(count + "; ".join(warnings), 20, width, 2)):
        draw.text((_LEFT, 926 + 26 * line), text, _CAUTION, typeface(20), anchor="ls")

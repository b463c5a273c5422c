"""The evidence alone, at the film's own size, as a transparent layer for a viewer to lay over the film."""

import numpy as np
from PIL import Image

from pneumoscope.report.colour import evidence_colours, evidence_opacity
from pneumoscope.runtime.film import Film

__all__ = ["render_evidence_layer"]

_ROWS_AT_ONCE = 256


def render_evidence_layer(film: Film) -> Image.Image:
    """Colours and opacity of the overlay, without the film below them.

    Args:
        film: as scored.

    Returns:
        RGBA image of the film's own height and width; wholly transparent where there is no evidence for
        pneumonia. The colours are absolute: they saturate at the bundle's limit, for every film alike.
    """
    heatmap = film.heatmap  # (H, W)
    layer = np.empty((*heatmap.shape, 4), dtype=np.uint8)
    # In bands: colours are computed as float32, twelve bytes for each of perhaps many million pixels.
    for top in range(0, heatmap.shape[0], _ROWS_AT_ONCE):
        band = heatmap[top : top + _ROWS_AT_ONCE]
        layer[top : top + _ROWS_AT_ONCE, :, :3] = np.rint(evidence_colours(band, film.heatmap_limit))
        layer[top : top + _ROWS_AT_ONCE, :, 3] = np.rint(255 * evidence_opacity(band, film.heatmap_limit))
    return Image.fromarray(layer)

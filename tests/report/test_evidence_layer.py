"""Laying the layer over the film gives the overlay's own colours."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from generated import chest_like
from pneumoscope.report.colour import blend
from pneumoscope.report.evidence_layer import render_evidence_layer
from pneumoscope.runtime.loading import load
from tiny_bundle import make_tiny_bundle


def test_layer_over_film_is_the_blend(tmp_path: Path) -> None:
    grey = chest_like(2, height=600, width=310, opacity=True)
    scored = load(make_tiny_bundle(tmp_path)).predict(grey)
    film = replace(scored, cam=np.linspace(-3, 6, 64, dtype=np.float32).reshape(8, 8))
    layer = render_evidence_layer(film)
    assert (layer.mode, layer.size) == ("RGBA", (310, 600))
    base = Image.fromarray(grey).convert("RGBA")
    laid = np.asarray(Image.alpha_composite(base, layer).convert("RGB"), dtype=int)
    expected = blend(grey, film.heatmap, film.heatmap_limit).astype(int)
    assert np.abs(laid - expected).max() <= 2
    opacity = np.asarray(layer)[..., 3]
    assert opacity.max() > 0
    assert not opacity[film.heatmap <= 0].any()

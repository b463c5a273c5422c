"""Laid over each other, the pictures are the panel of the overlay."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from generated import chest_like
from pneumoscope.image.prepare import PrepareParameters
from pneumoscope.report.layers import FilmLayers, render_layers
from pneumoscope.report.overlay import EVIDENCE_BOX, render_overlay
from pneumoscope.runtime.film import Film
from pneumoscope.runtime.loading import load
from pneumoscope.runtime.predictor import Predictor
from tiny_bundle import make_tiny_bundle

PANEL = 768


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return load(make_tiny_bundle(tmp_path_factory.mktemp("tiny")))


def warm(film: Film) -> Film:
    cells = np.random.default_rng(4).normal(1.0, 3.0, (8, 8)).astype(np.float32)
    return replace(film, cam=cells)


def laid(layers: FilmLayers) -> Image.Image:
    picture = layers.film.convert("RGBA")
    for layer in (layers.evidence, layers.contour.convert("RGBA")):
        picture = Image.alpha_composite(picture, layer)
    return picture.convert("RGB")


@pytest.mark.parametrize(("height", "width"), [(600, 310), (256, 224), (200, 640)])
def test_layers_make_the_panel_of_the_overlay(predictor: Predictor, height: int, width: int) -> None:
    film = warm(predictor.predict(chest_like(2, height=height, width=width)))
    layers = render_layers(film, PANEL)
    assert layers.film.size == layers.evidence.size == layers.contour.size
    assert max(layers.film.size) == PANEL
    assert layers.film.width / layers.film.height == pytest.approx(width / height, rel=0.01)
    panel = np.asarray(render_overlay(film).crop(EVIDENCE_BOX), dtype=int)
    rows, columns = np.flatnonzero(panel.any(axis=(1, 2))), np.flatnonzero(panel.any(axis=(0, 2)))
    top, left = (PANEL - layers.film.height) // 2, (PANEL - layers.film.width) // 2
    assert (rows[0], columns[0]) == pytest.approx((top, left), abs=2)
    panel = panel[top : top + layers.film.height, left : left + layers.film.width]
    assert np.abs(np.asarray(laid(layers), dtype=int) - panel).max() <= 3
    assert 0 < layers.hottest == pytest.approx(film.heatmap.max(), rel=0.05)


def test_a_cold_film_is_shown_as_it_is(predictor: Predictor) -> None:
    film = predictor.predict(chest_like(1))
    layers = render_layers(replace(film, cam=np.full_like(film.cam, -1.0)), 300)
    assert not np.asarray(layers.evidence)[..., 3].any()
    assert not np.asarray(layers.contour)[..., 1].any()
    assert layers.hottest == pytest.approx(-1.0)
    assert np.array_equal(np.asarray(laid(layers))[..., 0], np.asarray(layers.film))


def test_what_was_cut_away_is_not_coloured(tmp_path: Path) -> None:
    cropped = PrepareParameters(size=64, fit="centre-crop")
    bundle = make_tiny_bundle(tmp_path, prepare=cropped, prepare_sha256=cropped.sha256())
    film = load(bundle).predict(chest_like(3, height=400, width=200))
    layers = render_layers(replace(film, cam=np.full_like(film.cam, 3.0)), 400)
    opacity = np.asarray(layers.evidence)[..., 3]
    assert opacity[100:300].all()
    assert not opacity[:99].any()
    assert not opacity[301:].any()

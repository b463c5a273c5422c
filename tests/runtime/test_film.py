"""A result says what it is, where it lies on the film, and what a record carries."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from generated import chest_like
from pneumoscope import load
from pneumoscope.errors import RejectedFilmError, UnreadableFilmError
from pneumoscope.image.prepare import PrepareParameters
from pneumoscope.runtime.film import RECORD_FIELDS, Failure
from pneumoscope.runtime.predictor import Predictor
from tiny_bundle import TINY_BIAS, make_tiny_bundle


def test_record_has_the_fields_in_order(predictor: Predictor) -> None:
    film = predictor.predict(chest_like(1), name="a/b.png")
    record = film.record()
    assert tuple(record) == RECORD_FIELDS
    assert record == {
        "path": "a/b.png",
        "status": "ok",
        "reason": None,
        "probability": film.probability,
        "logit": film.logit,
        "finding": film.finding,
        "operating_point": "balanced",
        "threshold": 0.5,
        "model": "tiny 0.1.0",
    }
    assert json.loads(json.dumps(record, allow_nan=False)) == record


@pytest.mark.parametrize(
    ("error", "status"), [(UnreadableFilmError, "error"), (RejectedFilmError, "rejected")]
)
def test_failure_has_the_same_fields_and_no_number(error: type[UnreadableFilmError], status: str) -> None:
    record = Failure.of(error("x.png", "it is empty", "send another")).record()
    assert tuple(record) == RECORD_FIELDS
    assert {key: value for key, value in record.items() if value is not None} == {
        "path": "x.png",
        "status": status,
        "reason": "it is empty; send another",
    }


@pytest.mark.parametrize(("height", "width"), [(300, 200), (200, 300), (256, 256), (97, 411)])
def test_heatmap_lies_on_the_film(predictor: Predictor, height: int, width: int) -> None:
    film = predictor.predict(chest_like(4, height=height, width=width))
    assert film.heatmap.shape == (height, width)
    assert film.heatmap.dtype == np.float32
    assert film.heatmap is film.heatmap
    assert film.cam.min() <= film.heatmap.min() <= film.heatmap.max() <= film.cam.max()
    assert film.heatmap.min() < 0 < film.heatmap.max()


def test_heatmap_of_a_square_film_keeps_the_mean(predictor: Predictor) -> None:
    film = predictor.predict(chest_like(4, height=512, width=512))
    assert film.heatmap.mean() + TINY_BIAS == pytest.approx(film.logit, abs=1e-2)


def test_heatmap_is_zero_where_the_network_saw_nothing(tmp_path: Path) -> None:
    prepare = PrepareParameters(size=64, fit="centre-crop")
    bundle = make_tiny_bundle(tmp_path, prepare=prepare, prepare_sha256=prepare.sha256())
    heatmap = load(bundle).predict(chest_like(4, height=200, width=300)).heatmap
    assert not heatmap[:, :50].any()
    assert not heatmap[:, 250:].any()
    assert (heatmap[:, 50:250] != 0).mean() > 0.99


def test_overlay_is_a_picture(predictor: Predictor) -> None:
    overlay = predictor.predict(chest_like(2)).overlay()
    assert isinstance(overlay, Image.Image)
    assert overlay.mode == "RGB"
    assert len(overlay.getcolors(2**24) or ()) > 100


def test_result_prints_short(predictor: Predictor) -> None:
    film = predictor.predict(chest_like(2))
    assert len(repr(film)) < 300
    assert math.isfinite(film.probability)

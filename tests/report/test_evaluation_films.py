import base64
import io

import numpy as np
import pytest
from PIL import Image

from evaluation.tiny_films import tiny_bundle
from generated import chest_like
from pneumoscope.report.evaluation_films import PICTURE_NOTICE, film_picture, worst_section
from pneumoscope.runtime.predictor import Predictor

WORST = {
    "missed": [{"path": "a<b>.png", "source": "east", "probability": 0.0123}],
    "overcalled": [
        {"path": "c.png", "source": "west", "probability": 0.9876},
        {"path": "d.png", "source": "west", "probability": 0.9},
    ],
}


@pytest.fixture
def picture(tmp_path):
    predictor = Predictor(tiny_bundle(tmp_path / "bundle", heatmap_limit=0.5))
    film = predictor.predict(chest_like(1, height=300, width=200, opacity=True))
    uri = film_picture(film)
    assert uri.startswith("data:image/jpeg;base64,")
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1])))


def test_film_and_evidence_stand_side_by_side(picture):
    assert picture.size == (576, 288)
    pixels = np.asarray(picture, dtype=float)
    colour = np.ptp(pixels, axis=2).max(axis=0)  # per column
    assert colour[:280].max() < 30, "the film is grey"
    assert colour[296:].max() > 60, "its evidence is not"
    assert pixels[:, 96:192].mean() == pytest.approx(pixels[:, 384:480].mean(), rel=0.3)


def test_a_picture_carries_no_metadata(picture):
    assert set(picture.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert len(picture.getexif()) == 0


def test_films_without_a_picture_are_listed():
    html = worst_section(WORST, {})
    assert "<img" not in html
    assert PICTURE_NOTICE not in html
    assert "a&lt;b&gt;.png" in html
    assert "<td>0.9876</td>" in html


def test_films_with_a_picture_are_shown_with_the_notice():
    html = worst_section(WORST, {"c.png": "data:image/jpeg;base64,AAAA"})
    assert html.count("<img") == 1
    assert 'src="data:image/jpeg;base64,AAAA"' in html
    assert PICTURE_NOTICE in html
    assert "probability 0.9876, west" in html
    assert html.index("a&lt;b&gt;.png") < html.index("c.png") < html.index("d.png")


def test_a_bundle_that_is_never_wrong_has_no_section():
    assert worst_section({"missed": [], "overcalled": []}, {}) == ""

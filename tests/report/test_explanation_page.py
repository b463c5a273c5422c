import json
from html.parser import HTMLParser

import pytest

from evaluation.made_marks import made_films
from pneumoscope.evaluation.explanation import measure_explanation
from pneumoscope.report.explanation_page import render_explanation_page
from pneumoscope.runtime.bundle import open_bundle
from tiny_bundle import make_tiny_bundle

_ESTIMATE = {"value": 0.25, "low": 0.125, "high": 0.375}
_MEASURES = ("rank_correlation", "structural_similarity")


class _Words(HTMLParser):
    """What a reader sees, and whether every tag is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.words = [], []

    def handle_starttag(self, tag, _attrs):
        if tag not in ("meta", "line", "circle", "rect", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("line", "circle", "rect", "polyline"):
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def _read(html):
    reader = _Words()
    reader.feed(html)
    assert reader.open == []
    return " ".join(" ".join(reader.words).split())


@pytest.fixture
def told(tmp_path):
    bundle = open_bundle(make_tiny_bundle(tmp_path / "bundle"))
    report = measure_explanation(bundle, made_films(tmp_path / "films", 8), "test")
    return json.loads(json.dumps(report.to_json()))


def _randomisation(failed):
    def stages():
        return [
            {"stage": "head", "share": 0.1, "similarity": dict.fromkeys(_MEASURES, _ESTIMATE)},
            {"stage": "part 1 of 1", "share": 1.0, "similarity": dict.fromkeys(_MEASURES, _ESTIMATE)},
        ]

    return {
        "films": 8,
        "patients": 4,
        "other_patients": dict.fromkeys(_MEASURES, _ESTIMATE),
        "failed": failed,
        "seeds": [
            {
                "seed": seed,
                "stages": stages(),
                "margin": dict.fromkeys(_MEASURES, _ESTIMATE),
                "own_film": _ESTIMATE,
                "passed": seed not in failed,
            }
            for seed in range(3)
        ],
    }


def test_every_group_and_change_is_shown(told):
    words = _read(render_explanation_page(told))
    assert "tiny 0.1.0: where its map lies, on 8 films of the test split" in words
    for group in told["groups"]:
        assert group["group"] in words
        pointing = group["metrics"]["pointing"]["map"]
        assert f"{pointing['value']:.3f} ({pointing['low']:.3f} to {pointing['high']:.3f})" in words
    for change in told["repeatability"]["changes"]:
        assert change["name"] in words
    assert "Random weights" not in words
    assert "Other methods" not in words


def test_misses_are_listed_with_the_largest_lesions_first(told):
    missed = [film for film in told["films"] if not film["hit"]]
    assert missed
    words = _read(render_explanation_page(told))
    places = [words.index(film["path"]) for film in sorted(missed, key=lambda film: -film["lesion_share"])]
    assert places == sorted(places)
    assert all(film["path"] not in words for film in told["films"] if film["hit"])


@pytest.mark.parametrize(("failed", "verdict"), [([], "no seed fails"), ([0, 2], "seeds 0, 2 fail")])
def test_random_weights_have_a_verdict(told, failed, verdict):
    told["randomisation"] = _randomisation(failed)
    words = _read(render_explanation_page(told))
    assert f"Random weights: {verdict}" in words
    assert words.count("FAILED") == len(failed)
    assert "head (10% random)" in words
    assert "less alike than maps of different patients (0.25)" in words


def test_methods_stand_side_by_side(told):
    method = {
        "name": "closed_form",
        "title": "Ours",
        "milliseconds": 12.3,
        "pointing": _ESTIMATE,
        "average_precision": _ESTIMATE,
        "evidence_in_lungs": None,
        "ours_points_better": _ESTIMATE,
        "randomisation": _randomisation([1]),
        "repeatability": told["repeatability"],
    }
    smoothed = {**method, "title": "Its <smoothed> form", "milliseconds": None}
    smoothed |= {"randomisation": None, "repeatability": None}
    told["methods"] = {
        "films": 8,
        "patients": 4,
        "threads": 1,
        "grad_cam_difference": 3.2e-7,
        "guided_units": 0,
        "methods": [method, smoothed],
    }
    html = render_explanation_page(told)
    words = _read(html)
    assert "1 of 3" in words
    assert "3.2e-07" in words
    assert "Guided Grad-CAM here is Grad-CAM times the gradient" in words
    assert "Its <smoothed> form" in words
    assert "<smoothed>" not in html
    told["methods"]["guided_units"] = 5
    assert "times the gradient" not in _read(render_explanation_page(told))


def test_films_without_marks_are_counted(told):
    assert "left out" not in _read(render_explanation_page(told))
    told["empty"] = 3
    assert "3 films are left out: nothing is drawn on them." in _read(render_explanation_page(told))


def test_nothing_is_loaded_and_names_are_text(told):
    told["films"][0]["path"], told["films"][0]["hit"] = "<script>alert(1)</script>.png", False
    told["failures"] = [{"path": "a&b.png", "status": "error", "reason": "<b>bad</b>"}]
    html = render_explanation_page(told)
    assert "<script" not in html
    assert "http" not in html.replace("http-equiv", "")
    words = _read(html)
    assert "<b>bad</b>" in words
    assert "1 films without a map" in words

import copy
from html.parser import HTMLParser

import pytest

from pneumoscope.report.evaluation_page import render_evaluation_page


def _estimate(value):
    return {"value": value, "low": value - 0.02, "high": value + 0.01}


GROUP = {
    "group": "kermany",
    "films": 1624,
    "patients": 400,
    "positives": 390,
    "metrics": {"auc": _estimate(0.971), "brier": _estimate(0.061)},
    "operating_points": {
        "balanced": {
            "threshold": 0.4321,
            "true_positives": 371,
            "false_negatives": 19,
            "false_positives": 21,
            "true_negatives": 1213,
            "metrics": {"sensitivity": _estimate(0.951), "specificity": _estimate(0.912)},
        }
    },
    "reliability": [
        {"lower": 0.0, "upper": 0.1, "films": 77, "mean_probability": 0.04, "frequency": _estimate(0.05)}
    ],
    "roc": [(0.0, 0.0), (0.1, 0.9), (1.0, 1.0)],
    "precision_recall": [(0.5, 1.0), (1.0, 0.6)],
}
TOLD = {
    "model": "tiny 0.1.0",
    "sha256": "ab" * 32,
    "temperature": 1.5,
    "trained_on": ["kermany"],
    "films_of": {"split": "test", "positive": ["PNEUMONIA"], "negative": ["NORMAL", "OTHER"]},
    "groups": [GROUP],
    "facets": [],
    "thresholds": [],
    "baselines": [],
    "stress": [],
    "lungs": {},
    "compared_with": None,
    "comparison": [],
    "worst": {"missed": [], "overcalled": []},
    "failures": [],
}


FAILURE = {"path": "broken.png", "status": "error", "reason": "it is empty; send it again"}


def _told(**changes):
    return copy.deepcopy(TOLD) | changes


class _Checker(HTMLParser):
    """Collects text and refuses tags that do not close."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.tags = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data.replace("\xa0", " "))


def _read(page):
    checker = _Checker()
    checker.feed(page)
    assert checker.open == []
    return checker


def test_every_figure_is_on_the_page():
    text = _read(render_evaluation_page(_told())).text
    for cell in (
        "0.971 (0.951 to 0.981)",
        "0.951 (0.931 to 0.961)",
        "0.4321",
        "371",
        "19",
        "21",
        "1,213",
        "1,624",
    ):
        assert cell in text, cell
    assert any("tiny 0.1.0: measured on 1,624 films" in part for part in text)
    assert any("not a medical device" in part for part in text)


def test_three_plots_per_group():
    page = render_evaluation_page(_told(groups=[GROUP, GROUP | {"group": "nih"}]))
    tags = [tag for tag, _ in _read(page).tags]
    assert tags.count("svg") == 6
    assert tags.count("h3") == 2


def test_a_group_of_one_label_has_no_curves():
    alone = copy.deepcopy(GROUP) | {"roc": [], "precision_recall": []}
    del alone["operating_points"]["balanced"]["metrics"]["specificity"]
    del alone["metrics"]["auc"]
    checker = _read(render_evaluation_page(_told(groups=[alone])))
    assert [tag for tag, _ in checker.tags].count("svg") == 1
    assert "-" in checker.text


def test_the_page_needs_nothing_else():
    page = render_evaluation_page(_told())
    assert {tag for tag, _ in _read(page).tags}.isdisjoint({"script", "link", "img", "iframe"})
    for needed in ("http://", "https://", "url(", "@import"):
        assert needed not in page


@pytest.mark.parametrize("name", ["<b>.png", "a&b.png", '"q".png'])
def test_names_of_files_are_text(name):
    worst = {"missed": [{"path": name, "source": "s", "probability": 0.01}], "overcalled": []}
    failures = [{"path": name, "status": "error", "reason": "<i>"}]
    page = render_evaluation_page(_told(worst=worst, failures=failures))
    checker = _read(page)
    assert checker.text.count(name) == 2
    assert {tag for tag, _ in checker.tags}.isdisjoint({"b", "i"})


def test_films_and_contrast_are_told():
    text = _read(render_evaluation_page(_told())).text
    assert "PNEUMONIA against NORMAL, OTHER; split test" in text


@pytest.mark.parametrize(("trained_on", "said"), [(["kermany"], "yes"), (["other"], "no"), ([], "-")])
def test_a_source_never_trained_on_is_marked(trained_on, said):
    text = _read(render_evaluation_page(_told(trained_on=trained_on))).text
    row = text[text.index("kermany") :]
    assert row[:5] == ["kermany", "1,624", "400", "390", said]


@pytest.mark.parametrize(
    ("films_of", "said"),
    [({"folder": "kermany"}, "-"), ({"table": "kermany.csv"}, "-"), ({"table": "mine.csv"}, "yes")],
)
def test_the_name_of_a_folder_is_no_source(films_of, said):
    text = _read(render_evaluation_page(_told(trained_on=["kermany"], films_of=films_of))).text
    assert text[text.index("kermany", text.index("Films of")) :][4] == said


def test_links_lead_to_the_sections_that_there_are():
    page = render_evaluation_page(_told(compared_with="rival", comparison=[], failures=[FAILURE]))
    links = {attrs["href"][1:] for tag, attrs in _read(page).tags if tag == "a"}
    anchors = {attrs["id"] for tag, attrs in _read(page).tags if tag == "h2"}
    assert links == anchors == {"curves", "failures"}


def test_kinds_of_films_have_a_row_each():
    facet = {
        "facet": "view",
        "films": 1000,
        "unknown": 624,
        "groups": [copy.deepcopy(GROUP) | {"group": "AP, rsna-lungs", "films": 777}],
    }
    text = _read(render_evaluation_page(_told(facets=[facet]))).text
    row = text[text.index("AP, rsna-lungs") :]
    assert row[:6] == ["AP, rsna-lungs", "777", "390", "0.971 (0.951 to 0.981)", "-", "0.951, 0.912"]
    assert "Unknown of 624 films." in text


def test_a_comparison_is_told():
    pair = {
        "group": "kermany",
        "films": 600,
        "auc": {"difference": _estimate(0.012), "p_value": 0.0314159},
        "mcnemar": {"balanced": 0.25},
    }
    undefined = pair | {"group": "tuberculosis", "auc": None}
    text = _read(render_evaluation_page(_told(compared_with="rival 2.0", comparison=[pair, undefined]))).text
    for cell in (
        "Compared with rival 2.0",
        "0.012 (-0.008 to 0.022)",
        "0.0314",
        "McNemar, balanced: p",
        "0.25",
    ):
        assert cell in text

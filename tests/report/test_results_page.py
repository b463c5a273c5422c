import copy

import pytest

from pneumoscope.report.results_page import render_results_page


def _estimate(value):
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


def _row(entry, value):
    names = ("auc", "accuracy", "f1", "sensitivity", "specificity", "brier", "expected_calibration_error")
    return {
        "entry": entry,
        "films": 1200,
        "patients": 1100,
        "positives": 300,
        "threshold": 0.5,
        "metrics": {name: _estimate(value + number / 100) for number, name in enumerate(names)},
    }


def _group(name, *rows, trained=True):
    return {"name": name, "note": f"Note of {name}.", "trained": trained, "rows": list(rows)}


COST = {
    "entry": "one",
    "network": "simple_cnn",
    "parameters": 93_025,
    "stages": [
        {"size": 96, "films": 24_000, "multiply_adds": 87_588_864, "of_teachers": 0},
        {"size": 128, "films": 1_000, "multiply_adds": 155_713_536, "of_teachers": 10**9},
    ],
    "precision": "bf16",
    "seconds": 68.4,
    "device": "cpu",
    "processes": 2,
    "metric": 0.8353,
}
TOLD = {
    "title": "Made results",
    "introduction": ["Of made films."],
    "split": "test",
    "operating_point": "balanced",
    "manifest_sha256": "c" * 64,
    "films": [{"source": "east", "split": "test", "PNEUMONIA": 1300, "NORMAL": 2}],
    "entries": {"one": "First | network", "two": "Second"},
    "groups": [
        _group("everything", _row("one", 0.8), _row("two", 0.7)),
        _group("merged", _row("one", 0.6)),
        _group("east", _row("one", 0.5), trained=False),
        _group("nobody"),
    ],
    "view_tests": [
        {
            "entry": "one",
            "films": {"normal": 1040, "ill": 0},
            "aucs": {"normal": _estimate(0.61), "ill": None},
        }
    ],
    "reported": [{"title": "Published", "auc": 0.99731, "accuracy": 0.9718, "f1": 0.9724}],
    "reported_note": "By others.",
    "timed": True,
    "costs": [COST],
    "members": {},
    "points": [{"entry": "one", "rows": [_row("one", 0.55) | {"group": "east", "point": "screening"}]}],
    "comparisons": [
        {
            "first": "one",
            "second": "two",
            "group": "everything",
            "films": 1200,
            "auc": _estimate(0.0021),
            "p_auc": 0.00004,
            "p_mcnemar": 0.0312,
        }
    ],
    "left_out": [
        _row("two", 0.44)
        | {"group": "east", "reference": _row("one", 0.5), "difference": {"auc": _estimate(-0.06)}}
    ],
    "left_out_note": "Some of it is elsewhere.",
    "extras": [{"entry": "one", "stress": None, "map": None}],
    "missing": ["Third: not trained yet"],
    "kept": ["two"],
    "commands": {"one": ["pneumoscope train a.yaml", "pneumoscope export b"]},
}


@pytest.fixture
def told():
    return copy.deepcopy(TOLD)


def _page(told):
    return render_results_page(told, "pneumoscope results docs/results.yaml")


def _section(page, title):
    return page.split(f"{title}\n", 1)[1].split("\n## ")[0].split("\n### ")[0]


def test_the_ladder_stands_first_with_four_digits(told):
    page = _page(told)
    assert page.startswith("# Made results\n\n*Written by `pneumoscope results docs/results.yaml`")
    everything = _section(page, "### everything")
    assert "1,200 films of 1,100 patients, 300 with pneumonia. Note of everything." in everything
    assert "| First \\| network | 0.8000 (0.7900 to 0.8100) | 0.8100" in everything
    assert "| Second | 0.7000" in everything
    assert page.index("### merged") < page.index("## What training cost") < page.index("### east")


def test_films_of_sources_that_nobody_trained_on_are_said_to_be(told):
    page = _page(told)
    sentence = "No network was trained on films of these sources."
    assert sentence in _section(page, "### east")
    assert page.count(sentence) == 1
    assert "| First \\| network | 0.500 (0.490 to 0.510)" in _section(page, "### east")


def test_whether_the_score_tells_the_view_is_told(told):
    section = _section(_page(told), "## Does the score tell the view?")
    assert "| network | normal (1,040 films) | ill (0 films) |" in section
    assert "| First \\| network | 0.610 (0.600 to 0.620) | - |" in section
    assert "tell the view" not in _page(told | {"view_tests": []})


def test_a_group_without_rows_is_left_out(told):
    assert "nobody" not in _page(told)


def test_reported_figures_stand_apart_without_an_interval(told):
    assert "| Published | 0.9973 | 0.9718 | 0.9724 |" in _section(_page(told), "### Reported by others")


def test_the_cost_is_counted(told):
    row = _section(_page(told), "## What training cost").splitlines()[-1]
    training = 3 * (24_000 * 87_588_864 + 1_000 * 155_713_536) + 1_000 * 10**9
    for cell in (
        "0.09 million",
        "0.09 billion at 96, 0.16 billion at 128",
        "24,000 at 96, 1,000 at 128",
        f"{training:.1e}",
        "cpu, 2 processes",
        "0.835",
    ):
        assert f"| {cell} |" in row
    assert row.endswith("| 68 |")


def test_seconds_of_a_busy_machine_are_not_told(told):
    cost = _section(_page(told | {"timed": False}), "## What training cost")
    assert "68" not in cost
    assert "econds" not in cost


def test_comparisons_and_what_was_left_out_are_told(told):
    page = _page(told)
    assert "| 1,200 | 0.0021 (-0.0079 to 0.0121) | < 0.001 | 0.031 |" in _section(page, "## Film by film")
    left_out = _section(page, "## One source left out")
    assert "the source of these films. Some of it is elsewhere.\n" in left_out
    assert "| Second | east | 1,200 | 0.440 (0.430 to 0.450) |" in left_out
    assert "| 0.500 (0.490 to 0.510) | -0.060 (-0.070 to -0.050) |" in left_out


def test_without_a_reference_the_row_still_stands(told):
    for key in ("reference", "difference"):
        told["left_out"][0].pop(key)
    assert "| - | - |" in _section(_page(told), "## One source left out")


def test_operating_points_are_told_group_by_group(told):
    points = _section(_page(told), "## Operating points of: First | network")
    assert "| east | screening | 0.5000 | 0.580 (0.570 to 0.590) |" in points


def test_what_is_missing_is_named_and_commands_given(told):
    page = _page(told)
    assert "- Third: not trained yet" in _section(page, "## Not here")
    assert "```sh\npneumoscope train a.yaml\npneumoscope export b\n```" in page


def test_what_is_undefined_is_a_dash(told):
    told["groups"][0]["rows"][0]["metrics"].pop("auc")
    told["comparisons"][0] |= {"auc": None, "p_auc": None}
    page = _page(told)
    assert "| First \\| network | - | 0.8100" in page
    assert "| 1,200 | - | - | 0.031 |" in page


def test_a_page_of_nothing_is_still_a_page(told):
    told |= {
        "costs": [],
        "points": [],
        "comparisons": [],
        "left_out": [],
        "extras": [],
        "missing": [],
        "kept": [],
    }
    told["groups"] = [_group("everything")]
    page = _page(told)
    for title in (
        "The ladder",
        "What training cost",
        "Not here",
        "Measured earlier",
        "Film by film",
        "Per source",
    ):
        assert title not in page
    assert page.endswith("```\n")


def test_what_was_measured_earlier_is_named(told):
    page = _page(told)
    section = page[page.index("## Measured earlier") : page.index("## Films")]
    assert section.strip().endswith("- Second")
    assert "First" not in section


def test_equal_values_give_equal_text(told):
    assert _page(told) == _page(copy.deepcopy(told))

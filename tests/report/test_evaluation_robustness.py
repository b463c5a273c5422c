import pytest

from pneumoscope.report.evaluation_robustness import baselines_section, stress_section, thresholds_section


def _estimate(value, half=0.02):
    return {"value": value, "low": value - half, "high": value + half}


def _rate(promised, found):
    return {"promised": _estimate(promised), "found": _estimate(found), "shift": _estimate(found - promised)}


def _threshold(point, group, own=0.61234):
    return {
        "operating_point": point,
        "group": group,
        "threshold": 0.4321,
        "split": "validation of <b>",
        "sensitivity": _rate(0.95, 0.91),
        "specificity": _rate(0.90, 0.93),
        "own_threshold": own,
    }


def _plain(html):
    return html.replace("\xa0", " ")


def test_promise_and_shift_stand_side_by_side():
    rows = [_threshold("screening", "all sources"), _threshold("balanced", "all sources", own=None)]
    html = _plain(thresholds_section(rows))
    assert "<td>0.950</td><td>0.910 (0.890 to 0.930)</td><td>-0.040 (-0.060 to -0.020)</td>" in html
    assert "<td>0.900</td><td>0.930 (0.910 to 0.950)</td><td>+0.030 (+0.010 to +0.050)</td>" in html
    assert html.index("screening") < html.index("balanced")
    assert "<td>0.6123</td>" in html
    assert "<td>-</td>" in html
    assert "validation of &lt;b&gt;" in html


def test_each_operating_point_has_one_table_however_the_rows_lie():
    rows = [_threshold(point, group) for group in ("all", "east") for point in ("screening", "balanced")]
    assert thresholds_section(rows).count("<table>") == 2


def _baseline(title, auc, difference, group="east", films=200):
    return {
        "group": group,
        "check": title,
        "title": title,
        "films": films,
        "positives": 80,
        "auc": _estimate(auc),
        "model": _estimate(0.95),
        "difference": {"difference": _estimate(difference), "p_value": 0.01},
        "fitted_on": "films of earlier splits",
    }


def test_what_comes_near_the_bundle_is_said_so():
    rows = [_baseline("Border", 0.70, 0.25), _baseline("Thumbnail", 0.94, 0.01)]
    html = _plain(baselines_section(rows))
    table = html[html.index("<table>") :]
    assert table.index("The bundle") < table.index("Thumbnail") < table.index("Border")
    thumbnail, border = (table[table.index(title) :] for title in ("Thumbnail", "Border"))
    assert "not clearly below" in thumbnail[: thumbnail.index("Border")]
    assert "<td>clearly below</td>" in border
    assert "+0.250 (+0.230 to +0.270)" in border
    assert html.count("<circle") == 3


def test_every_group_has_its_own_picture():
    rows = [_baseline("Border", 0.7, 0.2, group) for group in ("all sources", "east", "west")]
    assert baselines_section(rows).count("<svg") == 3


def _answers(auc, mean, refused=0.0):
    return {
        "auc": _estimate(auc),
        "mean": mean,
        "distance": _estimate(mean / 2),
        "findings": {"balanced": _estimate(mean)},
        "refused": refused,
    }


def _changed(kind, difference, **changes):
    return {
        "group": "east",
        "variant": "v",
        "title": "cropped",
        "kind": kind,
        "films": 120,
        "positives": 60,
        "blank": 0,
        "before": _answers(0.95, 0.5),
        "after": _answers(0.95 + difference, 0.25, 1.0),
        "difference": {"difference": _estimate(difference), "p_value": 0.5},
    } | changes


@pytest.mark.parametrize(
    ("kind", "difference", "said"),
    [
        ("geometry", 0.009, "within 0.01"),
        ("geometry", -0.009, "within 0.01"),
        ("geometry", -0.011, "beyond 0.01"),
        ("evidence", -0.03, "clearly lower"),
        ("evidence", -0.01, "not clearly lower"),
    ],
)
def test_each_change_is_judged_by_its_kind(kind, difference, said):
    html = stress_section([_changed(kind, difference)], {"template": 120})
    assert f"<td>{said}</td>" in html
    assert ("<svg" in html) == (kind == "geometry")


def test_before_and_after_are_told():
    html = _plain(stress_section([_changed("evidence", -0.2, blank=3)], {"cut": 100, "template": 20}))
    for cell in (
        "120 (3 more blank)",
        "0.950 (0.930 to 0.970)",
        "0.750 (0.730 to 0.770)",
        "-0.200 (-0.220 to -0.180)",
        "0.500 to 0.250",
        "0.250 to 0.125",
        "50% to 25%",
        "0% to 100%",
    ):
        assert f"<td>{cell}</td>" in html, cell
    assert "on 100 films by their cut, on 20 films by a template" in html


def test_one_label_has_no_difference_and_no_guard_refuses_nothing():
    bare = _answers(0.9, 0.5, refused=None) | {"auc": None}
    row = _changed("geometry", 0.0, before=bare, after=bare) | {"difference": None}
    html = stress_section([row], {})
    assert "within" not in html
    assert "<svg" not in html
    assert "<td>-</td>" in html


def test_nothing_asked_is_nothing_told():
    assert thresholds_section([]) == baselines_section([]) == stress_section([], {}) == ""

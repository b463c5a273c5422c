from pneumoscope.report.results_extras import render_extras


def _estimate(value):
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


STRESS = {
    "group": "all",
    "title": "Lungs blacked out",
    "kind": "evidence",
    "films": 1500,
    "before": _estimate(0.9),
    "after": None,
    "difference": _estimate(-0.3),
    "sure_before": _estimate(0.4),
    "positive_before": _estimate(0.7),
    "positive_after": _estimate(0.0),
    "sure_after": _estimate(0.1),
}
BASELINE = {
    "group": "all",
    "title": "The border",
    "films": 1500,
    "auc": _estimate(0.6),
    "model": _estimate(0.9),
    "difference": _estimate(0.3),
}
MAP = {
    "groups": [
        {
            "group": "all",
            "films": 90,
            "patients": 80,
            "metrics": {
                "pointing": {"map": _estimate(0.8), "centre": _estimate(0.2)},
                "average_precision": {},
            },
        }
    ],
    "changes": [{"name": "shift 2%", "displacement": _estimate(0.02), "correlation": _estimate(0.95)}],
    "seeds": 10,
    "seeds_failed": 0,
    "methods": [{"title": "Saliency", "pointing": _estimate(0.3), "average_precision": None}],
}


def _extras(**changes):
    return {"entry": "one", "stress": None, "map": None, **changes}


def _stress(changes=(), baselines=()):
    return {"negative": ["NORMAL", "OTHER"], "changes": list(changes), "baselines": list(baselines)}


def test_nothing_asked_gives_nothing():
    assert render_extras(_extras(), "One") == ""
    assert render_extras(_extras(stress=_stress()), "One") == ""


def test_a_stress_test_is_a_table():
    text = render_extras(_extras(stress=_stress([STRESS])), "One")
    assert text.startswith("## Films changed: One")
    assert "Negatives are films labelled NORMAL or OTHER." in text
    assert (
        "| all | Lungs blacked out | 1,500 | 0.900 (0.890 to 0.910) | - | -0.300 (-0.310 to -0.290) |" in text
    )


def test_baselines_stand_beside_the_network():
    text = render_extras(_extras(stress=_stress(baselines=[BASELINE])), "One")
    assert "| The border | 1,500 | 0.600 (0.590 to 0.610) | 0.900 (0.890 to 0.910) | 0.300" in text


def test_a_map_stands_beside_what_does_not_look():
    text = render_extras(_extras(map=MAP), "One")
    assert "| all | 90 | the map | 0.800 (0.790 to 0.810) | - | - |" in text
    assert "| all | 90 | the centre | 0.200" in text
    assert "the lungs, evenly" not in text
    assert "| shift 2% | 0.020 (0.010 to 0.030) | 0.950 (0.940 to 0.960) |" in text
    assert "fails the test for 0 of 10 seeds" in text
    assert "| Saliency | 0.300 (0.290 to 0.310) | - |" in text


def test_a_map_without_its_network_says_nothing_of_random_weights():
    text = render_extras(_extras(map=MAP | {"seeds": None, "seeds_failed": None, "methods": []}), "One")
    assert "seeds" not in text
    assert "Saliency" not in text

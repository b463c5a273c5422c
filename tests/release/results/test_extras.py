import json

import pytest

from pneumoscope.errors import DataError
from pneumoscope.release.results.extras import map_of, stress_of


def _estimate(value):
    return {"value": value, "low": value - 0.1, "high": value + 0.1}


DIFFERENCE = {"difference": _estimate(-0.01), "p_value": 0.5}
ANSWERS = {
    "auc": _estimate(0.9),
    "distance": _estimate(0.4),
    "findings": {"balanced": _estimate(0.7)},
    "refused": 0.25,
}
STRESS = {
    "group": "all",
    "title": "Padded",
    "kind": "geometry",
    "films": 9,
    "before": ANSWERS,
    "after": ANSWERS,
}
BASELINE = {"group": "all", "title": "The border", "films": 9, "auc": _estimate(0.6), "model": _estimate(0.9)}


def _stress_json():
    return {
        "sha256": "a",
        "films_of": {"split": "test", "negative": ["NORMAL"]},
        "stress": [STRESS | {"difference": each} for each in (DIFFERENCE, None)],
        "baselines": [BASELINE | {"difference": DIFFERENCE}],
    }


def test_a_stress_test_is_read(tmp_path):
    path = tmp_path / "stress.json"
    assert stress_of(path, "a") is None
    path.write_text(json.dumps(_stress_json()))
    told = stress_of(path, "a")
    first, second = told["changes"]
    assert (first["group"], first["title"], first["films"]) == ("all", "Padded", 9)
    assert first["difference"]["value"] == -0.01
    assert (first["after"]["value"], first["sure_after"]["value"]) == (0.9, 0.4)
    assert first["positive_after"]["value"] == 0.7
    assert second["difference"] is None
    (row,) = told["baselines"]
    assert (row["title"], row["auc"]["value"], row["model"]["value"]) == ("The border", 0.6, 0.9)
    assert row["difference"]["value"] == -0.01
    assert told["negative"] == ["NORMAL"]


def _map_json():
    figures = {"pointing": {"map": _estimate(0.5)}}
    change = {"name": "shift", "displacement": _estimate(0.1), "correlation": _estimate(0.9)}
    return {
        "sha256": "a",
        "groups": [{"group": "all", "films": 3, "patients": 2, "metrics": figures, "by_size": []}],
        "repeatability": {"changes": [change], "other_patients": None},
        "randomisation": {"seeds": [{}, {}, {}, {}], "failed": [2]},
        "methods": None,
    }


def test_a_test_of_the_map_is_read(tmp_path):
    path = tmp_path / "map.json"
    assert map_of(path, "a") is None
    path.write_text(json.dumps(_map_json()))
    told = map_of(path, "a")
    assert (told["seeds"], told["seeds_failed"], told["methods"]) == (4, 1, [])
    assert [change["name"] for change in told["changes"]] == ["shift"]
    assert told["groups"][0]["metrics"]["pointing"]["map"]["value"] == 0.5
    assert "by_size" not in told["groups"][0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        ('{"sha256": "b"}', "of another bundle"),
        ('{"sha256": "a"}', "not of this version"),
    ],
)
@pytest.mark.parametrize("read", [stress_of, map_of])
def test_a_damaged_file_is_named(tmp_path, read, text, message):
    (tmp_path / "told.json").write_text(text)
    with pytest.raises(DataError, match=rf"told\.json .*{message}"):
        read(tmp_path / "told.json", "a")

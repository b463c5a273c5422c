"""Pages of bundles and runs that were never trained: what is told, and above all what is not."""

import hashlib
import json
from dataclasses import replace

import pytest

from pneumoscope.data.manifest import manifest_sha256, write_manifest
from pneumoscope.errors import DataError
from pneumoscope.release.provenance import cohorts
from pneumoscope.release.results import at_hand
from pneumoscope.runtime.bundle import find_bundle, open_bundle
from pneumoscope.runtime.provenance import TrainingRun
from pneumoscope.training.recipe import DataChoice
from release.made_evaluation import make_rows, make_scores, write_evaluation
from release.made_results import BASE, Made
from tiny_training import make_recipe


@pytest.fixture
def made(tmp_path):
    return Made(tmp_path)


@pytest.fixture
def both(made):
    made.entry("one", 2.5)
    made.entry("two", 0.5, seed=4)
    return made


def test_everything_that_is_there_is_told(both):
    both.plan["comparisons"] = [{"first": "one", "second": "two"}]
    told = both.gather()
    assert told["missing"] == []
    assert told["manifest_sha256"] == manifest_sha256(both.rows)
    everything, east = told["groups"]
    assert [(row["entry"], row["films"]) for row in everything["rows"]] == [("one", 120), ("two", 120)]
    assert [row["films"] for row in east["rows"]] == [40, 40]
    first, second = (row["metrics"]["auc"]["value"] for row in everything["rows"])
    assert first > second
    comparison = told["comparisons"][0]
    assert comparison["auc"]["value"] == pytest.approx(first - second)
    assert [row["group"] for row in told["comparisons"]] == ["all", "east"]
    assert [cost["entry"] for cost in told["costs"]] == ["one", "two"]
    assert told["costs"][0]["stages"][0]["films"] == 64
    assert json.loads(json.dumps(told)) == told


def test_views_come_from_the_manifest_that_knows_them(both):
    unknown = [replace(row, view=None) for row in both.rows]
    viewed = both.places.runs / "viewed" / "manifest.parquet"
    asked = [{"name": "normal", "sources": ["west"], "label": "NORMAL"}]
    both.plan["groups"] = [*BASE["groups"], {"name": "AP", "views": ["AP"]}]
    both.plan["view_tests"] = asked
    known = both.gather()
    assert known["view_tests"][0]["films"]["normal"] > 0

    write_manifest(unknown, viewed)
    both.plan["manifests"] = BASE["manifests"] | {"viewed": {"folder": "viewed", "command": "true"}}
    both.plan["views"] = "viewed"
    told = both.gather()
    assert told["groups"][2]["rows"] == []
    assert told["view_tests"][0] == {"entry": "one", "films": {"normal": 0}, "aucs": {"normal": None}}
    assert told["manifest_sha256"] == known["manifest_sha256"]

    write_manifest(both.rows, viewed)
    assert both.gather() == known | {"commands": both.gather()["commands"]}
    write_manifest(both.rows[1:], viewed)
    with pytest.raises(DataError, match=f"viewed/manifest.parquet lacks {both.rows[0].path}"):
        both.gather()


def test_an_empty_folder_names_what_is_missing(made):
    told = made.gather()
    assert told["missing"] == ["First: not trained yet", "Second: not trained yet"]
    assert [group["rows"] for group in told["groups"]] == [[], []]
    assert told["commands"]["one"][1].startswith("pneumoscope train recipes/made.yaml")


@pytest.mark.parametrize(("step", "sentence"), [(1, "there is no bundle of it"), (2, "not measured yet")])
def test_what_comes_next_is_named(made, step, sentence):
    recipe = made.run("one")
    if step == 2:
        made.bundle("one", recipe)
    assert f"First: {sentence}" in made.gather()["missing"]


def _rows_told(told):
    return [row["entry"] for row in told["groups"][0]["rows"]]


def test_an_evaluation_of_another_bundle_is_not_shown(both):
    both.evaluation("one", 2.5, sha256="f" * 64)
    told = both.gather()
    assert told["missing"] == ["First: its evaluation is of another bundle: evaluate again"]
    assert _rows_told(told) == ["two"]


def test_another_threshold_is_not_shown(both):
    both.evaluation("one", 2.5, threshold=0.25)
    told = both.gather()
    assert "another threshold than its card states" in told["missing"][0]
    assert _rows_told(told) == ["two"]


def test_a_network_that_may_have_seen_the_films_is_not_shown(both):
    recipe = make_recipe(data={"sources": ["west"]})
    both.bundle("one", recipe, training_manifest_sha256="e" * 64)
    both.evaluation("one", 2.5)
    told = both.gather()
    assert "trained on another manifest" in told["missing"][0]
    assert _rows_told(told) == ["two"]


def test_a_bundle_of_another_run_is_not_shown(both):
    both.bundle("one", make_recipe(seed=77))
    both.evaluation("one", 2.5)
    told = both.gather()
    assert told["missing"] == ["First: its bundle was not made from its run: export again"]
    assert _rows_told(told) == ["two"]


def test_an_evaluation_of_another_manifest_is_not_shown(both):
    write_manifest(
        [*both.rows, replace(both.rows[0], path="east/new.png")],
        both.places.runs / "pool" / "manifest.parquet",
    )
    told = both.gather()
    assert len(told["missing"]) == 2
    assert all(
        "evaluations/" in sentence and str(both.places.runs) not in sentence for sentence in told["missing"]
    )
    assert _rows_told(told) == []


def test_a_run_that_its_command_does_not_make_is_named_and_shown(both):
    (both.places.runs / "two" / "recipe.json").write_text(
        make_recipe(data={"sources": ["west"]}, batch_size=16, seed=4).model_dump_json()
    )
    both.bundle("two", make_recipe(data={"sources": ["west"]}, batch_size=16, seed=4))
    both.evaluation("two", 0.5)
    told = both.gather()
    assert told["missing"] == ["Second: its run was not made by the command below: batch_size differ"]
    assert _rows_told(told) == ["one", "two"]


def test_an_average_is_shown_with_what_its_runs_started_from(made):
    part = {"title": "Part", "recipe": "made.yaml"}
    made.plan["parts"] = [
        part | {"name": "trunk", "title": "Trunk"},
        part | {"name": "left", "title": "Left", "set": ["seed=4"], "start": "trunk"},
        part | {"name": "right", "title": "Right", "set": ["seed=5"], "start": "trunk"},
    ]
    made.plan["ladder"] = [{"name": "mean", "title": "Mean", "members": ["left", "right"], "average": True}]
    made.run("trunk")
    weights = made.places.runs / "trunk" / "weights.safetensors"
    weights.write_bytes(b"weights of the trunk")
    start = {"recipe": "made", "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest()}
    recipes = [made.run(name, seed=seed) for name, seed in (("left", 4), ("right", 5))]
    for name in ("left", "right"):
        path = made.places.runs / name / "run.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"started_from": start}))
    both = {"average": [recipe.model_dump(mode="json") for recipe in recipes]}
    made.bundle("mean", recipes[0], recipe=both)
    made.evaluation("mean", 1.5)
    told = made.gather()
    assert told["missing"] == []
    assert [cost["entry"] for cost in told["costs"]] == ["trunk", "left", "right"]
    assert [row["entry"] for row in told["groups"][0]["rows"]] == ["mean"]

    weights.write_bytes(b"other weights")
    complaint = "its run did not start from the weights that the plan names"
    assert made.gather()["missing"] == [f"Left: {complaint}", f"Right: {complaint}"]
    weights.write_bytes(b"weights of the trunk")
    made.bundle("mean", recipes[0], recipe={"ensemble": both["average"]})
    made.evaluation("mean", 1.5)
    assert made.gather()["missing"] == ["Mean: its bundle was not made from its run: export again"]


def test_a_run_is_shown_with_its_teachers(both):
    first, second = both.plan["ladder"]
    both.plan["ladder"] = [first, second | {"teachers": ["one"]}]
    complaint = ["Second: its run was not taught by the networks that the plan names"]
    assert both.gather()["missing"] == complaint
    weights = both.places.runs / "one" / "weights.safetensors"
    weights.write_bytes(b"weights of the teacher")
    path = both.places.runs / "two" / "run.json"
    teacher = {"recipe": "made", "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest()}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"taught_by": [teacher]}))
    told = both.gather()
    assert told["missing"] == []
    first, second = (cost["stages"][0] for cost in told["costs"])
    assert (first["of_teachers"], second["of_teachers"]) == (0, first["multiply_adds"])
    weights.write_bytes(b"other weights")
    assert both.gather()["missing"] == complaint


def test_a_run_cut_short_is_named(both):
    path = both.places.runs / "one" / "run.json"
    path.write_text(path.read_text().replace("true", "false"))
    assert both.gather()["missing"] == ["First: its run did not reach its end"]


def test_a_shipped_bundle_may_stand_without_its_run(both):
    shipped = open_bundle(find_bundle())
    both.plan["ladder"] = [
        *BASE["ladder"],
        {"name": "s", "title": "S", "recipe": "made.yaml", "shipped": True},
    ]
    write_evaluation(
        both.places.runs / "evaluations" / "s-test.json",
        both.rows,
        make_scores(both.rows),
        sha256=shipped.sha256,
        threshold=shipped.card.operating_points["balanced"].threshold,
    )
    missing = both.gather()["missing"]
    assert missing[0] == "S: its run is not at hand, so that its cost is not told"
    # It was trained on another manifest than this test's: its figures are not shown either.
    assert "trained on another manifest" in missing[1]


@pytest.fixture
def shipped(both, monkeypatch):
    """(what was made, a function that ships a bundle whose training manifest is not at hand)."""
    sources = {(source, "test") for source in ("east", "west")}
    known = cohorts(
        both.rows, DataChoice(targets={"PNEUMONIA": 1, "NORMAL": 0, "OTHER": 0}), measured=sources
    )
    run = TrainingRun(
        recipe="made",
        network="simple_cnn",
        parameters=10,
        films_seen=64,
        seconds=2.0,
        device="cpu",
        processes=1,
        torch="2.14",
        precision="fp32",
    )
    both.plan["parts"] = [{"name": "last", "title": "Last", "recipe": "made.yaml"}]
    both.plan["ladder"] = [
        *BASE["ladder"],
        {"name": "s", "title": "S", "members": ["last"], "shipped": True},
    ]

    def ship(**changes):
        card = {"training_manifest_sha256": "e" * 64, "cohorts": known, "training_runs": (run,), **changes}
        both.bundle("s", make_recipe(data={"sources": ["west"]}), **card)
        both.evaluation("s", 1.5)
        monkeypatch.setattr(at_hand, "find_bundle", lambda: both.places.runs / "bundles" / "s")
        return both.gather()

    return both, ship


@pytest.mark.parametrize("reopened", [False, True])
def test_a_shipped_bundle_is_shown_when_only_its_made_films_and_its_run_are_gone(shipped, reopened):
    made, ship = shipped
    if reopened:
        made.run("last")
        path = made.places.runs / "last" / "run.json"
        path.write_text(json.dumps({"bundle_sha256": "a" * 64}))
    told = ship()
    assert _rows_told(told) == ["one", "two", "s"]
    assert told["costs"][-1]["stages"][0]["films"] == 64
    assert told["costs"][-1]["precision"] == "fp32"
    cost, films = told["missing"]
    assert cost == "Last: its run is not at hand: its cost is what the card of its bundle tells"
    assert films.startswith("S: the films that were made for its training are not at hand")


def test_a_shipped_bundle_of_other_patients_is_not_shown(shipped):
    _, ship = shipped
    cohort = ship(cohorts=())["missing"][-1]
    assert "trained on another manifest" in cohort
    known = cohorts(make_rows(), DataChoice(targets={"PNEUMONIA": 1}), measured={("east", "test")})
    assert _rows_told(ship(cohorts=known)) == ["one", "two", "s"]
    one_more = known[0].model_copy(update={"known_patients": known[0].known_patients + 1})
    assert _rows_told(ship(cohorts=(one_more,))) == ["one", "two"]
    gone = known[0].model_copy(update={"source": "north"})
    assert _rows_told(ship(cohorts=(gone,))) == ["one", "two"]
    assert _rows_told(ship(cohorts=(*known, gone.model_copy(update={"source": "east-transplants"})))) == [
        "one",
        "two",
        "s",
    ]


def test_a_card_that_tells_too_little_of_its_run_tells_no_cost(shipped):
    _, ship = shipped
    told = ship(training_runs=())
    assert told["missing"][0] == "Last: its run is not at hand, so that its cost is not told"
    assert [cost["entry"] for cost in told["costs"]] == ["one", "two"]
    assert _rows_told(told) == ["one", "two", "s"]


@pytest.fixture
def left_out(both):
    both.plan["reference"] = "two"
    both.plan["left_out"] = [
        {"name": "no-east", "title": "No east", "recipe": "made.yaml", "without": ["east"]}
    ]
    both.entry("no-east", 1.0)
    return both


def test_a_source_left_out_is_measured_on_its_films(left_out):
    told = left_out.gather()
    (row,) = told["left_out"]
    assert (row["entry"], row["group"], row["films"]) == ("no-east", "east", 40)
    trained = told["groups"][1]["rows"][1]
    assert row["reference"]["metrics"] == trained["metrics"]
    expected = row["metrics"]["auc"]["value"] - trained["metrics"]["auc"]["value"]
    assert row["difference"]["auc"]["value"] == pytest.approx(expected)
    assert _rows_told(told) == ["one", "two"]


@pytest.mark.parametrize("source", ["west", "east-transplants"])
def test_a_source_that_was_not_left_out_after_all_is_named(left_out, source):
    without = "west" if source == "west" else "east"
    left_out.plan["left_out"] = [{**left_out.plan["left_out"][0], "without": [without]}]
    recipe = make_recipe(data={"sources": [source]})
    (left_out.places.runs / "no-east" / "recipe.json").write_text(recipe.model_dump_json())
    left_out.bundle("no-east", recipe)
    left_out.evaluation("no-east", 1.0)
    told = left_out.gather()
    assert told["left_out"] == []
    assert f"No east: it was trained on {source} after all" in told["missing"]


def test_a_run_on_all_sources_leaves_none_out(left_out):
    recipe = make_recipe(data={})
    (left_out.places.runs / "no-east" / "recipe.json").write_text(recipe.model_dump_json())
    left_out.bundle("no-east", recipe)
    left_out.evaluation("no-east", 1.0)
    assert any("names no data.sources" in sentence for sentence in left_out.gather()["missing"])


def test_tests_that_were_asked_for_and_not_made_are_named(both):
    both.plan["ladder"] = [{**BASE["ladder"][0], "maps": [], "stress": []}, BASE["ladder"][1]]
    told = both.gather()
    assert told["missing"] == ["First: it was not put to stress", "First: its map was not tested"]
    assert told["extras"] == [{"entry": name, "stress": None, "map": None} for name in ("one", "two")]
    both.plan["ladder"][0].pop("stress")
    (both.places.runs / "evaluations" / "one-test-map.json").write_text('{"sha256": "0"}')
    assert both.gather()["missing"] == [
        "First: evaluations/one-test-map.json is of another bundle: measure again"
    ]


def test_without_a_manifest_there_is_no_page(made):
    (made.places.runs / "pool" / "manifest.parquet").unlink()
    with pytest.raises(DataError, match=r"manifest\.parquet"):
        made.gather()

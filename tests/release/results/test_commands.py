import json
import shlex
from pathlib import Path

import pytest
import typer

from pneumoscope.cli.main import app
from pneumoscope.release.results import Places, load_plan
from pneumoscope.release.results.plan import Plan, PlannedManifest

ROOT = Path(__file__).resolve().parents[3]
PLAN = Plan.model_validate(
    {
        "title": "T",
        "manifests": {
            "pool": {"folder": "pool", "command": "pneumoscope data build --root {films} --out {runs}/pool"},
            "made": {"folder": "made", "films": True, "command": "pneumoscope data transplant"},
        },
        "budgets": {"small": ["seed=1"]},
        "groups": [{"name": "all"}, {"name": "others", "negatives": ["OTHER"]}],
        "parts": [{"name": "left", "title": "5", "recipe": "finish.yaml", "start": "one"}],
        "ladder": [
            {
                "name": "one",
                "title": "1",
                "recipe": "r.yaml",
                "budget": "small",
                "maps": ["--seeds", "3"],
                "stress": ["--baselines", "{runs}/a"],
            },
            {"name": "two", "title": "2", "recipe": "r.yaml", "manifests": ["pool", "made"], "shipped": True},
            {"name": "mean", "title": "4", "members": ["left", "two"], "average": True},
            {"name": "last", "title": "6", "recipe": "finish.yaml", "start": "mean"},
            {"name": "taught", "title": "7", "recipe": "student.yaml", "teachers": ["one", "left"]},
            {"name": "both", "title": "3", "members": ["one", "two"], "export": ["--guard", "{runs}/g.json"]},
        ],
    }
)
PLACES = Places(runs=Path("runs"), recipes=Path("recipes"), films=Path("a pool"))
BUILD = "pneumoscope data build --root 'a pool' --out runs/pool"
POOL = "--manifest runs/pool/manifest.parquet --root 'a pool'"
TRAIN = f"pneumoscope train recipes/r.yaml --set seed=1 {POOL} --out runs/one --resume"


def _commands(name, places=PLACES, *, missing=False):
    return list(places.commands(PLAN, PLAN.entry(name), "default", missing=missing))


def test_the_way_from_films_to_figures_is_complete():
    figures = "--out runs/evaluations/one-test.json --scores runs/evaluations/one-test.csv"
    assert _commands("one") == [
        BUILD,
        TRAIN,
        f"pneumoscope export runs/one {POOL} --name one --out runs/bundles/one",
        "mkdir -p runs/evaluations",
        f"pneumoscope evaluate runs/bundles/one {POOL} --split test --negative NORMAL --negative OTHER "
        f"{figures}",
        f"pneumoscope evaluate runs/bundles/one {POOL} --split test --baselines runs/a "
        "--out runs/evaluations/one-test-stress.json",
        f"pneumoscope evaluate-map runs/bundles/one {POOL} --split test --run runs/one --seeds 3 "
        "--out runs/evaluations/one-test-map.json",
    ]


def test_of_a_part_there_is_no_more_than_its_training():
    assert [line.split()[1] for line in _commands("left")] == ["data", "train", "train"]
    assert _commands("left")[-1].startswith("pneumoscope train recipes/finish.yaml --start-from runs/one")


def test_an_ensemble_is_made_of_its_members_on_their_manifests():
    commands = _commands("both")
    assert commands[2] == TRAIN
    assert commands[3].startswith("pneumoscope train recipes/r.yaml --manifest runs/pool/manifest.parquet")
    assert "--manifest runs/made/manifest.parquet --root runs/made" in commands[3]
    assert commands[4] == (
        f"pneumoscope export runs/one runs/two {POOL} --name both --guard runs/g.json --out runs/bundles/both"
    )


def test_an_average_is_made_after_what_its_runs_start_from():
    commands = _commands("mean")
    assert commands[2] == TRAIN
    assert commands[3] == (
        f"pneumoscope train recipes/finish.yaml --start-from runs/one {POOL} --out runs/left --resume"
    )
    assert commands[4].startswith("pneumoscope train recipes/r.yaml")
    assert commands[5].startswith("pneumoscope export runs/left runs/two --average-weights --manifest")


def test_an_average_that_others_start_from_is_made_a_run_again(tmp_path):
    commands = _commands("last")
    assert commands[6:8] == [
        f"test -f runs/mean/run.json || pneumoscope import-bundle runs/bundles/mean {POOL} --out runs/mean",
        f"pneumoscope train recipes/finish.yaml --start-from runs/mean {POOL} --out runs/last --resume",
    ]
    assert commands[:6] == _commands("mean")[:6]
    places = Places(runs=tmp_path, recipes=Path("recipes"), films=Path("films"))
    (tmp_path / "mean").mkdir()
    (tmp_path / "mean" / "run.json").write_text(json.dumps({"finished": True}))
    left = _commands("last", places, missing=True)
    verbs = [line.split()[1] for line in left if line.startswith("pneumoscope ")]
    assert verbs == ["data", "train", "export", "evaluate"]


def test_teachers_are_trained_before_whom_they_teach():
    commands = _commands("taught")
    assert commands[1] == TRAIN
    assert commands[2].startswith("pneumoscope train recipes/finish.yaml --start-from runs/one")
    assert commands[3] == (
        f"pneumoscope train recipes/student.yaml --teacher runs/one --teacher runs/left {POOL} "
        "--out runs/taught --resume"
    )


def test_the_shipped_default_is_measured_by_its_name():
    evaluate = _commands("two")[-1]
    assert evaluate.startswith("pneumoscope evaluate default ")
    assert "--out runs/evaluations/two-test.json" in evaluate


def test_what_is_there_is_not_made_again(tmp_path):
    places = Places(runs=tmp_path, recipes=Path("recipes"), films=Path("films"))
    everything = _commands("one", places)
    assert _commands("one", places, missing=True) == everything
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / "manifest.parquet").touch()
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "run.json").write_text(json.dumps({"finished": False}))
    assert _commands("one", places, missing=True) == everything[1:]
    (tmp_path / "one" / "run.json").write_text(json.dumps({"finished": True}))
    assert _commands("one", places, missing=True) == everything[2:]
    (tmp_path / "bundles" / "one").mkdir(parents=True)
    (tmp_path / "bundles" / "one" / "card.json").touch()
    assert _commands("one", places, missing=True) == everything[3:]
    (tmp_path / "evaluations").mkdir()
    (tmp_path / "evaluations" / "one-test.json").touch()
    assert _commands("one", places, missing=True) == everything[3:]
    (tmp_path / "evaluations" / "one-test.csv").touch()
    assert _commands("one", places, missing=True) == everything[5:]
    (tmp_path / "evaluations" / "one-test-stress.json").touch()
    assert _commands("one", places, missing=True) == everything[6:]
    (tmp_path / "evaluations" / "one-test-map.json").touch()
    assert _commands("one", places, missing=True) == []


def test_a_shipped_bundle_is_not_exported_again(tmp_path):
    places = Places(runs=tmp_path, recipes=Path("recipes"), films=Path("films"))
    for missing in (True, False):
        assert not any("export" in line for line in _commands("two", places, missing=missing))


def _options(words):
    """Names of the options that the command of these words has."""
    command = typer.main.get_command(app)
    context = command.make_context("pneumoscope", [], resilient_parsing=True)
    rest = list(words)
    while hasattr(command, "get_command"):
        command = command.get_command(context, rest.pop(0))
    return {option for parameter in command.params for option in parameter.opts}


@pytest.mark.parametrize(
    "entry", load_plan(ROOT / "docs" / "results.yaml").entries, ids=lambda each: each.name
)
def test_every_command_of_our_own_plan_has_the_options_it_uses(entry):
    plan = load_plan(ROOT / "docs" / "results.yaml")
    for line in PLACES.commands(plan, entry, "default", missing=False):
        words = shlex.split(line)
        if words[0] == "pneumoscope":
            assert {word for word in words if word.startswith("--")} <= _options(words[1:])


def test_the_manifest_that_knows_views_is_made_too():
    viewed = {"folder": "viewed", "command": "pneumoscope data views --out {runs}/viewed"}
    plan = PLAN.model_copy(update={"manifests": {**PLAN.manifests, "viewed": PlannedManifest(**viewed)}})
    plan = plan.model_copy(update={"views": "viewed"})
    lines = list(PLACES.commands(plan, plan.entry("one"), "default", missing=False))
    assert lines[:3] == [BUILD, "pneumoscope data views --out runs/viewed", TRAIN]

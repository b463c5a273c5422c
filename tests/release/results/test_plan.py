import re
from pathlib import Path

import pytest
import yaml

from pneumoscope.errors import UsageError
from pneumoscope.release.results.plan import load_plan
from pneumoscope.training.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[3]
POOL = {"folder": "pool", "command": "make {runs} of {films}"}
ENTRY = {"name": "one", "title": "One", "recipe": "one.yaml"}
SMALLEST = {"title": "T", "manifests": {"pool": POOL}, "groups": [{"name": "all"}], "ladder": [ENTRY]}


def _load(path, **changes):
    path.write_text(yaml.safe_dump({**SMALLEST, **changes}))
    return load_plan(path)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "plan.yaml"


def test_our_own_plan_names_recipes_and_changes_that_exist():
    plan = load_plan(ROOT / "docs" / "results.yaml")
    for entry in plan.named:
        if entry.recipe is not None:
            load_recipe(ROOT / "recipes" / entry.recipe, plan.changes(entry))
    assert len({entry.title for entry in plan.named}) == len(plan.named)


def test_the_rungs_of_our_own_plan_have_one_budget():
    plan = load_plan(ROOT / "docs" / "results.yaml")
    rungs = [entry for entry in plan.ladder if re.fullmatch(r"rung-\d", entry.name)]
    assert len(rungs) == 5
    recipes = [load_recipe(ROOT / "recipes" / str(rung.recipe), plan.changes(rung)) for rung in rungs]
    alike = [recipe.model_dump(exclude={"name", "model"}) for recipe in recipes]
    assert alike == alike[:1] * 5
    assert len({recipe.model.name for recipe in recipes}) == 5


def test_members_and_changes_are_found(file):
    plan = _load(
        file,
        budgets={"small": ["seed=1"]},
        ladder=[
            ENTRY | {"budget": "small", "set": ["name=x"]},
            ENTRY | {"name": "two"},
            {"name": "both", "title": "Both", "members": ["two", "one"]},
        ],
    )
    assert [run.name for run in plan.runs_of(plan.entry("both"))] == ["two", "one"]
    assert plan.runs_of(plan.entry("one")) == (plan.entry("one"),)
    assert plan.changes(plan.entry("one")) == ("seed=1", "name=x")
    assert plan.changes(plan.entry("two")) == ()
    with pytest.raises(UsageError, match="no entry 'three': it has one, two, both"):
        plan.entry("three")


def test_what_a_run_starts_from_is_trained_before_it_and_once(file):
    plan = _load(
        file,
        parts=[
            ENTRY | {"name": "trunk"},
            ENTRY | {"name": "left", "start": "trunk"},
            ENTRY | {"name": "right", "start": "trunk"},
        ],
        ladder=[{"name": "mean", "title": "Mean", "members": ["left", "right"], "average": True}],
    )
    assert [run.name for run in plan.training_of(plan.entry("mean"))] == ["trunk", "left", "right"]
    assert [entry.name for entry in plan.entries] == ["mean"]
    assert [entry.name for entry in plan.named] == ["trunk", "left", "right", "mean"]


MEAN = {"name": "mean", "title": "Mean", "members": ["left"], "average": True}


def test_what_is_there_needs_nothing_any_more(file):
    plan = _load(
        file,
        parts=[ENTRY | {"name": "left"}, MEAN],
        ladder=[ENTRY | {"name": "last", "start": "mean"}],
    )
    last = plan.entry("last")
    assert [run.name for run in plan.training_of(last)] == ["left", "mean", "last"]
    assert [run.name for run in plan.training_of(last, lambda run: run.name == "mean")] == ["last"]
    assert plan.training_of(last, lambda _: True) == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parts": [ENTRY | {"name": "left", "start": "mean"}, MEAN]}, "left is made of itself"),
        (
            {
                "parts": [ENTRY | {"name": "left"}, ENTRY | {"name": "right"}],
                "ladder": [
                    {"name": "both", "title": "B", "members": ["left", "right"]},
                    ENTRY | {"name": "last", "start": "both"},
                ],
            },
            "last cannot start or learn from both: an ensemble",
        ),
        ({"colour": 1}, "colour"),
        ({"ladder": []}, "ladder"),
        ({"ladder": [ENTRY | {"members": ["one"]}]}, "either a recipe or members"),
        ({"ladder": [{"name": "one", "title": "One"}]}, "either a recipe or members"),
        ({"ladder": [ENTRY | {"name": "../one"}]}, "ladder.0.name"),
        ({"ladder": [ENTRY, ENTRY]}, "two entries have one name"),
        ({"ladder": [ENTRY | {"manifests": ["pond"]}]}, "one: there is no manifest 'pond'"),
        ({"views": "pond"}, "views: there is no manifest 'pond'"),
        ({"ladder": [ENTRY | {"budget": "large"}]}, "one: there is no budget 'large'"),
        ({"ladder": [{"name": "e", "title": "E", "members": ["x"]}]}, "there is no entry 'x'"),
        ({"comparisons": [{"first": "one", "second": "two"}]}, "there is no entry 'two'"),
        ({"reference": "two"}, "there is no entry 'two'"),
        ({"manifests": {"pond": POOL}}, "must be one called 'pool'"),
        ({"manifests": {"pool": POOL | {"command": "make {there}"}}}, "may stand in braces"),
        ({"ladder": [ENTRY | {"stress": ["--lungs", "{there}"]}]}, "may stand in braces"),
        ({"ladder": [ENTRY | {"average": True}]}, "only an entry with members is an average"),
        ({"ladder": [ENTRY | {"start": "two"}]}, "there is no entry 'two'"),
        ({"ladder": [ENTRY | {"start": "one"}]}, "one is made of itself, starts from itself or"),
        ({"ladder": [ENTRY | {"teachers": ["two"]}]}, "there is no entry 'two'"),
        ({"ladder": [ENTRY | {"teachers": ["one"]}]}, "starts from itself or teaches itself"),
        ({"parts": [ENTRY]}, "two entries have one name"),
        ({"operating_point": "best"}, "operating_point"),
    ],
)
def test_a_wrong_plan_is_one_sentence(file, changes, message):
    with pytest.raises(UsageError, match=r"plan\.yaml") as caught:
        _load(file, **changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["a: [", "[1]", ""])
def test_what_is_no_plan_is_refused(file, text):
    file.write_text(text)
    with pytest.raises(UsageError, match=r"plan\.yaml"):
        load_plan(file)


def test_a_missing_plan_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"absent\.yaml: cannot be opened"):
        load_plan(tmp_path / "absent.yaml")

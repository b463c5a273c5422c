import hashlib
import json

import pytest
import torch

from pneumoscope.errors import DataError, RecipeError, UsageError, WeightsError
from pneumoscope.models import build_model, save_weights
from pneumoscope.release.trained_run import join_runs, open_run
from pneumoscope.runtime.provenance import recipes_of
from tiny_training import make_recipe


def _write_run(
    directory, *, seed=0, manifest="a" * 64, revision="c0ffee", finished=True, start=None, **recipe
):
    directory.mkdir()
    made = make_recipe(**recipe)
    torch.manual_seed(seed)
    model = build_model(made.model.name, **made.model.options)
    save_weights(model, directory / "weights.safetensors")
    (directory / "recipe.json").write_text(made.model_dump_json())
    facts = {"manifest_sha256": manifest, "code_revision": revision, "finished": finished}
    if start is not None:
        facts["started_from"] = {
            "recipe": "trunk",
            "weights_sha256": start,
            "films_seen": 100,
            "seconds": 7.5,
        }
    (directory / "run.json").write_text(json.dumps(facts))
    return model.eval()


def test_a_run_comes_back_as_it_was_trained(tmp_path):
    model = _write_run(tmp_path / "run", seed=3)
    run = open_run(tmp_path / "run")
    film = torch.rand(2, 1, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(run.model(film), model(film), rtol=0, atol=0)
    assert not run.model.training
    assert (run.architecture, run.name, run.prepare.size) == ("simple_cnn", "made", 32)
    assert (run.manifest_sha256, run.code_revision) == ("a" * 64, "c0ffee")
    assert run.recipe == json.loads((tmp_path / "run" / "recipe.json").read_text())


@pytest.mark.parametrize("name", ["recipe.json", "run.json"])
def test_a_missing_file_is_named(tmp_path, name):
    _write_run(tmp_path / "run")
    (tmp_path / "run" / name).unlink()
    with pytest.raises(DataError, match=name):
        open_run(tmp_path / "run")


@pytest.mark.parametrize(("text", "message"), [("{", "no JSON"), ("[]", "no JSON object")])
def test_a_file_of_something_else_is_refused(tmp_path, text, message):
    _write_run(tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text(text)
    with pytest.raises(DataError, match=message):
        open_run(tmp_path / "run")


def test_a_run_without_its_manifest_is_refused(tmp_path):
    _write_run(tmp_path / "run", manifest=None)
    with pytest.raises(DataError, match="names no manifest_sha256"):
        open_run(tmp_path / "run")


def test_a_recipe_of_another_version_is_refused(tmp_path):
    _write_run(tmp_path / "run")
    (tmp_path / "run" / "recipe.json").write_text('{"name": "old", "colour": 1}')
    with pytest.raises(RecipeError, match=r"recipe\.json"):
        open_run(tmp_path / "run")


def test_weights_of_another_network_are_refused(tmp_path):
    _write_run(tmp_path / "run")
    save_weights(build_model("deep_cnn"), tmp_path / "run" / "weights.safetensors")
    with pytest.raises(WeightsError, match="another network"):
        open_run(tmp_path / "run")


def test_one_run_stays_what_it_is(tmp_path):
    _write_run(tmp_path / "run")
    run = open_run(tmp_path / "run")
    assert join_runs([run]) is run


def test_several_runs_are_the_mean_of_their_logits(tmp_path):
    models = [_write_run(tmp_path / f"run{seed}", seed=seed) for seed in range(3)]
    joined = join_runs([open_run(tmp_path / f"run{seed}") for seed in range(3)])
    film = torch.rand(2, 1, 32, 32)
    with torch.inference_mode():
        expected = torch.stack([model(film) for model in models]).mean(dim=0)
        torch.testing.assert_close(joined.model(film), expected)
    assert joined.architecture == "ensemble"
    assert [recipe["name"] for recipe in joined.recipe["ensemble"]] == ["made"] * 3
    assert joined.code_revision == "c0ffee"


def test_an_ensemble_leaves_out_only_whom_all_its_runs_left_out(tmp_path):
    folds = [{"of": 2, "number": 0}, {"of": 2, "number": 1}, {"of": 2, "number": 1}]
    for number, fold in enumerate(folds):
        _write_run(tmp_path / f"run{number}", data={"left_out_fold": fold})
    first, second, third = (open_run(tmp_path / f"run{number}") for number in range(3))
    assert join_runs([first, second]).data.left_out_fold is None
    assert join_runs([second, third]).data.left_out_fold == second.data.left_out_fold


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"manifest": "b" * 64}, "manifests differ"),
        ({"stages": [{"epochs": 1, "size": 64}]}, "prepare parameters differ"),
        ({"data": {"sources": ["east"]}}, "sources differ"),
        ({"data": {"targets": {"PNEUMONIA": 1, "OTHER": 0}}}, "targets differ"),
    ],
)
def test_runs_that_do_not_fit_are_no_ensemble(tmp_path, changes, message):
    _write_run(tmp_path / "one")
    _write_run(tmp_path / "two", **changes)
    with pytest.raises(UsageError, match=message):
        join_runs([open_run(tmp_path / "one"), open_run(tmp_path / "two")])


def test_an_ensemble_is_finished_where_all_its_runs_are(tmp_path):
    _write_run(tmp_path / "one")
    _write_run(tmp_path / "two", finished=False)
    one, two = open_run(tmp_path / "one"), open_run(tmp_path / "two")
    assert (one.finished, two.finished) == (True, False)
    assert join_runs([one, one]).finished
    assert not join_runs([one, two]).finished


def test_an_ensemble_of_two_revisions_names_both(tmp_path):
    _write_run(tmp_path / "one")
    _write_run(tmp_path / "two", revision="beef")
    joined = join_runs([open_run(tmp_path / "one"), open_run(tmp_path / "two")])
    assert joined.code_revision == "c0ffee, beef"


def test_weights_of_one_start_are_averaged(tmp_path):
    models = [_write_run(tmp_path / f"run{seed}", seed=seed, start="d" * 64) for seed in range(3)]
    joined = join_runs([open_run(tmp_path / f"run{seed}") for seed in range(3)], average_weights=True)
    states = [model.state_dict() for model in models]
    for name, value in joined.model.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, sum(state[name] for state in states) / 3)
    assert (joined.architecture, joined.name) == ("simple_cnn", "average")
    assert [recipe["name"] for recipe in joined.recipe["average"]] == ["made"] * 3
    assert len(recipes_of(joined.recipe)) == 3
    record = joined.records[0]
    assert (record.started_from, record.films_seen_before, record.seconds_before) == ("trunk", 100, 7.5)


def test_teachers_are_on_the_record(tmp_path):
    _write_run(tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    teachers = [{"recipe": name, "weights_sha256": name, "films_seen": 50, "seconds": 2.5} for name in "ab"]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"taught_by": teachers}))
    (record,) = open_run(tmp_path / "run").records
    assert record.taught_by == ("a", "b")
    assert (record.films_seen_by_teachers, record.seconds_of_teachers) == (100, 5.0)


def test_the_start_itself_may_be_one_of_those_averaged(tmp_path):
    _write_run(
        tmp_path / "trunk", model={"name": "simple_cnn", "pretrained": True, "options": {"dropout": 0.1}}
    )
    digest = hashlib.sha256((tmp_path / "trunk" / "weights.safetensors").read_bytes()).hexdigest()
    _write_run(tmp_path / "finish", seed=1, start=digest)
    runs = [open_run(tmp_path / name) for name in ("trunk", "finish")]
    joined = join_runs(runs, average_weights=True)
    weight = joined.model.weight
    torch.testing.assert_close(weight, (runs[0].model.weight + runs[1].model.weight) / 2)


def test_runs_that_started_one_from_another_are_averaged(tmp_path):
    start, runs = "d" * 64, []
    for seed in range(3):
        _write_run(tmp_path / f"run{seed}", seed=seed, start=start)
        start = hashlib.sha256((tmp_path / f"run{seed}" / "weights.safetensors").read_bytes()).hexdigest()
        runs.append(open_run(tmp_path / f"run{seed}"))
    joined = join_runs(runs, average_weights=True)
    torch.testing.assert_close(joined.model.weight, sum(run.model.weight for run in runs) / 3)
    with pytest.raises(UsageError, match=r"starts .* differ"):  # the one between them is missing
        join_runs([runs[0], runs[2]], average_weights=True)


def test_runs_of_other_films_are_joined_where_that_is_wanted(tmp_path):
    _write_run(tmp_path / "one", data={"sources": ["west", "east"]})
    _write_run(tmp_path / "two", manifest="b" * 64, data={"sources": ["east", "north"]})
    runs = [open_run(tmp_path / "one"), open_run(tmp_path / "two")]
    joined = join_runs(runs, other_manifest=True)
    assert joined.data.sources == ("west", "east", "north")
    assert joined.manifest_sha256 == "a" * 64
    _write_run(tmp_path / "all")
    assert join_runs([*runs, open_run(tmp_path / "all")], other_manifest=True).data.sources is None


@pytest.mark.parametrize(
    ("starts", "changes", "message"),
    [
        ((None, None), {}, "starts .* differ"),
        (("d" * 64, "e" * 64), {}, "starts .* differ"),
        (("d" * 64, None), {}, "starts .* differ"),
        (("d" * 64, "d" * 64), {"model": {"name": "deep_cnn"}}, "networks differ"),
        (("d" * 64, "d" * 64), {"manifest": "b" * 64}, "manifests differ"),
    ],
)
def test_weights_that_do_not_fit_are_not_averaged(tmp_path, starts, changes, message):
    _write_run(tmp_path / "one", start=starts[0])
    _write_run(tmp_path / "two", seed=1, start=starts[1], **changes)
    with pytest.raises(UsageError, match=message):
        join_runs([open_run(tmp_path / "one"), open_run(tmp_path / "two")], average_weights=True)

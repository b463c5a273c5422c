import hashlib
import json
import math
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pneumoscope.errors import DataError, RecipeError, UsageError, WeightsError
from pneumoscope.evaluation.metrics import auc
from pneumoscope.models import build_model
from pneumoscope.training import checkpoint, loop
from pneumoscope.training.arithmetic import precision_on
from pneumoscope.training.dataset import Plates, select_films
from pneumoscope.training.losses import map_loss
from pneumoscope.training.start import open_start
from pneumoscope.training.validation import Validation
from tiny_training import make_caches, make_recipe


def weights(out):
    return load_file(out / checkpoint.WEIGHTS)


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def network(recipe, out):
    model = build_model(recipe.model.name, **recipe.model.options)
    model.load_state_dict(weights(out))
    return model.eval()


def test_it_learns_and_the_log_says_so(ground, tmp_path, read_log):
    recipe = make_recipe(
        stages=[{"epochs": 12, "size": 32}],
        augment={},
        optimiser={"name": "adam", "learning_rate": 0.01},
        model={"name": "simple_cnn"},
        log_every=5,
    )
    summary = ground.train(recipe, tmp_path / "run")
    records = read_log(tmp_path / "run")
    losses = [record["loss"] for record in records if record["kind"] == "step"]
    assert len(losses) == 12
    assert losses[0] == pytest.approx(math.log(2), abs=0.1)
    assert losses[-1] < 0.5 * losses[0]
    assert summary["selected_metric"] > 0.9
    assert (summary["finished"], summary["films_seen"], summary["steps"]) == (True, 480, 60)
    assert json.loads((tmp_path / "run" / checkpoint.RUN).read_text()) == summary
    stored = json.loads((tmp_path / "run" / checkpoint.RECIPE).read_text())
    assert stored == recipe.model_dump(mode="json")


def test_the_kept_weights_score_what_the_log_says(ground, tmp_path, read_log):
    recipe = make_recipe(stages=[{"epochs": 4, "size": 32}])
    summary = ground.train(recipe, tmp_path / "run")
    films = select_films(ground.rows, "validation", recipe.data)
    plates = Plates(films, make_caches(recipe, ground.rows, ground.root)[32], masks=False)
    with torch.inference_mode():
        logits = network(recipe, tmp_path / "run")(plates.inputs(np.arange(len(plates)))).numpy()
    epochs = [record for record in read_log(tmp_path / "run") if record["kind"] == "epoch"]
    best = max(epoch["validation"]["auc"] for epoch in epochs)
    kept = epochs[summary["selected_epoch"]]
    assert kept["kept"]
    assert summary["selected_metric"] == kept["validation"]["auc"] == best
    assert float(auc(films.targets, logits)) == pytest.approx(best)
    losses = np.logaddexp(0, np.where(films.targets == 1, -logits, logits).astype(float))
    assert losses.mean() == pytest.approx(kept["validation"]["loss"], rel=1e-4)


def test_the_same_recipe_gives_the_same_run_and_another_seed_another(ground, tmp_path, read_log):
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        torch.rand(seed)  # what the caller drew before must not matter
        ground.train(make_recipe(seed=seed), tmp_path / name)
    assert equal(weights(tmp_path / "one"), weights(tmp_path / "two"))
    assert read_log(tmp_path / "one") == read_log(tmp_path / "two")
    assert not equal(weights(tmp_path / "one"), weights(tmp_path / "three"))


def test_the_callers_random_state_is_left_alone(ground, tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    ground.train(make_recipe(stages=[{"epochs": 1, "size": 32}]), tmp_path / "run")
    assert torch.equal(torch.rand(3), expected)


def test_a_run_killed_in_an_epoch_and_resumed_ends_as_if_undisturbed(ground, tmp_path, read_log):
    recipe = make_recipe(
        stages=[{"epochs": 2, "size": 32}, {"epochs": 1, "size": 48}],
        loss={"mixup_alpha": 0.2, "map_weight": 0.1},
        checkpoint_minutes=0,
        log_every=2,
    )
    killed = ground.elsewhere(recipe, tmp_path / "killed", kill_at=8)  # of 15; an epoch has 5 steps
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    state = checkpoint.load_state(tmp_path / "killed")
    assert (state["progress"]["epoch"], state["progress"]["step"]) == (1, 2)
    assert state["window"]["steps"] == 1
    assert len(read_log(tmp_path / "killed")) == 5  # the last one was written after the checkpoint

    ground.train(recipe, tmp_path / "killed", resume=True)
    ground.train(recipe, tmp_path / "whole")
    assert read_log(tmp_path / "killed") == read_log(tmp_path / "whole")
    assert equal(weights(tmp_path / "killed"), weights(tmp_path / "whole"))
    one, other = (checkpoint.load_state(tmp_path / name) for name in ("killed", "whole"))
    assert equal(one["model"], other["model"])
    assert equal(one["average"], other["average"])


def test_a_finished_run_resumes_to_itself(ground, tmp_path):
    recipe = make_recipe()
    summary = ground.train(recipe, tmp_path / "run")
    before = (tmp_path / "run" / checkpoint.LOG).read_bytes()
    assert ground.train(recipe, tmp_path / "run", resume=True) == summary
    assert (tmp_path / "run" / checkpoint.LOG).read_bytes() == before


def test_a_directory_with_a_run_is_not_overwritten(ground, tmp_path):
    recipe = make_recipe(stages=[{"epochs": 1, "size": 32}])
    ground.train(recipe, tmp_path / "run")
    with pytest.raises(UsageError, match="--resume"):
        ground.train(recipe, tmp_path / "run")
    with pytest.raises(UsageError, match="changed since it began: seed"):
        ground.train(recipe.model_copy(update={"seed": 9}), tmp_path / "run", resume=True)
    stored = tmp_path / "run" / checkpoint.RECIPE
    text = stored.read_text()
    stored.write_text(text.replace('"seed"', '"sead"'))
    with pytest.raises(UsageError, match="another version"):
        ground.train(recipe, tmp_path / "run", resume=True)
    stored.write_text(text)
    with pytest.raises(UsageError, match="another manifest"):
        ground.train(recipe, tmp_path / "run", rows=ground.rows[1:], resume=True)


def test_resume_without_a_run_starts_one(ground, tmp_path):
    summary = ground.train(make_recipe(), tmp_path / "run", resume=True)
    assert summary["finished"]


def test_a_run_starts_from_another_and_says_so(ground, tmp_path):
    short = make_recipe(stages=[{"epochs": 1, "size": 32}])
    first = ground.train(short, tmp_path / "first")
    # So slow that what comes out is what went in.
    still = make_recipe(
        seed=8,
        name="finish",
        stages=[{"epochs": 1, "size": 32}],
        optimiser={"name": "sgd", "learning_rate": 1e-12},
    )
    summary = ground.train(still, tmp_path / "second", start=open_start(tmp_path / "first"))
    before, after = weights(tmp_path / "first"), weights(tmp_path / "second")
    assert before.keys() == after.keys()
    for name in before:
        if "running" not in name and "tracked" not in name:
            torch.testing.assert_close(after[name], before[name])
    digest = hashlib.sha256((tmp_path / "first" / checkpoint.WEIGHTS).read_bytes()).hexdigest()
    assert summary["started_from"] == {
        "recipe": "made",
        "weights_sha256": digest,
        "manifest_sha256": first["manifest_sha256"],
        "films_seen": first["films_seen"],
        "seconds": first["seconds"],
    }
    third = open_start(tmp_path / "second")
    assert third.films_seen == first["films_seen"] + summary["films_seen"]
    with pytest.raises(UsageError, match="started from other weights"):
        ground.train(still, tmp_path / "second", resume=True, start=third)
    again = ground.train(still, tmp_path / "second", resume=True, start=open_start(tmp_path / "first"))
    assert again == summary


@pytest.mark.parametrize("decay", [None, 0.5])
def test_a_share_of_the_start_stays_in_what_is_kept(ground, tmp_path, decay):
    short = {"stages": [{"epochs": 1, "size": 32}], "ema_decay": decay}
    ground.train(make_recipe(**short), tmp_path / "first")
    start = open_start(tmp_path / "first")
    ground.train(make_recipe(**short, seed=3), tmp_path / "whole", start=start)
    ground.train(make_recipe(**short, seed=3, start_share=0.25), tmp_path / "mixed", start=start)
    before, after, mixed = (weights(tmp_path / name) for name in ("first", "whole", "mixed"))
    for name, value in mixed.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, 0.25 * before[name] + 0.75 * after[name])
    with pytest.raises(RecipeError, match="start_share: there is no start"):
        ground.train(make_recipe(**short, start_share=0.25), tmp_path / "none")


def test_a_start_of_another_network_is_refused(ground, tmp_path):
    ground.train(make_recipe(stages=[{"epochs": 1, "size": 32}]), tmp_path / "first")
    other = make_recipe(model={"name": "deep_cnn"}, stages=[{"epochs": 1, "size": 32}])
    with pytest.raises(WeightsError, match="another network"):
        ground.train(other, tmp_path / "second", start=open_start(tmp_path / "first"))
    assert not (tmp_path / "second").exists()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("run.json", None, "cannot be read"),
        ("weights.safetensors", None, "cannot be read"),
        ("run.json", "[]", "not written by this version"),
        ("run.json", "{}", "not written by this version"),
    ],
)
def test_what_is_no_run_is_no_start(ground, tmp_path, name, text, message):
    ground.train(make_recipe(stages=[{"epochs": 1, "size": 32}]), tmp_path / "first")
    if text is None:
        (tmp_path / "first" / name).unlink()
    else:
        (tmp_path / "first" / name).write_text(text)
    with pytest.raises(DataError, match=message):
        open_start(tmp_path / "first")


def test_stages_end_early_and_the_weights_of_a_small_one_do_not_win(ground, tmp_path, read_log, monkeypatch):
    aucs = iter([0.5, 0.9, 0.8, 0.9, 0.3, 0.2, 0.4, 0.1, 0.1])  # one stage of four epochs, one of five
    monkeypatch.setattr(loop, "validate", lambda *_: Validation(1.0, next(aucs), {}, {}))
    recipe = make_recipe(
        stages=[
            {"epochs": 6, "size": 32},
            {"epochs": 7, "size": 48, "learning_rate_factor": 0.1},
        ],
        schedule={"name": "constant"},
        early_stopping_patience=2,
        log_every=5,
    )
    summary = ground.train(recipe, tmp_path / "run")
    assert (summary["selected_epoch"], summary["selected_metric"], summary["finished"]) == (8, 0.4, True)
    records = read_log(tmp_path / "run")
    epochs = [record for record in records if record["kind"] == "epoch"]
    assert [record["epoch"] for record in epochs] == [0, 1, 2, 3, 6, 7, 8, 9, 10]
    assert [record["stage"] for record in epochs] == [0] * 4 + [1] * 5
    assert [record["epoch"] for record in epochs if record["kept"]] == [0, 1, 6, 8]
    rates = [record["learning_rate"] for record in records if record["kind"] == "step"]
    assert rates == pytest.approx([0.003] * 4 + [0.0003] * 5)


def test_the_cosine_spans_all_stages(ground, tmp_path, read_log):
    recipe = make_recipe(stages=[{"epochs": 1, "size": 32}, {"epochs": 1, "size": 48}], log_every=1)
    ground.train(recipe, tmp_path / "run")
    rates = [record["learning_rate"] for record in read_log(tmp_path / "run") if record["kind"] == "step"]
    expected = [0.0015, 0.003] + [0.0015 * (1 + math.cos(math.pi * step / 8)) for step in range(8)]
    assert rates == pytest.approx(expected)


def test_without_validation_films_the_last_weights_are_kept(ground, tmp_path, read_log):
    rows = [row for row in ground.rows if row.split == "train"]
    recipe = make_recipe(early_stopping_patience=1)
    summary = ground.train(recipe, tmp_path / "run", rows=rows)
    assert (summary["selected_metric"], summary["selected_epoch"]) == (None, 1)
    epochs = [record for record in read_log(tmp_path / "run") if record["kind"] == "epoch"]
    assert [record["validation"] for record in epochs] == [None, None]
    assert equal(weights(tmp_path / "run"), checkpoint.load_state(tmp_path / "run")["average"])


def test_without_average_the_last_weights_themselves_are_judged(ground, tmp_path):
    rows = [row for row in ground.rows if row.split == "train"]
    ground.train(make_recipe(ema_decay=None), tmp_path / "run", rows=rows)
    state = checkpoint.load_state(tmp_path / "run")
    assert state["average"] is None
    assert equal(weights(tmp_path / "run"), state["model"])


def test_boxes_teach_the_map(ground, tmp_path, read_log):
    changes = {
        "stages": [{"epochs": 12, "size": 32}],
        "augment": {},
        "model": {"name": "simple_cnn"},
        "optimiser": {"name": "adam", "learning_rate": 0.01},
    }
    losses = {}
    for weight in (0.0, 3.0):
        recipe = make_recipe(**changes, loss={"map_weight": weight, "map_negative": True}, log_every=5)
        out = tmp_path / str(weight)
        ground.train(recipe, out)
        films = select_films(ground.rows, "train", recipe.data, boxed_negatives=True)
        plates = Plates(films, make_caches(recipe, ground.rows, ground.root)[32], masks=True)
        masks, annotated = plates.masks(np.arange(40))
        model = network(recipe, out)
        with torch.inference_mode():
            _, cam = model.forward_with_map(plates.inputs(np.arange(40)))
            losses[weight] = float(map_loss(cam, masks.float() / 255, annotated).mean())
    assert losses[3.0] < 0.8 * losses[0.0]
    steps = [record for record in read_log(tmp_path / "3.0") if record["kind"] == "step"]
    assert steps[-1]["map_loss"] < steps[0]["map_loss"]
    for record in steps:
        assert record["loss"] == pytest.approx(record["classification_loss"] + 3 * record["map_loss"])


def test_a_loss_that_is_no_number_stops_the_run(ground, tmp_path):
    recipe = make_recipe(
        optimiser={"name": "sgd", "learning_rate": 1e30}, schedule={"name": "constant"}, log_every=5
    )
    with pytest.raises(RecipeError, match="learning_rate"):
        ground.train(recipe, tmp_path / "run")


def test_the_gradient_is_clipped(ground, tmp_path):
    steps = {}
    for clip in (None, 1e-3):
        recipe = make_recipe(
            optimiser={
                "name": "sgd",
                "learning_rate": 1.0,
                "momentum": 0.0,
                "weight_decay": 0.0,
                "gradient_clip": clip,
            },
            schedule={"name": "constant"},
            stages=[{"epochs": 1, "size": 32}],
            batch_size=40,
            ema_decay=None,
        )
        ground.train(recipe, tmp_path / str(clip))
        with torch.random.fork_rng():
            torch.manual_seed(recipe.seed)
            start = build_model("simple_cnn", dropout=0.1)
        end = weights(tmp_path / str(clip))
        moved = [(end[name] - value.detach()).square().sum() for name, value in start.named_parameters()]
        steps[clip] = float(sum(moved)) ** 0.5
    assert steps[1e-3] == pytest.approx(1e-3, rel=1e-3)
    assert steps[None] > 2e-3


@pytest.mark.parametrize(
    "changes",
    [
        {"channels_last": False},
        {"loss": {"name": "focal", "label_smoothing": 0.1}},
    ],
)
def test_variants_train(ground, tmp_path, changes):
    recipe = make_recipe(**changes, stages=[{"epochs": 1, "size": 32}])
    ground.train(recipe, tmp_path / "run")
    assert all(value.isfinite().all() for value in weights(tmp_path / "run").values())
    ground.train(make_recipe(stages=[{"epochs": 1, "size": 32}]), tmp_path / "plain")
    assert not equal(weights(tmp_path / "run"), weights(tmp_path / "plain")) or "channels_last" in changes


@pytest.mark.parametrize(("has", "computed"), [(True, "bf16"), (False, "fp32")])
def test_a_cpu_without_bfloat16_trains_in_single_precision_and_says_so(
    ground, tmp_path, monkeypatch, has, computed
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": has, "avx2": True})
    stages = [{"epochs": 1, "size": 32}]
    told = ground.train(make_recipe(precision="bf16", stages=stages), tmp_path / "run")
    exact = ground.train(make_recipe(precision="fp32", stages=stages), tmp_path / "exact")
    assert (told["precision"], exact["precision"]) == (computed, "fp32")
    assert all(value.isfinite().all() for value in weights(tmp_path / "run").values())
    assert equal(weights(tmp_path / "run"), weights(tmp_path / "exact")) != has


def test_a_run_that_goes_on_where_numbers_round_otherwise_says_so(ground, tmp_path, monkeypatch):
    recipe = make_recipe(precision="bf16", stages=[{"epochs": 1, "size": 32}], checkpoint_minutes=0)

    def go_on(until=None, *, has):
        def stop(done, planned, record):
            if done == until:
                raise KeyboardInterrupt

        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": has})
        try:
            return ground.train(recipe, tmp_path / "run", resume=True, observer=stop)["precision"]
        except KeyboardInterrupt:
            return checkpoint.load_state(tmp_path / "run")["precision"]

    # What a step is saved with is told after the next one has begun.
    assert go_on(2, has=True) == "bf16"
    assert go_on(3, has=False) == "bf16, then fp32"
    assert go_on(has=False) == "bf16, then fp32"
    assert go_on(has=True) == "bf16, then fp32"


def test_a_graphics_card_is_not_asked_what_the_cpu_can(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    assert precision_on(torch.device("cuda"), "bf16") == "bf16"


def test_a_torch_that_cannot_tell_computes_as_the_recipe_says(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert precision_on(torch.device("cpu"), "bf16") == "bf16"


def test_views_are_balanced_where_it_is_asked(ground, tmp_path):
    short = {"stages": [{"epochs": 1, "size": 32}], "ema_decay": None}
    rows = [replace(row, view="AP" if number % 8 else "PA") for number, row in enumerate(ground.rows)]
    for balance in ("label-within-source", "label-and-view-within-source"):
        for name, films in (("with", rows), ("without", ground.rows)):
            ground.train(
                make_recipe(data={"balance": balance}, **short), tmp_path / f"{name}-{balance}", rows=films
            )
    plain = weights(tmp_path / "without-label-within-source")
    assert equal(plain, weights(tmp_path / "with-label-within-source"))
    assert equal(plain, weights(tmp_path / "without-label-and-view-within-source"))
    assert not equal(plain, weights(tmp_path / "with-label-and-view-within-source"))


def test_too_few_films_for_a_batch_is_said(ground, tmp_path):
    with pytest.raises(DataError, match="batch of 64"):
        ground.train(make_recipe(batch_size=64), tmp_path / "run")
    with pytest.raises(DataError, match="out of 0 training films"):
        unlabelled = [replace(row, split="validation") for row in ground.rows]
        ground.train(make_recipe(), tmp_path / "other", rows=unlabelled)


def test_the_observer_hears_every_step_and_every_record(ground, tmp_path, read_log):
    heard = []
    ground.train(make_recipe(), tmp_path / "run", observer=lambda *given: heard.append(given))
    steps = [(done, planned) for done, planned, record in heard if (record or {}).get("kind") != "epoch"]
    assert steps == [(step, 10) for step in range(1, 11)]
    records = [record for _, _, record in heard if record is not None]
    assert len(records) == len(read_log(tmp_path / "run"))

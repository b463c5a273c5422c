import math

import numpy as np
import pytest
import torch
from torch import nn, optim

from pneumoscope.models import build_model
from pneumoscope.training.optimiser import Plateau, build_optimiser, schedule_factor, set_learning_rate
from pneumoscope.training.recipe import OptimiserChoice, ScheduleChoice


def factors(choice, steps):
    return [schedule_factor(choice, step, steps) for step in range(steps)]


def test_cosine_is_torchs():
    optimiser = optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=50, eta_min=0.1)
    expected = []
    for _ in range(50):
        expected.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    np.testing.assert_allclose(factors(ScheduleChoice(final_factor=0.1), 50), expected, rtol=1e-9)


def test_warm_up_rises_to_the_peak_before_any_schedule():
    for name in ("cosine", "plateau", "constant"):
        found = factors(ScheduleChoice(name=name, warm_up_steps=4), 40)
        assert found[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
        assert max(found) == 1.0
    assert factors(ScheduleChoice(name="constant", warm_up_steps=4), 40)[-1] == 1.0
    assert factors(ScheduleChoice(warm_up_steps=4), 40)[-1] < 0.01


@pytest.mark.parametrize("seed", range(5))
def test_plateau_is_torchs(seed):
    losses = np.exp(-0.1 * np.arange(60)) + np.random.default_rng(seed).normal(0, 0.05, 60)
    optimiser = optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.5, patience=2, eps=0.0)
    ours = Plateau(ScheduleChoice(name="plateau", plateau_factor=0.5, plateau_patience=2))
    for loss in losses:
        theirs.step(loss)
        ours.update(float(loss))
        taken_up = Plateau(ScheduleChoice(name="plateau", plateau_factor=0.5, plateau_patience=2))
        taken_up.load(ours.state())
        ours = taken_up
        assert ours.factor == pytest.approx(optimiser.param_groups[0]["lr"])
    assert ours.factor < 0.1


def test_other_schedules_have_no_plateau():
    plateau = Plateau(ScheduleChoice(name="cosine", plateau_patience=0))
    for _ in range(5):
        plateau.update(1.0)
    assert plateau.factor == 1.0
    assert math.isinf(plateau.best)


def test_head_and_vectors_have_groups_of_their_own():
    model = build_model("simple_cnn")
    choice = OptimiserChoice(
        learning_rate=0.1, weight_decay=0.3, decay_vectors=False, head_learning_rate_factor=10
    )
    optimiser = build_optimiser(model, choice)
    set_learning_rate(optimiser, 0.01)
    of = {
        id(parameter): (group["lr"], group["weight_decay"])
        for group in optimiser.param_groups
        for parameter in group["params"]
    }
    assert len(of) == len(list(model.parameters()))
    for name, parameter in model.named_parameters():
        rate = 0.1 if name.startswith("head") else 0.01
        decay = 0.3 if parameter.dim() > 1 else 0.0
        assert of[id(parameter)] == (pytest.approx(rate), decay)


def test_by_default_everything_decays_at_one_rate():
    optimiser = build_optimiser(build_model("simple_cnn"), OptimiserChoice(name="adam", weight_decay=1e-4))
    set_learning_rate(optimiser, 0.5)
    assert {(group["lr"], group["weight_decay"]) for group in optimiser.param_groups} == {(0.5, 1e-4)}


@pytest.mark.parametrize(("name", "kind"), [("adam", optim.Adam), ("adamw", optim.AdamW), ("sgd", optim.SGD)])
def test_names_are_torchs(name, kind):
    assert type(build_optimiser(build_model("simple_cnn"), OptimiserChoice(name=name))) is kind

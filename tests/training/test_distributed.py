import sys
from dataclasses import dataclass

import pytest
import torch

from pneumoscope.data.manifest import manifest_sha256
from pneumoscope.errors import UsageError
from pneumoscope.training import checkpoint, state
from pneumoscope.training.distributed import Processes, process_group
from pneumoscope.training.run_directory import RunDirectory
from tiny_training import make_recipe
from training_worker import without_normalisation

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def test_two_processes_make_the_gradients_of_one(ground, tmp_path, monkeypatch, read_log):
    # With plain SGD the weights are their start less the gradients: equal weights are equal gradients.
    recipe = make_recipe(
        optimiser={"name": "sgd", "learning_rate": 0.5, "momentum": 0.0, "weight_decay": 0.0},
        schedule={"name": "constant"},
        loss={"mixup_alpha": 0.3, "map_weight": 0.5},
        batch_size=16,
        ema_decay=0.5,
        log_every=1,
    )
    two = ground.elsewhere(recipe, tmp_path / "two", TORCHRUN, plain_network=True)
    assert two.returncode == 0, two.stderr
    monkeypatch.setattr(state, "build_model", without_normalisation)
    ground.train(recipe, tmp_path / "one")
    one_state, two_state = (checkpoint.load_state(tmp_path / name) for name in ("one", "two"))
    torch.manual_seed(recipe.seed)
    start = without_normalisation("", pretrained=False).state_dict()
    for part in ("model", "average"):
        for name, value in one_state[part].items():
            torch.testing.assert_close(two_state[part][name], value, rtol=1e-4, atol=1e-6)
            assert not torch.allclose(value, start[name], rtol=1e-4, atol=1e-6)
    one_log, two_log = read_log(tmp_path / "one"), read_log(tmp_path / "two")
    assert len(two_log) == len(one_log) == 6  # and rank 1 wrote nothing of its own
    for ours, theirs in zip(two_log, one_log, strict=True):
        assert ours.keys() == theirs.keys()
        if ours["kind"] == "step":
            assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
            assert ours["map_loss"] == pytest.approx(theirs["map_loss"], rel=1e-5)
        else:
            assert ours["validation"]["loss"] == pytest.approx(theirs["validation"]["loss"], rel=1e-5)
            assert ours["films_seen"] == theirs["films_seen"]


@dataclass(frozen=True)
class Apart(Processes):
    """Two processes of which the other one stands at the start."""

    def total(self, values):
        return values


def test_processes_that_stand_at_different_checkpoints_are_refused(ground, tmp_path):
    recipe = make_recipe(stages=[{"epochs": 1, "size": 32}])
    ground.train(recipe, tmp_path / "run")
    sha256 = manifest_sha256(ground.rows)
    apart = Apart(0, 2, torch.device("cpu"))
    directory = RunDirectory(tmp_path / "run", recipe, sha256, apart, resume=True)
    with pytest.raises(UsageError, match="all machines share"):
        directory.begin(apart)


def test_alone_there_is_one_process_on_the_device_asked_for():
    with process_group("cpu") as processes:
        assert (processes.rank, processes.count, processes.device) == (0, 1, torch.device("cpu"))
        assert processes.leads
        layer = torch.nn.Linear(1, 1)
        assert processes.averaging(layer) is layer
        assert processes.total(torch.ones(2)).tolist() == [1, 1]
    with process_group("auto") as processes:
        assert processes.device.type == ("cuda" if torch.cuda.is_available() else "cpu")

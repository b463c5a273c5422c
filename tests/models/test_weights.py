from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.trained import as_if_trained, films
from pneumoscope.errors import WeightsError
from pneumoscope.models import build_model, load_weights, save_weights


def test_there_and_back(tmp_path: Path) -> None:
    model = as_if_trained("deep_cnn", seed=4)
    save_weights(model, tmp_path / "weights.safetensors")
    other = build_model("deep_cnn").eval()
    with torch.no_grad():
        assert not torch.equal(model(films(2)), other(films(2)))
        load_weights(other, tmp_path / "weights.safetensors")
        assert torch.equal(model(films(2)), other(films(2)))
    assert [path.name for path in tmp_path.iterdir()] == ["weights.safetensors"]


def test_same_weights_give_the_same_bytes_in_any_memory_format(tmp_path: Path) -> None:
    model = as_if_trained("deep_cnn")
    save_weights(model, tmp_path / "a")
    save_weights(model.to(memory_format=torch.channels_last), tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_ensemble_keeps_its_members_and_their_weights(tmp_path: Path) -> None:
    members = {"members": ["simple_cnn", "deep_cnn"]}
    model = as_if_trained("ensemble", **members)
    save_weights(model, tmp_path / "e")
    other = build_model("ensemble", **members).eval()
    load_weights(other, tmp_path / "e")
    with torch.no_grad():
        assert torch.equal(model(films(2)), other(films(2)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("head.bias"), "1 missing .head.bias"),
        (lambda state: state.update(extra=torch.zeros(1)), "1 not of this network .extra"),
        (
            lambda state: state.update({"head.weight": torch.zeros((1, 3))}),
            "1 of another shape or type .head.w",
        ),
        (lambda state: state.update({"head.bias": state["head.bias"].half()}), "1 of another shape or type"),
    ],
)
def test_weights_of_another_network_are_refused(change, message: str, tmp_path: Path) -> None:
    model = build_model("simple_cnn")
    save_weights(model, tmp_path / "w")
    state = load_file(tmp_path / "w")
    change(state)
    save_file(state, tmp_path / "changed")
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    with pytest.raises(WeightsError, match=message):
        load_weights(model, tmp_path / "changed")
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())


@pytest.mark.parametrize("content", [None, b"", b"not safetensors at all"])
def test_missing_or_damaged_file(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "w").write_bytes(content)
    with pytest.raises(WeightsError, match="cannot be read as safetensors"):
        load_weights(build_model("simple_cnn"), tmp_path / "w")

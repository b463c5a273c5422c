"""What leaves torch is what was trained, for every registered network."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from models.trained import SIZE, as_if_trained, films, small_options
from pneumoscope.export import OPSET, to_onnx
from pneumoscope.models import PooledClassifier, build_model, model_names

Export = tuple[PooledClassifier, bytes]

SINGLE = {"rtol": 1e-5, "atol": 1e-4}
"""Two runtimes sum in single precision, each in its own order, and cells of a map reach 10."""


@pytest.fixture(scope="module")
def exported() -> Callable[[str], Export]:
    made: dict[str, Export] = {}

    def export(name: str) -> Export:
        if name not in made:
            model = as_if_trained(name, **small_options(name))
            made[name] = model, to_onnx(model, SIZE)
        return made[name]

    return export


def _session(content: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("name", model_names())
def test_onnxruntime_agrees_with_torch(name: str, exported: Callable[[str], Export]) -> None:
    model, content = exported(name)
    session = _session(content)
    for count in (1, 5):
        with torch.no_grad():
            logit, cam = model.forward_with_map(films(count, seed=9))
        found_logit, found_cam = session.run(["logit", "cam"], {"film": films(count, seed=9).numpy()})
        assert found_logit.dtype == found_cam.dtype == np.float32
        assert found_logit.shape == (count,)
        np.testing.assert_allclose(found_logit, logit.numpy(), **SINGLE)
        np.testing.assert_allclose(found_cam, cam.numpy(), **SINGLE)
        np.testing.assert_allclose(found_cam.mean(axis=(1, 2)) + model.bias.item(), found_logit, **SINGLE)
        assert np.abs(found_cam).max() > 0.01


@pytest.mark.parametrize("name", model_names())
def test_file_is_self_contained_and_plain(name: str, exported: Callable[[str], Export]) -> None:
    _, content = exported(name)
    proto = onnx.load_model_from_string(content)
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", OPSET)]
    assert not proto.functions
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in proto.graph.initializer)
    assert all(
        tensor.data_type != onnx.TensorProto.DOUBLE and tensor.data_type != onnx.TensorProto.FLOAT16
        for tensor in proto.graph.initializer
    )
    operators = {node.op_type for node in proto.graph.node}
    assert not operators & {"BatchNormalization", "Dropout", "Pad"}
    shapes = {
        value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*proto.graph.input, *proto.graph.output)
    }
    assert shapes["film"] == ["batch", 1, SIZE, SIZE]
    assert shapes["logit"] == ["batch"]
    assert shapes["cam"][0] == "batch"
    assert list(shapes) == ["film", "logit", "cam"]


@pytest.mark.parametrize("name", model_names())
def test_file_tells_nothing_of_this_machine(name: str, exported: Callable[[str], Export]) -> None:
    _, content = exported(name)
    # Among millions of random weights there are any three letters.
    graph = onnx.load_from_string(content)
    for initialiser in graph.graph.initializer:
        initialiser.raw_data = b""
    content = graph.SerializeToString()
    for trace in (
        b"site-packages",
        b".py",
        b"line ",
        str(Path.home()).encode() + b"/",
        str(Path.cwd()).encode(),
    ):
        assert trace not in content


@pytest.mark.parametrize("name", ["deep_cnn", "ensemble"])
def test_same_weights_give_the_same_bytes(name: str, exported: Callable[[str], Export]) -> None:
    model, content = exported(name)
    twin = build_model(name, **small_options(name))
    twin.load_state_dict(model.state_dict())
    assert to_onnx(twin, SIZE) == content


def test_other_weights_give_other_bytes(exported: Callable[[str], Export]) -> None:
    _, content = exported("simple_cnn")
    assert to_onnx(as_if_trained("simple_cnn", seed=5), SIZE) != content


def test_model_is_left_as_it_was() -> None:
    model = as_if_trained("simple_cnn").to(memory_format=torch.channels_last).train()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    random_state = torch.random.get_rng_state()
    to_onnx(model, SIZE)
    assert model.training
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())
    assert torch.equal(random_state, torch.random.get_rng_state())


def test_finer_map_is_exported_too() -> None:
    model = as_if_trained("efficientnet_lite0", output_stride=16)
    with torch.no_grad():
        logit, cam = model.forward_with_map(films(2, size=96))
    found_logit, found_cam = _session(to_onnx(model, 96)).run(None, {"film": films(2, size=96).numpy()})
    assert found_cam.shape == (2, 6, 6)
    np.testing.assert_allclose(found_logit, logit.numpy(), **SINGLE)
    np.testing.assert_allclose(found_cam, cam.numpy(), **SINGLE)

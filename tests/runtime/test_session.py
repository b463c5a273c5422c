"""A network that is not what a bundle promises is refused before it scores anything."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from pneumoscope.errors import BundleError
from pneumoscope.runtime.bundle import Bundle
from pneumoscope.runtime.session import open_session
from tiny_bundle import TINY_BIAS, TINY_SIZE, make_tiny_bundle, tiny_onnx


def test_numbers_are_those_of_the_reference_evaluator(bundle: Bundle) -> None:
    film = np.random.default_rng(3).normal(size=(3, 1, TINY_SIZE, TINY_SIZE)).astype(np.float32)
    logit, cam = open_session(bundle).run(["logit", "cam"], {"film": film})
    reference = ReferenceEvaluator(onnx.load_from_string(bundle.onnx))
    expected_logit, expected_cam = reference.run(["logit", "cam"], {"film": film})
    np.testing.assert_allclose(logit, expected_logit, atol=1e-4)
    np.testing.assert_allclose(cam, expected_cam, atol=1e-4)
    np.testing.assert_allclose(cam.mean(axis=(1, 2)) + TINY_BIAS, logit, atol=1e-4)


def test_onnxruntime_tells_nobody(tmp_path: Path) -> None:
    """Its telemetry leaves a file in the temporary folder as soon as a network is loaded."""
    bundle = make_tiny_bundle(tmp_path / "bundle")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    quiet_by_itself = ("CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS")
    environment = {name: value for name, value in os.environ.items() if name not in quiet_by_itself}
    code = f"import pneumoscope; pneumoscope.load({str(bundle)!r})"
    subprocess.run(
        [sys.executable, "-c", code],
        env=environment | {"TMPDIR": str(temporary), "HOME": str(temporary)},
        check=True,
    )
    assert list(temporary.rglob("*")) == []


def renamed(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = "image"
    model.graph.node[0].input[0] = "image"


def wrong_size(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = TINY_SIZE * 2


def fixed_batch(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def no_map(model: onnx.ModelProto) -> None:
    del model.graph.output[1]


def third_output(model: onnx.ModelProto) -> None:
    model.graph.output.append(helper.make_tensor_value_info("pooled", TensorProto.FLOAT, None))


def logit_as_column(model: onnx.ModelProto) -> None:
    model.graph.node[7].output[0] = "unused"
    model.graph.node[6].output[0] = "logit"
    model.graph.node[7].input[0] = "logit"
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["batch", 1]))


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (renamed, "inputs"),
        (wrong_size, "inputs"),
        (fixed_batch, "inputs"),
        (no_map, "outputs"),
        (third_output, "outputs"),
        (logit_as_column, "outputs"),
    ],
)
def test_other_inputs_or_outputs_are_refused(
    bundle: Bundle, change: Callable[[onnx.ModelProto], None], kind: str
) -> None:
    model = onnx.load_from_string(tiny_onnx())
    change(model)
    with pytest.raises(BundleError, match=rf"model\.onnx has the {kind}.*but a bundle has"):
        open_session(replace(bundle, onnx=model.SerializeToString()))


@pytest.mark.parametrize("content", [b"", b"not a network", tiny_onnx()[:-200]])
def test_what_is_no_network_is_refused(bundle: Bundle, content: bytes) -> None:
    with pytest.raises(BundleError, match=r"model\.onnx cannot be loaded"):
        open_session(replace(bundle, onnx=content))


def test_weights_outside_the_bundle_are_refused(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = onnx.load_from_string(tiny_onnx())
    onnx.save_model(
        model,
        "model.onnx",
        save_as_external_data=True,
        location="weights",
        size_threshold=512,
        convert_attribute=False,
    )
    with pytest.raises(BundleError, match=r"weights"):
        open_session(replace(bundle, onnx=Path("model.onnx").read_bytes()))


def test_nothing_is_left_on_disk(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(path.name for path in bundle.directory.iterdir())
    open_session(bundle)
    assert list(tmp_path.iterdir()) == []
    assert sorted(path.name for path in bundle.directory.iterdir()) == before

"""A real, small bundle: an ONNX network of two convolutions built by hand, no torch, no training.

`film` (B, 1, 64, 64) -> convolution 5x5 stride 4 -> ReLU -> convolution 3x3 stride 2 -> ReLU = features
(B, 8, 8, 8) -> global average pooling -> linear = `logit` (B,), and the same linear unit on every cell =
`cam` (B, 8, 8). Weights are drawn from a fixed seed, so the numbers never change; they mean little, but
a film of `generated.chest_like` scores above 0.5 with an opacity and below it without.
"""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from pneumoscope.image.prepare import PrepareParameters
from pneumoscope.runtime.bundle import write_bundle
from pneumoscope.runtime.card import Card, Estimate, Evaluation, OperatingPoint

TINY_BIAS = 8.6875
TINY_SIZE = 64
_CHANNELS = 8


def tiny_weights() -> dict[str, NDArray[np.float32]]:
    """Weights of the network, by name, float32; `head` is (K,) and is also the weight of the map."""
    generator = np.random.default_rng(215)
    return {
        "stem": generator.normal(0.0, 0.30, (4, 1, 5, 5)).astype(np.float32),
        "deep": generator.normal(0.0, 0.25, (_CHANNELS, 4, 3, 3)).astype(np.float32),
        "head": generator.normal(0.0, 6.0, _CHANNELS).astype(np.float32),
    }


def tiny_onnx(size: int = TINY_SIZE) -> bytes:
    """The network as a self-contained ONNX file with the inputs and outputs of a bundle."""
    weights = tiny_weights()
    cells = size // 8
    initializers = [
        numpy_helper.from_array(weights["stem"], "stem"),
        numpy_helper.from_array(weights["deep"], "deep"),
        numpy_helper.from_array(weights["head"].reshape(_CHANNELS, 1), "head"),
        numpy_helper.from_array(weights["head"].reshape(1, _CHANNELS, 1, 1), "head_by_cell"),
        numpy_helper.from_array(np.array([TINY_BIAS], np.float32), "bias"),
        numpy_helper.from_array(np.array([1], np.int64), "axis"),
        numpy_helper.from_array(np.array([-1], np.int64), "flat"),
    ]
    nodes = [
        helper.make_node("Conv", ["film", "stem"], ["c1"], strides=[4, 4], pads=[2, 2, 2, 2]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "deep"], ["c2"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c2"], ["features"]),
        helper.make_node("GlobalAveragePool", ["features"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["vector"]),
        helper.make_node("Gemm", ["vector", "head", "bias"], ["column"]),
        helper.make_node("Reshape", ["column", "flat"], ["logit"]),
        helper.make_node("Conv", ["features", "head_by_cell"], ["cells"]),
        helper.make_node("Squeeze", ["cells", "axis"], ["cam"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("film", TensorProto.FLOAT, ["batch", 1, size, size])],
        [
            helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["batch"]),
            helper.make_tensor_value_info("cam", TensorProto.FLOAT, ["batch", cells, cells]),
        ],
        initializers,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="pneumoscope-tests"
    )
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def tiny_card(**changes: object) -> Card:
    """A plausible card; `changes` replace fields."""
    prepare = PrepareParameters(size=TINY_SIZE)

    def point(threshold: float, sensitivity: float, specificity: float) -> OperatingPoint:
        return OperatingPoint(
            threshold=threshold,
            sensitivity=Estimate(value=sensitivity, low=sensitivity - 0.03, high=sensitivity + 0.02),
            specificity=Estimate(value=specificity, low=specificity - 0.04, high=specificity + 0.03),
            split="validation",
        )

    fields: dict[str, object] = {
        "name": "tiny",
        "version": "0.1.0",
        "architecture": "simple_cnn",
        "prepare": prepare,
        "prepare_sha256": prepare.sha256(),
        "temperature": 1.5,
        "operating_points": {
            "screening": point(0.35, 0.97, 0.72),
            "balanced": point(0.5, 0.91, 0.90),
            "rule-in": point(0.8, 0.70, 0.96),
        },
        "heatmap_limit": 4.0,
        "training_manifest_sha256": "0" * 64,
        "recipe": {"epochs": 0},
        "code_revision": "unknown",
        "evaluations": (
            Evaluation(
                split="test",
                films=624,
                patients=400,
                positives=390,
                metrics={"auc": Estimate(value=0.96, low=0.94, high=0.97)},
                command="pneumoscope evaluate",
            ),
        ),
        "intended_use": "Tests of the software; never a film of a patient.",
        "intended_population": "Artificial films.",
        "limitations": ("Its weights are random numbers.",),
        "training_data": ({"name": "none", "films": 0, "citation": "-", "licence": "-"},),
        "created": "2024-02-29",
    }
    return Card.model_validate(fields | changes)


def make_tiny_bundle(directory: Path, **changes: object) -> Path:
    """Write the bundle into `directory` and return it; `changes` replace fields of the card."""
    write_bundle(directory, tiny_onnx(), tiny_card(**changes), "# tiny\n\nRandom weights, for tests.\n")
    return directory

"""A network in single precision to one that computes with 8-bit integers where that costs little.

Errors of the first layers pass through all others; those that work on a fine grid stay in single precision.
So do the head and what makes the map of the features: the mean of the map plus the bias remains the logit.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import onnx
from numpy.typing import NDArray

from pneumoscope.errors import BundleError
from pneumoscope.runtime.session import keep_quiet

__all__ = ["EXACT_GRID", "quantise_network"]

EXACT_GRID = 4

# Disappear into the convolution before them.
_ABSORBED = ("Clip", "Relu")
# What else onnxruntime has fast integer kernels for on a CPU.
_OPERATIONS = ("Add", "Conv", "MaxPool", *_ABSORBED)


def quantise_network(
    network: bytes, plates: Sequence[NDArray[np.float32]], *, exact_grid: int = EXACT_GRID
) -> bytes:
    """Quantise a network statically: 8-bit activations, 7-bit weights with a scale per output channel.

    Seven bits, since products of eight overflow 16-bit sums on processors without VNNI, so that the same
    bundle would score otherwise there. Ranges are the smallest and largest values on the given films.
    Source: Jacob et al. 2018 (arXiv:1712.05877); onnxruntime's documentation, "Quantize ONNX models".

    Args:
        network: as in a bundle, in single precision.
        plates: (1, S, S) float32 each, normalised, of films that stand for all; some hundred of them.
        exact_grid: layers whose grid has at least 1/exact_grid of the film's sides stay in single precision.

    Returns:
        The serialised network with the same inputs and outputs. The same arguments give the same bytes.

    Raises:
        BundleError: no layer is left to quantise.
    """
    keep_quiet()
    from onnxruntime.quantization import (
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as scratch:
        single, tidy, integers = (Path(scratch, name) for name in ("fp32.onnx", "tidy.onnx", "int8.onnx"))
        single.write_bytes(network)
        quant_pre_process(single, tidy, skip_symbolic_shape=True)
        model = onnx.load(tidy)
        for number, node in enumerate(model.graph.node):
            node.name = f"{node.op_type} {number}"  # they are told apart by name
        exact = _exact_nodes(model, exact_grid)
        if not any(node.op_type == "Conv" and node.name not in exact for node in model.graph.node):
            raise BundleError(
                f"no convolution works on a grid coarser than 1/{exact_grid} of the film: nothing to quantise"
            )
        quantize_static(
            model,
            integers,
            _Reader(plates),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(_OPERATIONS),
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=sorted(exact),
        )
        quantised = onnx.load(integers)
    _tidy(quantised)
    onnx.checker.check_model(quantised, full_check=True)
    return cast(bytes, quantised.SerializeToString(deterministic=True))


def _tidy(model: onnx.ModelProto) -> None:
    """Remove, in place, what the tools left behind and nobody reads: names of operator sets and shapes."""
    used = {node.domain for node in model.graph.node}
    kept = [operators for operators in model.opset_import if operators.domain in used]
    del model.opset_import[:], model.metadata_props[:], model.graph.value_info[:]
    model.opset_import.extend(kept)


class _Reader:
    """Films as onnxruntime's calibration asks for them."""

    def __init__(self, plates: Sequence[NDArray[np.float32]]) -> None:
        self._left: Iterator[NDArray[np.float32]] = iter(plates)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        plate = next(self._left, None)
        return None if plate is None else {"film": plate[np.newaxis]}


def _exact_nodes(model: onnx.ModelProto, exact_grid: int) -> set[str]:
    """Names of the nodes that stay in single precision."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    size = graph.input[0].type.tensor_type.shape.dim[2].dim_value
    heights = {
        value.name: value.type.tensor_type.shape.dim[2].dim_value
        for value in (*graph.value_info, *graph.output)
        if len(value.type.tensor_type.shape.dim) == 4
    }
    fine = {node.name for node in graph.node if heights.get(node.output[0], 0) * exact_grid >= size}
    return fine | _head(graph)


def _head(graph: onnx.GraphProto) -> set[str]:
    """Names of the nodes from the last features to the outputs.

    They begin behind convolutions of several channels, and behind what disappears into these.
    """
    channels = {value.name: value.dims[0] for value in graph.initializer if value.dims}
    maker = {name: node for node in graph.node for name in node.output}
    head: set[str] = set()
    waiting = [value.name for value in graph.output]
    while waiting:
        node = maker.get(waiting.pop())
        if node is None or node.name in head or node.op_type in _ABSORBED:
            continue
        if node.op_type == "Conv" and channels.get(node.input[1], 1) > 1:
            continue
        head.add(node.name)
        waiting.extend(node.input)
    return head

"""From a trained network to one self-contained ONNX file that gives the logit and the exact map."""

import copy
from collections.abc import Iterable
from typing import Protocol, cast

import onnx
import torch
from torch import Tensor, nn

from pneumoscope.models.pooled import PooledClassifier

__all__ = ["OPSET", "lung_network_to_onnx", "to_onnx"]

# The newest operator set that every onnxruntime we accept (1.22 and later) runs, and that the exporter
# converts to without leaving operators behind.
OPSET = 20


class _WithMap(nn.Module):
    """The graph that is exported: its argument and results carry the file's names."""

    def __init__(self, model: PooledClassifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, film: Tensor) -> tuple[Tensor, Tensor]:
        return self.model.forward_with_map(film)


class _Described(Protocol):
    """What every message of an ONNX file with free text has."""

    doc_string: str
    metadata_props: "list[onnx.StringStringEntryProto]"


def to_onnx(model: PooledClassifier, size: int) -> bytes:
    """Export a network for onnxruntime.

    Input `film` (B, 1, S, S) float32, normalised; outputs `logit` (B,) and `cam` (B, h, w) float32, signed,
    in logit units, with mean(cam) + bias = logit. B is free, S is `size`. Batch normalisation and explicit
    padding are folded into the convolutions, dropout is gone, weights are inside, float32. The same weights
    give the same bytes, and no path of the machine is in them.

    Args:
        model: in any mode, on any device; it is left as it was.
        size: S, pixels.

    Returns:
        The file's content, opset `OPSET`.
    """
    return _exported(_WithMap(copy.deepcopy(model)), size, ["logit", "cam"])


def lung_network_to_onnx(network: nn.Module, size: int) -> bytes:
    """Export the network that finds lungs: `film` (B, 1, S, S) float32 grey to `lungs` (B, S, S) logits.

    Args:
        network: in any mode; it is left as it was.
        size: S, pixels.
    """
    return _exported(copy.deepcopy(network), size, ["lungs"])


def _exported(network: nn.Module, size: int, outputs: list[str]) -> bytes:
    network = network.float().cpu().eval().to(memory_format=torch.contiguous_format)
    # Two films, since a batch of one would be taken for a constant.
    example = torch.zeros((2, 1, size, size))
    with torch.no_grad():
        program = torch.onnx.export(
            network,
            (example,),
            input_names=["film"],
            output_names=outputs,
            dynamic_shapes={"film": {0: torch.export.Dim("batch")}},
            opset_version=OPSET,
            dynamo=True,
            optimize=True,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    _strip_descriptions(proto)
    onnx.checker.check_model(proto, full_check=True)
    return cast(bytes, proto.SerializeToString(deterministic=True))


def _strip_descriptions(proto: onnx.ModelProto) -> None:
    """Remove free text, in place: the exporter writes stack traces, with this machine's paths, into it."""
    graph = proto.graph
    parts: Iterable[object] = (
        proto,
        graph,
        *graph.node,
        *graph.initializer,
        *graph.input,
        *graph.output,
        *graph.value_info,
    )
    for part in parts:
        described = cast(_Described, part)
        described.doc_string = ""
        del described.metadata_props[:]
    # Shapes of what lies between are not needed to run the graph.
    del graph.value_info[:]

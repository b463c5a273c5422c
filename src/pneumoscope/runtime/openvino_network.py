"""A network computed by OpenVINO, which is larger to install than onnxruntime and faster on some processors.

In bfloat16 it is much faster, on processors that have this arithmetic (docs/speed.md).
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pneumoscope.errors import BundleError, MissingExtraError

__all__ = ["OpenVinoNetwork", "Port", "import_openvino"]

# A string entry "location" of a TensorProto's external_data: field 1, 8 bytes long.
# Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, StringStringEntryProto.
_NAMES_A_FILE = b"\x0a\x08location"


class Port(NamedTuple):
    """An input or output as onnxruntime describes it: a free axis is a text."""

    name: str
    type: str
    shape: list[int | str]


class OpenVinoNetwork:
    """A network compiled for one film at a time.

    Args:
        onnx: the serialised network, as verified.
        path: of the file it comes from, for messages.
        threads: threads that share one film's arithmetic.
        bfloat16: round to it between operations; what the network itself has in 8-bit integers stays so.

    Raises:
        BundleError: OpenVINO cannot load it, or bfloat16 is wanted and this processor has none.
        MissingExtraError: openvino is not installed.
    """

    def __init__(self, onnx: bytes, path: Path, threads: int = 1, *, bfloat16: bool = True) -> None:
        openvino = import_openvino()
        if _NAMES_A_FILE in onnx:
            raise BundleError(f"{path} names files for its weights, which no hash covers: export it again")
        core = openvino.Core()
        if bfloat16 and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise BundleError(
                f"{path.parent} is a bundle in bfloat16, which this processor does not have (it needs "
                "AVX512_BF16 or AMX): use the bundle that it was made from, or one in int8"
            )
        try:
            model = core.read_model(onnx)
            self._inputs, self._outputs = list(map(_port, model.inputs)), list(map(_port, model.outputs))
            model.reshape([1, *model.inputs[0].get_partial_shape()[1:]])
            # Each calling thread has a stream of its own, as many as there are cores; pinned to cores, those
            # of several processes would get into each other's way.
            streams = max(1, (os.cpu_count() or 1) // threads)
            compiled = core.compile_model(
                model,
                "CPU",
                {
                    "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
                    "NUM_STREAMS": streams,
                    "INFERENCE_NUM_THREADS": streams * threads,
                    "ENABLE_CPU_PINNING": False,
                },
            )
        except RuntimeError as error:
            raise BundleError(f"{path} cannot be loaded: {_last_line(error)}") from error
        self._free: SimpleQueue[Any] = SimpleQueue()
        for _ in range(streams):
            self._free.put(compiled.create_infer_request())

    def get_inputs(self) -> list[Port]:
        """As of an onnxruntime session."""
        return self._inputs

    def get_outputs(self) -> list[Port]:
        """As of an onnxruntime session."""
        return self._outputs

    def run(
        self, output_names: Sequence[str], feeds: dict[str, NDArray[np.float32]]
    ) -> list[NDArray[np.float32]]:
        """As of an onnxruntime session, but for one film: every input's first axis has length one.

        May be called from several threads at once; as many films as there are cores are scored at the same
        time.
        """
        request = self._free.get()
        try:
            request.infer(feeds, share_inputs=True)
            return [np.array(request.get_tensor(name).data) for name in output_names]
        finally:
            self._free.put(request)


def import_openvino() -> Any:
    """The package openvino, imported without its messenger.

    On import, openvino reports to its maker through the package openvino_telemetry, and writes an identifier
    into the home folder; where that package is missing it has a stand-in that does nothing.
    Source: openvino/tools/ovc/telemetry_utils.py of openvino 2026.4.
    """
    hidden = "openvino" not in sys.modules and "openvino_telemetry" not in sys.modules
    if hidden:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        import openvino
    except ModuleNotFoundError as error:
        raise MissingExtraError("openvino", "openvino") from error
    finally:
        if hidden:
            del sys.modules["openvino_telemetry"]
    return openvino


def _port(node: Any) -> Port:
    element = {"f32": "float"}.get(node.get_element_type().get_type_name(), "other")
    shape: list[int | str] = [
        f"axis {number}" if axis.is_dynamic else axis.get_length()
        for number, axis in enumerate(node.get_partial_shape())
    ]
    return Port(min(node.get_names(), default=""), f"tensor({element})", shape)


def _last_line(error: RuntimeError) -> str:
    """What went wrong; the lines before say where in OpenVINO's own sources."""
    return next((line for line in reversed(str(error).splitlines()) if line.strip()), "no reason was given")

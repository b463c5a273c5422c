"""The network of a bundle, loaded, its inputs and outputs checked against the contract."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pneumoscope.errors import BundleError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pneumoscope.runtime.bundle import Bundle

__all__ = ["Network", "check_session", "keep_quiet", "load_network", "open_session"]

_FLOAT = "tensor(float)"
_FATAL = 4  # severity; errors arrive as exceptions, and warnings about graphs are no news to the user

# Whether what is not in 8-bit integers is rounded to bfloat16.
_BY_OPENVINO = {"fp32-openvino": False, "bf16": True, "int8-bf16": True}


class Network(Protocol):
    """What computes: onnxruntime's `InferenceSession`, or what stands for it in another arithmetic.

    `run` may be called from several threads at once.
    """

    def run(
        self, output_names: list[str], feeds: "dict[str, NDArray[np.float32]]"
    ) -> "list[NDArray[np.float32]]":
        """Values of the named outputs."""

    def get_inputs(self) -> list[Any]:
        """Name, type and shape of each."""

    def get_outputs(self) -> list[Any]:
        """Name, type and shape of each."""


def open_session(bundle: "Bundle", threads: int = 1) -> Network:
    """Load the network of a bundle on the CPU, in the arithmetic that its card states.

    Args:
        bundle: as verified.
        threads: threads that share one film's arithmetic.

    Raises:
        BundleError: as `load_network` and `check_session` raise it.
    """
    session = load_network(bundle.onnx, bundle.directory, threads, bundle.card.arithmetic)
    check_session(session, bundle)
    return session


def load_network(onnx: bytes, directory: Path, threads: int = 1, arithmetic: str = "fp32") -> Network:
    """Load a network, whatever its inputs and outputs; other threads go on meanwhile.

    Args:
        onnx: the serialised network, as verified.
        directory: of its bundle.
        threads: threads that share one film's arithmetic.
        arithmetic: that it was measured in, and by what, as `LowerPrecision.arithmetic` lists them.

    Raises:
        BundleError: it cannot be loaded, or this processor does not have that arithmetic.
        MissingExtraError: openvino is needed for it and is not installed.
    """
    if arithmetic in _BY_OPENVINO:
        from pneumoscope.runtime.openvino_network import OpenVinoNetwork

        return OpenVinoNetwork(onnx, directory / "model.onnx", threads, bfloat16=_BY_OPENVINO[arithmetic])
    keep_quiet()
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    onnxruntime.disable_telemetry_events()  # where somebody else has imported it before
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    options.use_deterministic_compute = True
    path = directory / "model.onnx"
    # A network may name files for its weights, and onnxruntime would look for them in the working directory,
    # where no hash has covered them. No file lies below another file.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(path))
    try:
        session: Network = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    except (
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.NotImplemented,
    ) as error:
        raise BundleError(f"{path} cannot be loaded: {str(error).splitlines()[0]}") from error
    return session


def check_session(session: Network, bundle: "Bundle") -> None:
    """Compare a network's inputs and outputs with the contract.

    Raises:
        BundleError: they are not `film` (B, 1, S, S) -> `logit` (B,), `cam` (B, h, w), all float32, S as on
            the card.
    """
    path = bundle.directory / "model.onnx"
    size = bundle.card.prepare.size
    _check(path, "input", session.get_inputs(), {"film": ("batch", 1, size, size)})
    _check(path, "output", session.get_outputs(), {"logit": ("batch",), "cam": ("batch", "height", "width")})


def keep_quiet() -> None:
    """Before onnxruntime is imported: keep it from telling its maker about our sessions.

    Its official builds for Linux and macOS send events over the network from version 1.29 on, and keep an
    identifier of the device and a file in the temporary folder, unless this variable says no when it starts.
    Source: https://github.com/microsoft/onnxruntime/pull/27379.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"


def _check(path: Any, kind: str, found: list[Any], wanted: dict[str, tuple[int | str, ...]]) -> None:
    """Compare names, types and shapes; in `wanted` an axis with a name may have any length.

    The first axis is the batch and must not be fixed.
    """
    described = {node.name: (node.type, tuple(node.shape)) for node in found}
    for name, shape in wanted.items():
        kind_found, shape_found = described.get(name, (None, ()))
        fits = len(shape_found) == len(shape) and all(
            isinstance(axis, str) or axis == axis_found
            for axis, axis_found in zip(shape, shape_found, strict=True)
        )
        if kind_found != _FLOAT or not fits or isinstance(shape_found[0], int):
            break
    else:
        if len(described) == len(wanted):
            return
    expected = ", ".join(f"{name} {shape} float32".replace("'", "") for name, shape in wanted.items())
    raise BundleError(f"{path} has the {kind}s {described}, but a bundle has {expected}: export it again")

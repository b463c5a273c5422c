"""Where the lungs of a whole film are, by the network that `pneumoscope train-lungs` trains."""

import os
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscope.data.lungs import Mask
from pneumoscope.errors import DataError

__all__ = ["LUNG_SIDE", "LungFinder", "shared_finder"]

LUNG_SIDE = 128
"""Height and width that the network looks at, pixels."""

_SHIPPED = "lung_finder.onnx"


class LungFinder:
    """Finds lungs; opacities inside them count as lung.

    Args:
        network: file that `pneumoscope train-lungs` wrote; None for the one that comes with the package.
        threads: that share one film's arithmetic.

    Raises:
        DataError: the file is not there, or holds no such network.
    """

    def __init__(self, network: Path | None = None, *, threads: int = 1) -> None:
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # see runtime/session.py
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as state

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        name = str(network or _SHIPPED)
        try:
            content = (network or files("pneumoscope.data").joinpath(_SHIPPED)).read_bytes()
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except OSError as error:
            raise DataError(
                f"{name}: cannot be opened ({error.strerror}); train it: pneumoscope train-lungs"
            ) from error
        except (state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf) as error:
            raise DataError(f"{name}: holds no network; train it again: pneumoscope train-lungs") from error

    def find(self, plate: NDArray[np.uint8]) -> Mask:
        """Lungs of one film.

        Args:
            plate: (H, W) uint8, grey, at any scale; equal shares of height and width must be kept or padded
                as `make_plate` does.

        Returns:
            (H, W) bool.
        """
        small = Image.fromarray(plate).resize((LUNG_SIDE, LUNG_SIDE), Image.Resampling.BILINEAR)
        film = np.asarray(small, dtype=np.float32)[np.newaxis, np.newaxis]  # (1, 1, S, S)
        (logit,) = self._session.run(None, {"film": film})
        back = Image.fromarray(logit[0]).resize(plate.shape[::-1], Image.Resampling.BILINEAR)
        return np.asarray(back) > 0


@cache
def shared_finder() -> LungFinder:
    """The network that comes with the package, loaded once per process."""
    return LungFinder()

"""From the name of a bundle to a predictor, by the shortest way: the start of nearly every run."""

import json
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from pneumoscope.runtime.bundle_files import BundleFiles, find_bundle, read_files
from pneumoscope.runtime.session import Network, load_network

if TYPE_CHECKING:
    from pneumoscope.runtime.predictor import Predictor

__all__ = ["load"]


def load(
    bundle: str | Path | None = None,
    *,
    operating_point: str = "balanced",
    threads: int | None = None,
    guard: bool = True,
) -> "Predictor":
    """A predictor for the shipped bundle, for another one by name, or for the bundle in a folder.

    The options are those of `Predictor`.

    Raises:
        BundleError: there is no such bundle, or it was altered.
        UsageError: the bundle has no such operating point, or `threads` is below one.
    """
    directory = find_bundle(bundle)
    with ThreadPoolExecutor(1) as pool:
        # Verifying and loading a network takes about as long as importing what understands the rest of the
        # bundle, and leaves the interpreter free for it.
        reading = pool.submit(read_files, directory)
        # Before onnxruntime, which imports it too: two threads that import numpy at once see half of it.
        import numpy  # noqa: F401

        loading = pool.submit(_network, reading, max(threads or 1, 1))
        from pneumoscope.runtime.bundle import understand
        from pneumoscope.runtime.predictor import Predictor

        session = loading.result()
    files = reading.result()
    return Predictor(
        understand(files), operating_point=operating_point, threads=threads, guard=guard, session=session
    )


def _network(reading: "Future[BundleFiles]", threads: int) -> Network:
    files = reading.result()
    arithmetic = _arithmetic(files.contents["card.json"])
    return load_network(files.contents["model.onnx"], files.directory, threads, arithmetic)


def _arithmetic(card: bytes) -> str:
    """What `Card.arithmetic` will say; what else is wrong with a card is said when it is understood."""
    try:
        return str(json.loads(card)["lower_precision"]["arithmetic"])
    except (ValueError, TypeError, KeyError):
        return "fp32"

"""Weights to and from safetensors files: nothing is unpickled, and nothing is left out silently."""

import os
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from pneumoscope.errors import WeightsError
from pneumoscope.models.pooled import PooledClassifier

__all__ = ["load_weights", "save_weights"]


def save_weights(model: PooledClassifier, path: str | Path) -> None:
    """Write all parameters and buffers; the same weights give the same bytes.

    The file appears whole or not at all, and is on the disk when this returns.

    Args:
        model: on any device, in any memory format.
        path: of the file, usually `weights.safetensors`; an existing one is replaced.
    """
    path = Path(path)
    unfinished = path.with_name(path.name + ".part")
    state = {key: tensor.detach().cpu().contiguous() for key, tensor in model.state_dict().items()}
    content = save(state)
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def load_weights(model: PooledClassifier, path: str | Path) -> None:
    """Fill a network from a file of `save_weights`, in place, on whatever device it is.

    Args:
        model: of the architecture and options that were saved.
        path: of the file.

    Raises:
        WeightsError: the file is missing or damaged, or its tensors are not exactly the network's.
    """
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"{path} cannot be read as safetensors ({error}): name weights that pneumoscope train has "
            "written, after its first epoch"
        ) from error
    wanted = model.state_dict()
    wrong = {
        "missing": sorted(wanted.keys() - found.keys()),
        "not of this network": sorted(found.keys() - wanted.keys()),
        "of another shape or type": sorted(
            key
            for key in wanted.keys() & found.keys()
            if (wanted[key].shape, wanted[key].dtype) != (found[key].shape, found[key].dtype)
        ),
    }
    complaints = [f"{len(keys)} {what} ({keys[0]}...)" for what, keys in wrong.items() if keys]
    if complaints:
        raise WeightsError(
            f"{path} holds the weights of another network: tensors {'; '.join(complaints)}: "
            "build the network with the name and options it was trained with"
        )
    with torch.no_grad():
        model.load_state_dict(found, strict=True)

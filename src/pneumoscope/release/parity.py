"""Does the exported network compute what the trained one does? Asked on real films, never on noise."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from pneumoscope.errors import BundleError
from pneumoscope.image.prepare import prepare
from pneumoscope.image.read import read
from pneumoscope.models import PooledClassifier
from pneumoscope.runtime.predictor import Predictor

__all__ = ["LARGEST_DIFFERENCE", "Parity", "check_parity"]

LARGEST_DIFFERENCE = 1e-4
# Single precision carries seven digits, and a cell of the map may be dozens of logit units.
_SHARE_OF_HOTTEST_CELL = 1e-5


class Parity(NamedTuple):
    """Largest differences of torch and the runtime.

    Attributes:
        films: compared.
        logit: absolute, logit units.
        cam: absolute, over all cells, logit units.
    """

    films: int
    logit: float
    cam: float


def check_parity(
    model: PooledClassifier,
    predictor: Predictor,
    films: Sequence[Path],
    limit: float = LARGEST_DIFFERENCE,
) -> Parity:
    """Compare logit and map of every film in torch and in the runtime.

    A map may also differ by a hundred-thousandth of its own largest cell, where that is more than the limit.

    Args:
        model: the trained network; is put in evaluation mode.
        predictor: with the exported one.
        films: files that can be read.
        limit: largest absolute difference that is accepted, logit units.

    Raises:
        BundleError: a difference is larger, or not a number.
        FilmError: a film cannot be read.
    """
    model.eval()
    worst_logit = worst_cam = 0.0
    for path in films:
        radiograph = read(path)
        exported = predictor.score(radiograph)
        network_input, _ = prepare(radiograph, predictor.bundle.card.prepare)
        with torch.inference_mode():
            logit, cam = model.forward_with_map(torch.from_numpy(network_input)[None])
        logit_difference = abs(float(logit[0]) - exported.logit)
        cam_difference = float(np.abs(cam[0].numpy() - exported.cam).max())
        cam_limit = max(limit, _SHARE_OF_HOTTEST_CELL * float(np.abs(exported.cam).max()))
        if not (logit_difference <= limit and cam_difference <= cam_limit):
            raise BundleError(
                f"{path.name}: torch and the exported network differ by {logit_difference:.2g} in the logit "
                f"and {cam_difference:.2g} in the map, more than {limit:g}: the export is not this network"
            )
        worst_logit, worst_cam = max(worst_logit, logit_difference), max(worst_cam, cam_difference)
    return Parity(len(films), worst_logit, worst_cam)

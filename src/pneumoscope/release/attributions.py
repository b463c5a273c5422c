"""Other ways to ask the same network where: captum's methods, each one signed map over the plate."""

import copy
import warnings
from collections.abc import Callable
from typing import NamedTuple, cast

import numpy as np
import torch
from captum.attr import GuidedGradCam, IntegratedGradients, LayerGradCam, Occlusion, Saliency
from numpy.typing import NDArray
from torch import Tensor, nn

from pneumoscope.models import PooledClassifier

__all__ = ["METHODS", "OURS", "Attribution", "attributable", "guided_units"]

Map = NDArray[np.float32]

_STEPS = 50  # of the path integral, captum's default
_AT_ONCE = 10  # films of a path or occlusion that go through the network together
_OCCLUDED = 7  # the occluding square has a side of one part in this many of the plate's


class Attribution(NamedTuple):
    """One method.

    Attributes:
        name: key.
        title: for people.
        explain: network and (1, 1, S, S) plate to a signed map (h, w) float32 over the whole plate.
        fine: has a value per pixel, so that a smoothed form is worth looking at.
    """

    name: str
    title: str
    explain: Callable[[PooledClassifier, Tensor], Map]
    fine: bool = False


def attributable(model: PooledClassifier) -> PooledClassifier:
    """A copy that captum can look into: in evaluation mode, no unit overwrites its input."""
    network = copy.deepcopy(model).eval()
    for module in network.modules():
        if getattr(module, "inplace", False):
            module.inplace = cast(Tensor, False)
    return network


def guided_units(model: nn.Module) -> int:
    """Units whose gradient guided backpropagation changes: captum knows ReLU, and neither ReLU6 nor SiLU.

    Where there are none, Guided Grad-CAM is Grad-CAM times the plain gradient.
    """
    return sum(isinstance(module, nn.ReLU) for module in model.modules())


def _closed_form(model: PooledClassifier, plate: Tensor) -> Map:
    with torch.inference_mode():
        return model.forward_with_map(plate)[1][0].numpy()


def _grad_cam(model: PooledClassifier, plate: Tensor) -> Map:
    """Source: Selvaraju et al. 2017, before the ReLU, so that the sign stays."""
    return _numbers(LayerGradCam(model, model.features).attribute(plate))


def _guided_grad_cam(model: PooledClassifier, plate: Tensor) -> Map:
    """Source: Selvaraju et al. 2017, section 3.2; Springenberg et al. 2015."""
    with warnings.catch_warnings():
        # captum says at each call that it sets hooks and removes them.
        warnings.filterwarnings("ignore", message="Setting backward hooks on ReLU", category=UserWarning)
        return _numbers(GuidedGradCam(model, model.features).attribute(_with_gradient(plate)))


def _integrated_gradients(model: PooledClassifier, plate: Tensor) -> Map:
    """Source: Sundararajan et al. 2017; the path starts at the middle grey that normalisation takes for 0."""
    method = IntegratedGradients(model)
    return _numbers(method.attribute(_with_gradient(plate), n_steps=_STEPS, internal_batch_size=_AT_ONCE))


def _saliency(model: PooledClassifier, plate: Tensor) -> Map:
    """Source: Simonyan et al. 2014; absolute values, as its authors have it."""
    return _numbers(Saliency(model).attribute(_with_gradient(plate)))


def _occlusion(model: PooledClassifier, plate: Tensor) -> Map:
    """Source: Zeiler & Fergus 2014; a middle grey square moves by half of its side."""
    side = max(2, plate.shape[-1] // _OCCLUDED)
    with torch.inference_mode():
        return _numbers(
            Occlusion(model).attribute(
                plate,
                sliding_window_shapes=(1, side, side),
                strides=(1, side // 2, side // 2),
                perturbations_per_eval=_AT_ONCE,
            )
        )


def _with_gradient(plate: Tensor) -> Tensor:
    return plate.detach().clone().requires_grad_()


def _numbers(attribution: Tensor) -> Map:
    """(1, 1, h, w) to (h, w) float32."""
    return attribution[0, 0].detach().float().numpy()


OURS = Attribution("closed_form", "Ours, in closed form", _closed_form)
"""The map that a bundle gives."""

METHODS: tuple[Attribution, ...] = (
    OURS,
    Attribution("grad_cam", "Grad-CAM (captum)", _grad_cam),
    Attribution("guided_grad_cam", "Guided Grad-CAM (captum)", _guided_grad_cam, fine=True),
    Attribution("integrated_gradients", "Integrated gradients (captum)", _integrated_gradients, fine=True),
    Attribution("saliency", "Saliency (captum)", _saliency, fine=True),
    Attribution("occlusion", "Occlusion (captum)", _occlusion),
)
"""All methods, ours first."""

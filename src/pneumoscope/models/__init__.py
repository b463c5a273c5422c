"""The networks, by name (needs the `train` extra)."""

from pneumoscope.models import (  # noqa: F401  they register builders
    convolutional,
    efficientnet_lite,
    pretrained,
    residual,
)
from pneumoscope.models.ensemble import Ensemble
from pneumoscope.models.pooled import PooledClassifier, class_activation_map
from pneumoscope.models.registry import (
    PretrainedWeights,
    build_model,
    model_names,
    model_options,
    pretrained_weights,
)
from pneumoscope.models.weights import load_weights, save_weights

__all__ = [
    "Ensemble",
    "PooledClassifier",
    "PretrainedWeights",
    "build_model",
    "class_activation_map",
    "load_weights",
    "model_names",
    "model_options",
    "pretrained_weights",
    "save_weights",
]

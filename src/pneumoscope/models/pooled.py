"""A network that ends in global average pooling and one linear unit, and the exact map it gives for free."""

from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

__all__ = ["HasEvidence", "PooledClassifier", "class_activation_map"]


def class_activation_map(features: Tensor, weight: Tensor) -> Tensor:
    """Signed evidence map of a network that ends in global average pooling and one linear unit.

    Its mean plus the bias is the logit. Clipped at zero and divided by h * w it is Grad-CAM.
    Source: Selvaraju et al. 2017 (arXiv:1610.02391), eq. 1-2, in closed form; Zhou et al. 2016
    (arXiv:1512.04150), eq. 2.

    Args:
        features: (B, K, h, w), the tensor that is pooled.
        weight: (K,) float32 of the linear unit.

    Returns:
        (B, h, w) float32 in logit units; not rescaled, not clipped.

    >>> class_activation_map(torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]]), torch.tensor([1.0, -1.0]))
    tensor([[[-2., -2.]]])
    """
    # Products and sums, not a convolution: autocast would round a convolution to bfloat16.
    return (features.float() * weight[:, None, None]).sum(dim=1)


@runtime_checkable
class HasEvidence(Protocol):
    """Features that know a cheaper way to their class activation map than by themselves."""

    def evidence(self, film: Tensor, weight: Tensor) -> Tensor:
        """(B, 1, S, S) and (K,) to `class_activation_map` of the features, (B, h, w) float32."""


class PooledClassifier(nn.Module):
    """Features, global average pooling, dropout, one linear unit.

    The last three run in float32 under autocast too, so that logits are not rounded to bfloat16.

    Args:
        features: maps (B, 1, S, S) to (B, channels, h, w).
        channels: K, the number of feature maps.
        dropout: probability of dropping a pooled channel in training.

    Attributes:
        features: as given; the layer whose Grad-CAM the map is.
        dropout: before the head.
        head: the linear unit, K to 1.
    """

    def __init__(self, features: nn.Module, channels: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.features = features
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, 1)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    @property
    def weight(self) -> Tensor:
        """(K,) float32 of the linear unit."""
        return self.head.weight[0]

    @property
    def bias(self) -> Tensor:
        """Scalar float32: the logit of a film without any evidence."""
        return self.head.bias[0]

    def forward(self, film: Tensor) -> Tensor:
        """Score films.

        Args:
            film: (B, 1, S, S) float32, normalised.

        Returns:
            (B,) float32 logits of pneumonia.
        """
        features = cast(Tensor, self.features(film))  # (B, K, h, w)
        pooled = features.float().mean(dim=(2, 3))  # (B, K)
        kept = cast(Tensor, self.dropout(pooled))
        return (kept * self.weight).sum(dim=1) + self.bias

    def forward_with_map(self, film: Tensor) -> tuple[Tensor, Tensor]:
        """Score films and say where, in one pass.

        In training the logit is that of `forward`, given the same random state, and the map is of the
        channels that dropout kept: mean(map) + bias = logit holds there too.

        Args:
            film: (B, 1, S, S) float32, normalised.

        Returns:
            logit: (B,) float32.
            cam: (B, h, w) float32 in logit units, signed; its mean plus `bias` is the logit.
        """
        if not self.training and isinstance(self.features, HasEvidence):
            cam = self.features.evidence(film, self.weight)
        else:
            features = cast(Tensor, self.features(film))  # (B, K, h, w)
            if self.training:
                kept = self.dropout(torch.ones(features.shape[:2], device=features.device))  # (B, K)
                features = features.float() * kept[:, :, None, None]
            cam = class_activation_map(features, self.weight)
        return cam.mean(dim=(1, 2)) + self.bias, cam

"""What training makes small: one number per film, pure functions."""

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["binary_cross_entropy", "focal_loss", "map_loss", "mix_pairs", "smooth", "taught_map_loss"]


def smooth(targets: Tensor, label_smoothing: float) -> Tensor:
    """Move targets towards one half.

    Source: Szegedy et al. 2016, section 7, for two classes.

    Args:
        targets: (B,) float32 in [0, 1].
        label_smoothing: in [0, 1).

    Returns:
        (B,) float32.

    >>> smooth(torch.tensor([0.0, 1.0]), 0.1)
    tensor([0.0500, 0.9500])
    """
    return targets * (1.0 - label_smoothing) + 0.5 * label_smoothing


def binary_cross_entropy(logit: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of each film.

    Args:
        logit: (B,) float.
        targets: (B,) float32 in [0, 1].

    Returns:
        (B,) float32.
    """
    return functional.binary_cross_entropy_with_logits(logit.float(), targets, reduction="none")


def focal_loss(logit: Tensor, targets: Tensor, gamma: float) -> Tensor:
    """Cross-entropy with easy films weighed down: (1 - p_t)^gamma * CE, without alpha.

    Soft targets weigh both classes, t (1 - p)^gamma log p + (1 - t) p^gamma log(1 - p), which is the paper's
    equation at 0 and 1. Source: Lin et al. 2017, eq. 4.

    Args:
        logit: (B,) float.
        targets: (B,) float32 in [0, 1].
        gamma: 0 gives cross-entropy.

    Returns:
        (B,) float32.
    """
    logit = logit.float()
    positive = functional.logsigmoid(logit)
    negative = functional.logsigmoid(-logit)
    return -(
        targets * (gamma * negative).exp() * positive + (1.0 - targets) * (gamma * positive).exp() * negative
    )


def map_loss(cam: Tensor, masks: Tensor, annotated: Tensor, outside: Tensor | None = None) -> Tensor:
    """Cross-entropy of the map's cells against the share of each cell inside a radiologist's box.

    A cell's value alone is its logit: zero separates finding from none, so that what a reader sees as warm is
    what radiologists would box. The head's bias stays free to say how much warm area makes a positive film.

    Args:
        cam: (B, h, w) float, the signed map in logit units.
        masks: (B, S, S) float32 in [0, 1]; what it holds for films without annotation does not matter.
        annotated: (B,) float32 in [0, 1], 0 for films without annotation.
        outside: (B, S, S) float32, weight with which a film without annotation is cold there; None for none.

    Returns:
        (B,) float32, the mean over a film's cells, each times its weight.
    """
    grid = (cam.shape[1], cam.shape[2])
    share = functional.adaptive_avg_pool2d(masks.unsqueeze(1), grid).squeeze(1)  # (B, h, w)
    cells = functional.binary_cross_entropy_with_logits(cam.float(), share.clamp(0.0, 1.0), reduction="none")
    if outside is None:
        return cells.mean(dim=(1, 2)) * annotated
    weight = functional.adaptive_avg_pool2d(outside.unsqueeze(1), grid).squeeze(1)  # (B, h, w)
    known = annotated.view(-1, 1, 1)
    unboxed = functional.binary_cross_entropy_with_logits(
        cam.float(), torch.zeros_like(share), reduction="none"
    )
    return (cells * known + unboxed * weight * (1 - known)).mean(dim=(1, 2))


def taught_map_loss(cam: Tensor, warm: Tensor) -> Tensor:
    """Cross-entropy of the map's cells against those of teachers.

    Args:
        cam: (B, h, w) float, the signed map in logit units.
        warm: (B, g, k) float32 in [0, 1], the teachers' cells as probabilities, on whatever grid.

    Returns:
        (B,) float32, the mean over a film's cells.
    """
    cells = functional.adaptive_avg_pool2d(warm.unsqueeze(1), (cam.shape[1], cam.shape[2])).squeeze(1)
    return functional.binary_cross_entropy_with_logits(cam.float(), cells, reduction="none").mean(dim=(1, 2))


def mix_pairs(values: Tensor, partner: Tensor, weight: Tensor) -> Tensor:
    """MixUp: weight * own + (1 - weight) * partner's.

    Source: Zhang et al. 2018, eq. 1.

    Args:
        values: (B, ...) float32: films, targets or masks.
        partner: (B,) int64, the film that each is mixed with.
        weight: (B,) float32 in [0, 1].

    Returns:
        (B, ...) float32.
    """
    weight = weight.view(-1, *[1] * (values.dim() - 1))  # (B, 1, ...)
    return torch.lerp(values[partner], values, weight)

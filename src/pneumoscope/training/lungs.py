"""Training of the network that finds lungs, from films that exist whole and cut to the lungs.

Only normal films exist so, and a network that has seen no others takes an opacity for the edge of a lung. So
half of the films it learns from are transplants: lungs with opacities inside a body whose lungs are known.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pneumoscope.data.lung_finder import LUNG_SIDE
from pneumoscope.data.lung_pairs import LungFilm
from pneumoscope.data.lungs import transplant
from pneumoscope.errors import DataError
from pneumoscope.image.prepare import PrepareParameters
from pneumoscope.models.lung_network import LungNetwork
from pneumoscope.training.arithmetic import autocast
from pneumoscope.training.augment import AugmentParameters, augment
from pneumoscope.training.draws import Draws
from pneumoscope.training.sampling import seed_of

__all__ = ["LUNG_AUGMENTATION", "dice", "train_lung_network"]

Observer = Callable[[int, int, float], None]

LUNG_AUGMENTATION = AugmentParameters(
    rotate_degrees=15,
    scale=(0.7, 1.5),
    aspect=(0.75, 1.33),
    translate=0.1,
    flip_probability=0.5,
    brightness=0.1,
    contrast=0.2,
    gamma=(0.5, 1.8),
    tone_curve=0.7,
    noise=0.05,
    blur_probability=0.4,
    border_probability=0.3,
    marker_probability=0.4,
    erase_probability=0.3,
    erase_area=0.15,
)
"""Wide enough to cover children, other machines and badly centred films."""

_BATCH = 24
_LEARNING_RATE = 2e-3
_WARM_UP = 30
_TRANSPLANTED = 0.5  # share of films
_GREY = PrepareParameters(size=224, intensity="as-stored", mean=0.0, std=1.0)


def train_lung_network(
    whole: Sequence[LungFilm],
    cut: Sequence[LungFilm],
    *,
    steps: int = 700,
    seed: int = 0,
    observer: Observer | None = None,
) -> LungNetwork:
    """Train on the films of split "train".

    Args:
        whole: films with known lungs.
        cut: films whose lungs may be put into them.
        steps: of 24 films each.
        seed: of weights, films and augmentation.
        observer: told step, steps and loss.

    Returns:
        The network, ready to score.

    Raises:
        DataError: there are no training films.
    """
    whole = [film for film in whole if film.split == "train"]
    cut = [film for film in cut if film.split == "train"]
    if not whole or not cut:
        raise DataError("there are no training films that exist whole and cut to learn lungs from")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = LungNetwork().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=_LEARNING_RATE, weight_decay=0.01)
    for step in range(steps):
        for group in optimiser.param_groups:
            warm = min(1.0, (step + 1) / _WARM_UP)
            group["lr"] = _LEARNING_RATE * warm * (0.505 + 0.495 * math.cos(math.pi * step / steps))
        films, lungs = _batch(whole, cut, seed, step)
        with autocast(torch.device("cpu"), "bf16"):
            logit = network(films.contiguous(memory_format=torch.channels_last))
        loss = functional.binary_cross_entropy_with_logits(logit.float(), lungs) + _dice_loss(
            logit.float(), lungs
        )
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        if observer is not None:
            observer(step + 1, steps, float(loss.detach()))
    return network.eval()


def dice(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    """Overlap of two masks: twice the common area over the sum of both; 1 where both are empty.

    >>> round(dice(np.array([True, True, False]), np.array([True, False, False])), 3)
    0.667
    """
    total = int(found.sum()) + int(true.sum())
    return 2.0 * int((found & true).sum()) / total if total else 1.0


def _batch(whole: Sequence[LungFilm], cut: Sequence[LungFilm], seed: int, step: int) -> tuple[Tensor, Tensor]:
    """(B, 1, S, S) float32 grey in [0, 1] and (B, S, S) float32 share of lung, S = LUNG_SIDE."""
    draw = np.random.default_rng(seed_of(seed, 4, step))
    films, lungs = [], []
    for _ in range(_BATCH):
        host = whole[int(draw.integers(len(whole)))]
        film, inside = host.film, host.lungs
        if draw.random() < _TRANSPLANTED:
            donor = cut[int(draw.integers(len(cut)))]
            film = transplant(donor.film, donor.lungs, host.film, host.lungs, donor.boxes, draw).film
        films.append(film)
        lungs.append(inside * np.uint8(255))
    generator = torch.Generator()
    generator.manual_seed(seed_of(seed, 5, step))
    inputs, masks = augment(
        torch.from_numpy(np.stack(films)),
        torch.from_numpy(np.stack(lungs)),
        LUNG_AUGMENTATION,
        _GREY,
        Draws([generator]),
    )
    assert masks is not None
    return _small(inputs), _small(masks.unsqueeze(1)).squeeze(1)


def _small(images: Tensor) -> Tensor:
    return functional.interpolate(
        images, size=LUNG_SIDE, mode="bilinear", antialias=True, align_corners=False
    )


def _dice_loss(logit: Tensor, lungs: Tensor) -> Tensor:
    """Source: Milletari et al. 2016 (V-Net), section 3, without squares."""
    inside = logit.sigmoid()
    common = (inside * lungs).sum(dim=(1, 2))
    total = inside.sum(dim=(1, 2)) + lungs.sum(dim=(1, 2))
    return (1 - (2 * common + 1) / (total + 1)).mean()

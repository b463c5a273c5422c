"""Batches of augmented films, made in the background while the network works.

What a batch holds depends on seed, epoch and step alone, not on the number of processes: each group of eight
films is augmented with a generator of its own, and a process takes whole groups. A graphics card changes all
films of a batch at once; on the CPU a group at a time stays in the processor's own memory.
"""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pneumoscope.data.lung_masks import MARGIN
from pneumoscope.errors import RecipeError
from pneumoscope.training.augment import augment
from pneumoscope.training.dataset import Plates
from pneumoscope.training.draws import CPU, GROUP, Draws
from pneumoscope.training.losses import mix_pairs
from pneumoscope.training.recipe import Recipe
from pneumoscope.training.sampling import seed_of

__all__ = ["Batch", "BatchMaker", "check_batch_size", "prefetch"]

_AHEAD = 2
_WHOLLY = 0.99
_BLACK = 8  # stored grey up to which a pixel is outside a cut film, or in its padding
_KNOTS = 3  # greys across a film whose lungs are painted over


@dataclass(frozen=True, slots=True)
class Batch:
    """What one process trains on in one step.

    Attributes:
        inputs: (B, 1, S, S) float32, augmented and normalised.
        targets: (B,) float32, mixed where MixUp is on.
        masks: (B, S, S) float32 in [0, 1], or None where the map is not trained.
        annotated: (B,) float32 in [0, 1], or None.
        outside: (B, S, S) float32 in [0, 1], 0 in and around the lungs, or None where it is not wanted.
        folds: (B,) int64 on the CPU, or None where it is not wanted.
    """

    inputs: Tensor
    targets: Tensor
    masks: Tensor | None
    annotated: Tensor | None
    outside: Tensor | None = None
    folds: Tensor | None = None

    def to(self, device: torch.device, memory_format: torch.memory_format) -> "Batch":
        """The same batch on a device; `inputs` in a memory format."""
        return Batch(
            self.inputs.to(device, non_blocking=True, memory_format=memory_format),
            self.targets.to(device, non_blocking=True),
            None if self.masks is None else self.masks.to(device, non_blocking=True),
            None if self.annotated is None else self.annotated.to(device, non_blocking=True),
            None if self.outside is None else self.outside.to(device, non_blocking=True),
            self.folds,
        )


def check_batch_size(batch_size: int, processes: int) -> None:
    """Refuse a batch that cannot be shared out in whole groups.

    Raises:
        RecipeError: the batch does not divide.
    """
    if processes > 1 and batch_size % (processes * GROUP):
        raise RecipeError(
            f"batch_size: {batch_size} films cannot be shared by {processes} processes in groups of {GROUP}; "
            f"take a multiple of {processes * GROUP}"
        )


class BatchMaker:
    """Makes the batches of one epoch, any of them at any time.

    Args:
        plates: training films at this stage's size.
        order: films of the epoch, indices into `plates`, from `epoch_order`.
        recipe: gives batch size, augmentation, MixUp and seed.
        epoch: number within the run.
        rank: of this process.
        processes: how many share a batch.
        device: where films are changed.
    """

    def __init__(
        self,
        plates: Plates,
        order: NDArray[np.int64],
        recipe: Recipe,
        epoch: int,
        *,
        rank: int = 0,
        processes: int = 1,
        device: torch.device = CPU,
    ) -> None:
        check_batch_size(recipe.batch_size, processes)
        self.steps = len(order) // recipe.batch_size
        self._plates = plates
        self._order = order
        self._recipe = recipe
        self._epoch = epoch
        self._share = recipe.batch_size // processes
        self._first = rank * self._share
        self._device = device
        self._at_once = GROUP if device.type == "cpu" else self._share

    def __call__(self, step: int) -> Batch:
        """Make this process's share of one batch.

        Args:
            step: within the epoch, below `steps`.
        """
        start = step * self._recipe.batch_size + self._first
        parts = []
        for offset in range(0, self._share, self._at_once):
            stop = start + min(offset + self._at_once, self._share)
            indices = self._order[start + offset : stop]
            parts.append(self._part(indices, step, (self._first + offset) // GROUP))
        return _joined(parts)

    def _part(self, indices: NDArray[np.int64], step: int, first: int) -> Batch:
        """Films of one or more whole groups, `first` being the number of their first one in the batch."""
        recipe = self._recipe
        seeds = [
            seed_of(recipe.seed, 1, self._epoch, step, first + number)
            for number in range(-(-len(indices) // GROUP))
        ]
        draws = Draws([torch.Generator().manual_seed(seed) for seed in seeds], self._device)
        plates, targets = draws.on_device(self._plates.plates(indices)), self._plates.targets(indices)
        masks, annotated = self._plates.masks(indices) or (None, None)
        lungs, folds = self._plates.lungs(indices, self._device), self._plates.folds(indices)
        if masks is not None:
            masks = draws.on_device(masks)
        if recipe.data.lungless_share > 0:
            assert lungs is not None, "films without lungs need to know where they are"
            painted = draws.chance(len(indices), recipe.data.lungless_share)
            plates = _paint_lungs(plates, lungs, painted, draws)
            targets = targets.where(~painted, 0.0)
            if masks is not None and annotated is not None:
                masks = masks.where(~draws.on_device(painted)[:, None, None], 0)
                annotated = annotated.where(~painted, 1.0)
        told = recipe.loss.outside_weight > 0
        if told:
            assert masks is not None, "outside_weight needs a map"
            assert lungs is not None, "outside_weight needs lungs"
            masks = torch.stack((masks, 255 - lungs), dim=1)  # (B, 2, S, S)
        inputs, masks = augment(plates, masks, recipe.augment, self._plates.prepare, draws)
        targets = draws.on_device(targets)
        annotated = None if annotated is None else draws.on_device(annotated)
        if told:
            assert masks is not None
            # What a cell holds of lung must not be cold: only cells wholly outside count.
            return Batch(inputs, targets, masks[:, 0], annotated, (masks[:, 1] > _WHOLLY).float(), folds)
        if recipe.loss.mixup_alpha == 0:
            return Batch(inputs, targets, masks, annotated, folds=folds)
        partner, weight = self._pairs(draws, len(indices), step, first)
        return Batch(
            mix_pairs(inputs, partner, weight),
            mix_pairs(targets, partner, weight),
            None if masks is None else mix_pairs(masks, partner, weight),
            # A mixed film has a known map only where both of its films have.
            None if annotated is None else annotated * annotated[partner],
        )

    def _pairs(self, draws: Draws, count: int, step: int, first: int) -> tuple[Tensor, Tensor]:
        """For MixUp: each film's partner within its group, (B,) int64, and its own weight, (B,) float32."""
        recipe = self._recipe
        partners, weights = [], []
        for number, (generator, films) in enumerate(draws.groups(count)):
            many = films.stop - films.start
            partners.append(films.start + torch.randperm(many, generator=generator))
            # torch's Beta takes no generator; numpy's does.
            own = np.random.default_rng(seed_of(recipe.seed, 3, self._epoch, step, first + number))
            mixed = own.beta(recipe.loss.mixup_alpha, recipe.loss.mixup_alpha, many)
            weights.append(torch.from_numpy(mixed.astype(np.float32)))
        return draws.on_device(torch.cat(partners)), draws.on_device(torch.cat(weights))


def _paint_lungs(plates: Tensor, lungs: Tensor, painted: Tensor, draws: Draws) -> Tensor:
    """Hide the lungs of some films behind greys that no tissue has: one alone, or a smooth course of several.

    Args:
        plates: (B, S, S) uint8.
        lungs: (B, S, S) uint8, above 0 in the lungs and around them; part of that margin may stay.
        painted: (B,) bool on the CPU, which films.
        draws: the only source of randomness.

    Returns:
        (B, S, S) uint8; of the painted films a third have black lungs, a third have grey ones.
    """
    count, size = len(plates), plates.shape[-1]
    black, smooth = draws.uniform(count, 0.0, 1.0) < 1 / 3, draws.uniform(count, 0.0, 1.0) < 1 / 2
    knots = draws.uniform(count, 0.0, 255.0, 1, _KNOTS, _KNOTS)
    knots = torch.where(smooth[:, None, None, None], knots, knots[:, :, :1, :1])  # else one grey
    knots = knots.where(~black[:, None, None, None], 0.0)
    plates = plates.clone()
    for films, margin in draws.of_each_group(len(plates), 0.0, MARGIN):
        picked = painted[films].nonzero()[:, 0] + films.start
        if len(picked) == 0:
            continue
        bare = int(margin * size)  # pixels of margin left
        body = functional.max_pool2d((lungs[picked] == 0).float(), 2 * bare + 1, stride=1, padding=bare)
        greys = functional.interpolate(knots[picked], size=size, mode="bilinear", align_corners=True)
        chosen = plates[picked]
        hidden = (body == 0) & (chosen > _BLACK)  # a film cut to the lungs keeps its outline
        plates[picked] = torch.where(hidden, greys[:, 0].to(torch.uint8), chosen)
    return plates


def _joined(groups: list[Batch]) -> Batch:
    columns = []
    for field in fields(Batch):
        parts = [getattr(group, field.name) for group in groups]
        columns.append(None if parts[0] is None else torch.cat(parts))
    inputs, targets, *rest = columns
    assert inputs is not None
    assert targets is not None
    return Batch(inputs, targets, *rest)


def prefetch(make: Callable[[int], Batch], first: int, steps: int, *, threads: int = 1) -> Generator[Batch]:
    """Yield `make(first)` to `make(steps - 1)` in order, each made ahead of time in the background.

    torch's and numpy's kernels release the interpreter's lock, so that threads suffice, and the plates need
    not be copied to another process.

    Args:
        make: called once with each step; by several threads at once if there are several.
        first: step to begin with.
        steps: the first step that is not made.
        threads: that make batches. One is enough for a network on the CPU, which shares the cores with it.

    Raises:
        Exception: whatever `make` raised, in the step where it did.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="batches")
    try:
        pending: deque[Future[Batch]] = deque()
        following = first
        while following < steps or pending:
            while following < steps and len(pending) < threads + _AHEAD:
                pending.append(pool.submit(make, following))
                following += 1
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)

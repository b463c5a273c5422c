"""Random numbers for a batch of films: the same on any device, and for any number of processes."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["CPU", "GROUP", "Draws"]

CPU = torch.device("cpu")

GROUP = 8
"""Films of a batch that share one generator."""


class Draws:
    """Draws for the films of a batch, each group of eight from a generator of its own.

    All numbers but the values of `grain` come from generators on the CPU, wherever they are used: a film
    changes in the same way on a graphics card.

    Args:
        generators: one for each group of `GROUP` films, or one for all films.
        device: where the films are.
    """

    def __init__(self, generators: Sequence[torch.Generator], device: torch.device = CPU) -> None:
        self._generators = tuple(generators)
        self._device = device

    def groups(self, count: int) -> list[tuple[torch.Generator, slice]]:
        """Each generator with those of `count` films that draw from it."""
        if len(self._generators) == 1:
            return [(self._generators[0], slice(0, count))]
        return [
            (generator, slice(first, min(first + GROUP, count)))
            for generator, first in zip(self._generators, range(0, count, GROUP), strict=True)
        ]

    def rand(self, count: int, *shape: int) -> Tensor:
        """(count, *shape) float32 on the CPU, uniform in [0, 1)."""
        return torch.cat(
            [
                torch.rand(films.stop - films.start, *shape, generator=generator)
                for generator, films in self.groups(count)
            ]
        )

    def uniform(self, count: int, low: float, high: float, *shape: int) -> Tensor:
        """(count, *shape) float32 on the films' device, uniform in [low, high)."""
        return self.on_device(self.rand(count, *shape) * (high - low) + low)

    def log_uniform(self, count: int, bounds: tuple[float, float]) -> Tensor:
        """(count,) float32 on the films' device, log-uniform within the bounds."""
        return self.uniform(count, math.log(bounds[0]), math.log(bounds[1])).exp()

    def chance(self, count: int, probability: float) -> Tensor:
        """(count,) bool on the CPU, each true with this probability."""
        return self.rand(count) < probability

    def of_each_group(self, count: int, low: float, high: float) -> list[tuple[slice, float]]:
        """The films of each group, and one number uniform in [low, high) for all of them."""
        return [
            (films, float(torch.rand(1, generator=generator)) * (high - low) + low)
            for generator, films in self.groups(count)
        ]

    def grain(self, films: Tensor) -> Tensor:
        """Standard normal numbers of the shape and on the device of (B, ...) films.

        They come from a generator of that device, which the groups' generators seed.
        """
        grain = torch.empty_like(films)
        own = torch.Generator(films.device)
        for generator, group in self.groups(len(films)):
            own.manual_seed(int(torch.randint(2**62, (1,), generator=generator)))
            grain[group].normal_(generator=own)
        return grain

    def on_device(self, values: Tensor) -> Tensor:
        """The same values where the films are."""
        return values.to(self._device, non_blocking=True)

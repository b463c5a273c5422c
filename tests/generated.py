"""Artificial chest films: bright mediastinum and ribs, two dark lungs, optionally an opacity."""

import numpy as np
from numpy.typing import NDArray


def chest_like(
    seed: int, *, height: int = 256, width: int = 224, opacity: bool = False, noise: float = 4.0
) -> NDArray[np.uint8]:
    """Draw an artificial frontal film.

    Args:
        seed: makes the film; equal seeds give equal films.
        height: rows.
        width: columns.
        opacity: put a soft bright patch into one lung.
        noise: standard deviation of the grain, grey levels.

    Returns:
        (height, width) uint8, dense is bright.
    """
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    y = (y + 0.5) / height * 2 - 1
    x = (x + 0.5) / width * 2 - 1
    film = 150.0 - 30.0 * (x**2 + y**2)
    centre = generator.uniform(0.40, 0.48)
    for side in (-1, 1):
        lung = ((x - side * centre) / generator.uniform(0.28, 0.34)) ** 2 + (
            y / generator.uniform(0.6, 0.7)
        ) ** 2
        film -= 95.0 / (1.0 + np.exp(12.0 * (lung - 1.0)))
    film += 50.0 * np.exp(-((x / 0.12) ** 2))
    film += 9.0 * np.sin(y * generator.uniform(22, 28) + 1.5 * x**2) * (np.abs(x) > 0.15)
    if opacity:
        side = generator.choice((-1, 1))
        distance = ((x - side * centre) / 0.2) ** 2 + ((y - generator.uniform(-0.1, 0.4)) / 0.22) ** 2
        film += 80.0 * np.exp(-distance)
    film += generator.normal(0.0, noise, film.shape)
    return np.clip(np.rint(film), 0, 255).astype(np.uint8)

"""A real, small guard, fitted in a second on artificial films; nothing of it is stored."""

from functools import cache

import numpy as np

from generated import chest_like
from pneumoscope.data.distortions import SPOILED, as_sent
from pneumoscope.data.drawn_images import ARTIFICIAL
from pneumoscope.data.guard_examples import Example
from pneumoscope.data.guard_fit import FitOptions, fit_guard, set_thresholds
from pneumoscope.errors import RejectedFilmError
from pneumoscope.image.appearance import film_view
from pneumoscope.image.guard import Guard, Population
from pneumoscope.image.radiograph import Radiograph

TINY_POPULATION = Population(
    age_years=(1, 90), shortest_side=80, aspect=(0.4, 2.5), contrast=0.2, white=0.3, levels=60
)


def made_examples(seed: int, films: int, each: int) -> list[Example]:
    """Artificial chest films, what becomes of them, and drawn images."""
    generator = np.random.default_rng(seed)
    pixels = [chest_like(seed * 10_000 + number, opacity=number % 2 == 0) for number in range(films)]
    images = [(one, "made", True, False) for one in pixels]
    images += [(as_sent(one, generator), "made", True, True) for one in pixels]
    for name, spoil in SPOILED.items():
        images += [(spoil(pixels[index % films], generator), name, False, True) for index in range(each)]
    for name, draw in ARTIFICIAL.items():
        images += [(draw(generator), name, False, True) for _ in range(each)]
    examples = []
    for image, family, chest, altered in images:
        try:
            view = film_view(Radiograph(np.ascontiguousarray(image), family, "ARRAY"))
        except RejectedFilmError:  # a film spoiled until it is blank
            continue
        examples.append(Example(view, chest, family, altered))
    return examples


@cache
def tiny_guard() -> Guard:
    """The guard, fitted once per test session."""
    options = FitOptions(directions=24, units=16, networks=1, epochs=30)
    guard = fit_guard(
        made_examples(1, 240, 30), np.random.default_rng(0), options, population=TINY_POPULATION
    )
    return set_thresholds(guard, made_examples(2, 200, 0), refused=0.01, warned=0.02)

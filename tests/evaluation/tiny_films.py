"""Generated films of two sources with their truth, and a predictor that tells them apart fairly well."""

from pathlib import Path

from PIL import Image

from generated import chest_like
from pneumoscope.evaluation.films import LabelledFilm
from pneumoscope.runtime.bundle import Bundle, open_bundle
from tiny_bundle import make_tiny_bundle


def tiny_films(directory: Path, count: int = 24) -> list[LabelledFilm]:
    """Every second film has an opacity; two films per patient; "east" and "west" take turns by patient."""
    directory.mkdir(parents=True, exist_ok=True)
    films = []
    for number in range(count):
        path = directory / f"film-{number:02}.png"
        image = chest_like(number, height=72, width=64, opacity=number % 2 == 1, noise=6.0)
        Image.fromarray(image).save(path)
        patient = number // 4 * 2 + number % 2
        source = "east" if number // 4 % 2 == 0 else "west"
        films.append(LabelledFilm(path, number % 2, f"made:{patient}", source))
    return films


def tiny_bundle(directory: Path, **changes: object) -> Bundle:
    """The bundle that tests share, opened."""
    return open_bundle(make_tiny_bundle(directory, **changes))

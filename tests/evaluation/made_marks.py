"""Generated films with what was drawn on them, and explainers whose maps are known."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from generated import chest_like
from pneumoscope.evaluation.explanation_films import Explainer, Marks
from pneumoscope.image.radiograph import Radiograph


@dataclass(frozen=True)
class MadeFilm:
    """A film whose marks are arrays."""

    path: Path
    patient: str
    source: str
    lesions: NDArray[np.bool_]
    lungs: NDArray[np.bool_] | None = None

    def marks(self, radiograph: Radiograph) -> Marks:
        assert radiograph.pixels.shape == self.lesions.shape
        return Marks(self.lesions, self.lungs)


@dataclass(frozen=True)
class MadeExplanation:
    """A map, and a score that goes with it."""

    heatmap: NDArray[np.float32]
    logit: float = 1.0
    finding: str = field(default="PNEUMONIA")


def disc(height: int, width: int, row: float, column: float, radius: float) -> NDArray[np.bool_]:
    y, x = np.mgrid[0:height, 0:width]
    return np.asarray((y - row) ** 2 + (x - column) ** 2 <= radius**2)


def made_films(directory: Path, count: int = 12, *, lungs: bool = True) -> list[MadeFilm]:
    """Two films per patient; "east" and "west" take turns by patient; a lesion somewhere in the left half."""
    directory.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(7)
    films = []
    for number in range(count):
        height, width = 72 + number % 3, 64
        path = directory / f"film-{number:02}.png"
        Image.fromarray(chest_like(number, height=height, width=width, opacity=True)).save(path)
        lesion = disc(height, width, generator.uniform(20, 50), generator.uniform(12, 24), 3 + number % 5)
        both = disc(height, width, 36, 18, 16) | disc(height, width, 36, 46, 16)
        source = "east" if number // 2 % 2 == 0 else "west"
        films.append(MadeFilm(path, f"made:{number // 2}", source, lesion, both if lungs else None))
    return films


def follows_the_film(radiograph: Radiograph) -> MadeExplanation:
    """A map that is the film itself, smoothed, whatever its brightness: it moves as the film moves."""
    smooth = ndimage.gaussian_filter(radiograph.pixels.astype(np.float32), 4.0)
    return MadeExplanation(smooth - smooth.mean(), float(smooth.max()))


def points_at(row: int, column: int) -> Explainer:
    """The same map for every film, hottest at one pixel."""

    def explain(radiograph: Radiograph) -> MadeExplanation:
        y, x = np.mgrid[0 : radiograph.height, 0 : radiograph.width]
        return MadeExplanation((10.0 - np.hypot(y - row, x - column)).astype(np.float32))

    return explain

"""Pneumonia on chest radiographs: a calibrated probability, how far to trust it, and where it sees it.

import pneumoscope

predictor = pneumoscope.load()
film = predictor.predict("film.dcm")
film.probability, film.finding, film.heatmap, film.overlay()
"""

from pneumoscope._version import __version__
from pneumoscope.errors import (
    BundleError,
    DataError,
    FilmError,
    MissingExtraError,
    PneumoscopeError,
    RecipeError,
    RejectedFilmError,
    ServiceError,
    UnreadableFilmError,
    UsageError,
    WeightsError,
)
from pneumoscope.runtime.film import Failure, Film
from pneumoscope.runtime.predictor import Predictor, load

__all__ = [
    "BundleError",
    "DataError",
    "Failure",
    "Film",
    "FilmError",
    "MissingExtraError",
    "PneumoscopeError",
    "Predictor",
    "RecipeError",
    "RejectedFilmError",
    "ServiceError",
    "UnreadableFilmError",
    "UsageError",
    "WeightsError",
    "__version__",
    "load",
]

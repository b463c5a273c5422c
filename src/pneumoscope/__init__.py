"""Pneumonia on chest radiographs: a calibrated probability, how far to trust it, and where it sees it.

import pneumoscope

predictor = pneumoscope.load()
film = predictor.predict("film.dcm")
film.probability, film.finding, film.heatmap, film.overlay()
"""

from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from pneumoscope.runtime.film import Failure, Film
    from pneumoscope.runtime.loading import load
    from pneumoscope.runtime.predictor import Predictor

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

# Imported when they are first asked for: the command line can say what is wrong, or load a network, before
# numpy and all that is built on it have been imported.
_MODULES = {
    "Failure": "pneumoscope.runtime.film",
    "Film": "pneumoscope.runtime.film",
    "Predictor": "pneumoscope.runtime.predictor",
    "load": "pneumoscope.runtime.loading",
}


def __getattr__(name: str) -> Any:
    """A name of the public API that has not been used before."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    """The public API, whether it has been used or not."""
    return [*__all__]

"""Networks by name. Registering a builder is enough to have its network built, exported and tested."""

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pneumoscope.errors import UsageError
from pneumoscope.models.pooled import PooledClassifier

__all__ = [
    "PretrainedWeights",
    "build_model",
    "model_names",
    "model_options",
    "pretrained_weights",
    "register",
    "register_prefix",
]

Builder = Callable[..., PooledClassifier]
F = TypeVar("F", bound=Builder)


@dataclass(frozen=True, slots=True)
class PretrainedWeights:
    """Where a network's starting weights come from, and the input they were trained on.

    Attributes:
        source: package or hub name.
        licence: SPDX identifier.
        mean: of the input, after division by 255: `PrepareParameters.mean`.
        std: divided by after that: `PrepareParameters.std`.
    """

    source: str
    licence: str
    mean: float
    std: float


@dataclass(frozen=True, slots=True)
class _Entry:
    builder: Builder
    weights: PretrainedWeights | None


_ENTRIES: dict[str, _Entry] = {}
_PREFIXES: dict[str, Builder] = {}


def register(name: str, *, weights: PretrainedWeights | None = None) -> Callable[[F], F]:
    """Enter a builder under a name.

    The builder takes keyword options with defaults, and `pretrained: bool` where it has `weights`.

    Args:
        name: unique, lower case.
        weights: of `pretrained=True`; None where there are none.
    """

    def enter(builder: F) -> F:
        assert name not in _ENTRIES, f"{name} is registered twice"
        _ENTRIES[name] = _Entry(builder, weights)
        return builder

    return enter


def register_prefix(prefix: str) -> Callable[[F], F]:
    """Enter a builder for every name `prefix:rest`; it takes `rest`, `pretrained` and keyword options."""

    def enter(builder: F) -> F:
        assert prefix not in _PREFIXES, f"{prefix} is registered twice"
        _PREFIXES[prefix] = builder
        return builder

    return enter


def model_names() -> list[str]:
    """Names of all registered networks, sorted; names with a prefix (`timm:...`) are not listed."""
    return sorted(_ENTRIES)


def pretrained_weights(name: str) -> PretrainedWeights | None:
    """What `build_model(name, pretrained=True)` starts from; None where there is nothing to start from.

    Raises:
        UsageError: no network has that name.
    """
    return _entry(name).weights


def model_options(name: str) -> dict[str, Any]:
    """Options of a network with their defaults.

    Raises:
        UsageError: no network has that name.
    """
    return _options(_entry(name).builder)


def build_model(name: str, *, pretrained: bool = False, **options: Any) -> PooledClassifier:
    """Build a network.

    Args:
        name: one of `model_names()`, or `timm:NAME`.
        pretrained: start from published weights instead of random ones.
        options: of that network, see `model_options`.

    Returns:
        The network in training mode, on the CPU, float32. Random weights come from torch's global generator.

    Raises:
        UsageError: unknown name or option, or pretrained weights of a network that has none.
        WeightsError: published weights cannot be had, or are not the published ones.
    """
    prefix, colon, rest = name.partition(":")
    if colon and prefix in _PREFIXES:
        builder = _PREFIXES[prefix]
        _refuse_unknown_options(name, builder, options)
        return builder(rest, pretrained=pretrained, **options)
    entry = _entry(name)
    _refuse_unknown_options(name, entry.builder, options)
    if entry.weights is not None:
        options["pretrained"] = pretrained
    elif pretrained:
        having = ", ".join(other for other in model_names() if _ENTRIES[other].weights is not None)
        raise UsageError(f"{name} has no pretrained weights: set pretrained to false, or use one of {having}")
    return entry.builder(**options)


def _entry(name: str) -> _Entry:
    if name in _ENTRIES:
        return _ENTRIES[name]
    close = difflib.get_close_matches(name, _ENTRIES, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    prefixes = ", ".join(f"{prefix}:NAME" for prefix in sorted(_PREFIXES))
    raise UsageError(f"no network is called {name!r}: {hint}known are {', '.join(model_names())}, {prefixes}")


def _options(builder: Builder) -> dict[str, Any]:
    return {
        parameter.name: parameter.default
        for parameter in inspect.signature(builder).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and parameter.name != "pretrained"
    }


def _refuse_unknown_options(name: str, builder: Builder, options: dict[str, Any]) -> None:
    known = _options(builder)
    for option in options:
        if option not in known:
            raise UsageError(f"{name} has no option {option!r}: its options are {', '.join(known) or 'none'}")

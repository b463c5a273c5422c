"""Figures as JSON takes them."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from pneumoscope.runtime.card import Estimate

__all__ = ["plain"]


def plain(value: Any) -> Any:
    """Dataclasses, named tuples, mappings and estimates as dicts, recursively; anything else as it is.

    >>> plain({"a": (Estimate(value=0.5, low=0.25, high=0.75),)})
    {'a': [{'value': 0.5, 'low': 0.25, 'high': 0.75}]}
    """
    if isinstance(value, Estimate):
        return value.model_dump()
    if is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {key: plain(item) for key, item in value._asdict().items()}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value

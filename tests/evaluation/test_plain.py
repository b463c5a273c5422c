from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

from pneumoscope.evaluation.plain import plain
from pneumoscope.runtime.card import Estimate


class _Named(NamedTuple):
    a: int


@dataclass
class _Held:
    estimate: Estimate
    named: _Named
    others: tuple[object, ...]


def test_everything_becomes_dicts_and_lists():
    held = _Held(
        Estimate(value=0.5, low=0.0, high=1.0), _Named(3), (OrderedDict(b=[_Named(4)]), "text", None)
    )
    assert plain(held) == {
        "estimate": {"value": 0.5, "low": 0.0, "high": 1.0},
        "named": {"a": 3},
        "others": [{"b": [{"a": 4}]}, "text", None],
    }

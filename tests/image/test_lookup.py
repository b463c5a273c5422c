"""Bands change nothing: the same entries as numpy gives at one go."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from pneumoscope.image.lookup import look_up

WORDS = [np.uint8, np.uint16]
ENTRIES = [np.uint8, np.uint16, np.float32]
# Around one band, one row over a band, and several bands.
SHAPES = [(1, 1), (256, 256), (257, 256), (700, 900)]


def values(dtype, shape, seed=0):
    top = np.iinfo(dtype).max + 1
    return np.random.default_rng(seed).integers(0, top, shape).astype(dtype)


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("entries", ENTRIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_entries_are_those_of_numpy(words, entries, shape):
    drawn = values(words, shape)
    table = np.random.default_rng(1).integers(0, 200, np.iinfo(words).max + 1).astype(entries)
    found = look_up(table, drawn)
    assert found.dtype == entries
    np.testing.assert_array_equal(found, table[drawn])


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("entries", [np.uint8, np.uint16])
def test_views_and_read_only_pixels(words, entries):
    drawn = values(words, (300, 500))
    drawn.flags.writeable = False
    table = np.arange(np.iinfo(words).max + 1, dtype=np.uint16)[::-1].astype(entries)
    for view in (drawn[::2, ::3], drawn.T, drawn[:, ::-1]):
        found = look_up(table, view)
        np.testing.assert_array_equal(found, table[view])
        found[0, 0] = 7  # it is the caller's own


@given(
    nps.arrays(
        np.uint16, nps.array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.integers(0, 4095)
    )
)
def test_short_tables(words):
    table = np.arange(4096, dtype=np.uint16) * 16
    np.testing.assert_array_equal(look_up(table, words), words * 16)

"""The search finds what comparing everything with everything finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pneumoscope.data.neighbours import near_pairs, plan_search


def random_words(count: int, seed: int) -> NDArray[np.uint64]:
    return np.random.default_rng(seed).integers(0, 2**64, (count, 4), dtype=np.uint64, endpoint=False)


def with_flips(word: NDArray[np.uint64], flips: int, seed: int) -> NDArray[np.uint64]:
    """The hash with so many different bits turned over."""
    changed = word.copy()
    for bit in np.random.default_rng(seed).choice(256, flips, replace=False).tolist():
        changed[bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
    return changed


def brute_force(words: NDArray[np.uint64], radius: int) -> set[tuple[int, int]]:
    distance = np.bitwise_count(words[:, None] ^ words[None]).sum(axis=2)
    return {(i, j) for i, j in zip(*np.nonzero(distance <= radius), strict=True) if i < j}


@given(st.integers(0, 10_000), st.integers(2, 60))
def test_pairs_within_the_certain_radius_are_all_found(seed: int, count: int) -> None:
    words = random_words(count, seed)
    certain = plan_search(count).certain_radius
    words[1::2] = [
        with_flips(word, (index * 3) % (certain + 1), seed) for index, word in enumerate(words[: count // 2])
    ]
    words = np.unique(words, axis=0)
    pairs, distances = near_pairs(words, radius=certain)
    assert set(map(tuple, pairs.tolist())) == brute_force(words, certain)
    expected = np.bitwise_count(words[pairs[:, 0]] ^ words[pairs[:, 1]]).sum(axis=1)
    np.testing.assert_array_equal(distances, expected)


def test_nothing_beyond_the_radius_is_reported() -> None:
    words = random_words(500, 1)
    words[250:] = [with_flips(word, 21, index) for index, word in enumerate(words[:250])]
    pairs, distances = near_pairs(words, radius=20)
    assert len(pairs) == 0
    pairs, distances = near_pairs(words, radius=21)
    assert len(pairs) > 240
    assert set(distances.tolist()) == {21}
    assert np.array_equal(pairs[:, 1], pairs[:, 0] + 250)


@pytest.mark.parametrize("flips", [12, 18, 24])
def test_recall_is_what_the_plan_promises(flips: int) -> None:
    count = 3000
    words = random_words(count, flips)
    words[count // 2 :] = [with_flips(word, flips, index) for index, word in enumerate(words[: count // 2])]
    plan = plan_search(count)
    pairs, _ = near_pairs(words, radius=flips, plan=plan)
    assert plan.recall_at(flips) >= 0.995
    assert len(pairs) / (count // 2) >= 0.985


def test_equal_hashes_are_linked_without_comparing_all_with_all() -> None:
    words = np.repeat(random_words(2, 3), 40, axis=0)
    pairs, distances = near_pairs(words, radius=5)
    assert len(pairs) == 78
    assert set(pairs[:, 0].tolist()) == {0, 40}
    assert not distances.any()


def test_no_hashes_and_one_hash() -> None:
    for count in (0, 1):
        pairs, distances = near_pairs(random_words(count, 0), radius=10)
        assert pairs.shape == (0, 2)
        assert distances.shape == (0,)


def test_plan_grows_with_the_logarithm_of_the_count() -> None:
    widths = [len(plan_search(count).positions[0]) for count in (10, 20_000, 40_000, 1_000_000)]
    assert widths == [12, 16, 17, 22]
    for plan in (plan_search(10), plan_search(1_000_000)):
        assert len({len(positions) for positions in plan.positions}) == 1
        assert all(len(set(positions)) == len(positions) for positions in plan.positions)

"""Near neighbours among perceptual hashes, in time that grows almost linearly with their number.

Hashes that agree in all bits of some sampled set of bit positions fall into one bucket and are compared; the
others never meet. With N hashes and sets of 1.1 log2(N) bits a bucket holds about one stranger however large
N is, so that a table takes the time of one sort, and the number of tables grows with N to the power 0.15. The
sets are disjoint slices of a few random orders of the 256 positions: one order alone finds every pair that
differs in fewer bits than it has slices (pigeonhole), and the further orders find almost all pairs up to the
radius that is asked for.

Source: Norouzi, Punjani & Fleet 2014, Fast exact search in Hamming space with multi-index hashing; Indyk &
Motwani 1998, Approximate nearest neighbors, section 4 (bit sampling).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SearchPlan", "near_pairs", "plan_search"]

_RECALL_AT = 24
_RECALL = 0.995
_PAIRS_AT_ONCE = 500_000
_MIXER = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """How many tables of how many bits.

    Attributes:
        positions: one tuple of bit positions per table; a bucket holds the hashes that agree in all of them.
        certain_radius: pairs that differ in at most so many bits are found for certain.
    """

    positions: tuple[tuple[int, ...], ...]
    certain_radius: int

    def recall_at(self, distance: int, bits: int = 256) -> float:
        """Share of the pairs at this Hamming distance that are found if differing bits fall at random."""
        width = len(self.positions[0])
        agree = (
            math.comb(bits - distance, width) / math.comb(bits, width) if distance <= bits - width else 0.0
        )
        return 1.0 if distance <= self.certain_radius else 1.0 - (1.0 - agree) ** len(self.positions)


def plan_search(count: int, *, bits: int = 256, seed: int = 0) -> SearchPlan:
    """Tables for so many hashes: wide enough to keep buckets small, numerous enough to miss hardly any pair.

    Args:
        count: number of hashes.
        bits: their length.
        seed: draws the orders of the bit positions.

    Returns:
        A plan whose expected recall at a distance of 24 bits is at least 99.5 %.
    """
    width = min(max(12, math.ceil(1.1 * math.log2(max(count, 2)))), 32)
    agree = math.comb(bits - _RECALL_AT, width) / math.comb(bits, width)
    tables_needed = math.log(1.0 - _RECALL) / math.log(1.0 - agree)
    slices = bits // width
    generator = np.random.default_rng(seed)
    positions: list[tuple[int, ...]] = []
    for _ in range(math.ceil(tables_needed / slices)):
        order = generator.permutation(bits)
        cut = [order[start : start + width] for start in range(0, slices * width, width)]
        positions.extend(tuple(int(position) for position in sorted(part)) for part in cut)
    return SearchPlan(tuple(positions), slices - 1)


def near_pairs(
    words: NDArray[np.uint64], *, radius: int, plan: SearchPlan | None = None
) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
    """Pairs of hashes that differ in at most `radius` bits.

    Equal hashes are looked up once: of a set of equal ones, each is paired with the first only, and only the
    first is paired with others. That keeps a thousand copies of one film from making half a million pairs.

    Args:
        words: (N, W) uint64 hashes.
        radius: greatest Hamming distance of a pair.
        plan: the tables; chosen from N where it is None.

    Returns:
        (P, 2) int64 index pairs, the smaller index first, sorted; and (P,) uint16 their distances.
    """
    distinct, first, inverse = np.unique(words, axis=0, return_index=True, return_inverse=True)
    first = first.astype(np.int64)
    inverse = inverse.reshape(-1)
    repeats = np.flatnonzero(first[inverse] != np.arange(len(words)))
    plan = plan or plan_search(len(distinct), bits=64 * words.shape[1])
    count = len(distinct)
    columns = np.ascontiguousarray(distinct.T)  # (W, N)
    found = np.empty(0, dtype=np.int64)  # pairs as smaller * count + larger
    for positions in plan.positions:
        parts = [found]
        order, ordered_keys = _in_buckets(_bucket_keys(columns, positions))
        # In bucket order, so that comparing runs through memory and not across it.
        ordered = distinct[order].T
        for left, right in _bucket_pairs(ordered_keys):
            left, right = _near_ones(ordered, left, right, radius)
            one, other = order[left], order[right]
            parts.append(np.minimum(one, other) * count + np.maximum(one, other))
        found = np.unique(np.concatenate(parts))
    left, right = found // max(count, 1), found % max(count, 1)
    pairs = np.concatenate(
        [np.stack([first[left], first[right]], axis=1), np.stack([first[inverse[repeats]], repeats], axis=1)]
    )  # (P, 2)
    pairs.sort(axis=1)
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    return pairs, _distance(words, pairs[:, 0], pairs[:, 1])


def _bucket_keys(columns: NDArray[np.uint64], positions: tuple[int, ...]) -> NDArray[np.uint64]:
    """(N,) uint64 below 2**32: equal where (W, N) hashes agree in these bits, else almost never.

    The bits are masked and mixed word by word by an odd multiplier (Knuth's multiplicative hashing), in far
    fewer passes than laying them side by side would take; a false meeting costs one comparison.
    """
    masks = [0] * len(columns)
    for position in positions:
        masks[position // 64] |= 1 << (63 - position % 64)
    keys = np.zeros(columns.shape[1], dtype=np.uint64)
    for column, mask in zip(columns, masks, strict=True):
        if mask:
            keys ^= column & np.uint64(mask)
            keys *= _MIXER
            keys ^= keys >> np.uint64(29)
    return (keys * _MIXER) >> np.uint64(32)


def _in_buckets(keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Order that brings equal keys together, and the keys in that order.

    One sort of key and place in a single word is several times faster than an argsort.
    """
    together = np.sort((keys << np.uint64(32)) | np.arange(len(keys), dtype=np.uint64))
    return (together & np.uint64(0xFFFFFFFF)).astype(np.int64), together >> np.uint64(32)


def _bucket_pairs(ordered: NDArray[np.uint64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """All pairs of places with equal keys, in portions; the keys are sorted."""
    alive = np.flatnonzero(ordered[1:] == ordered[:-1])
    lefts: list[NDArray[np.int64]] = []
    rights: list[NDArray[np.int64]] = []
    waiting, step = 0, 1
    while len(alive):
        lefts.append(alive)
        rights.append(alive + step)
        waiting += len(alive)
        step += 1
        alive = alive[alive + step < len(ordered)]
        alive = alive[ordered[alive + step] == ordered[alive]]
        if waiting > _PAIRS_AT_ONCE:
            yield np.concatenate(lefts), np.concatenate(rights)
            lefts, rights, waiting = [], [], 0
    if waiting:
        yield np.concatenate(lefts), np.concatenate(rights)


def _near_ones(
    columns: NDArray[np.uint64], left: NDArray[np.int64], right: NDArray[np.int64], radius: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Those of the pairs of (W, N) hashes that differ in at most `radius` bits, given up word by word."""
    differing = np.zeros(len(left), dtype=np.uint16)
    for column in columns:
        differing += np.bitwise_count(column[left] ^ column[right])
        near = differing <= radius
        left, right, differing = left[near], right[near], differing[near]
    return left, right


def _distance(
    words: NDArray[np.uint64], left: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.uint16]:
    """(P,) uint16 Hamming distances."""
    differing = np.bitwise_count(words[left] ^ words[right])  # (P, W)
    return np.asarray(differing.sum(axis=1), dtype=np.uint16)

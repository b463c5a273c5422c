"""Near neighbours among perceptual hashes, in time that grows almost linearly with their number.

Hashes that agree in all bits of some sampled set of bit positions fall into one bucket and are compared; the
others never meet. With N hashes and sets of log2(N) + 1 bits a bucket holds a handful of strangers however
large N is, so that the work is N log N per table. The sets are disjoint slices of a few random orders of the
256 positions: one order alone finds every pair that differs in fewer bits than it has slices
(pigeonhole), and the further orders find almost all pairs up to the radius that is asked for.

Source: Norouzi, Punjani & Fleet 2014, Fast exact search in Hamming space with multi-index hashing; Indyk &
Motwani 1998, Approximate nearest neighbors, section 4 (bit sampling).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SearchPlan", "near_pairs", "plan_search"]

_RECALL_AT = 32
_RECALL = 0.995
_PAIRS_AT_ONCE = 4_000_000


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
        A plan whose expected recall at a distance of 32 bits is at least 99.5 %.
    """
    width = min(max(12, math.ceil(math.log2(max(count, 2))) + 1), bits)
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
    found = np.empty(0, dtype=np.int64)  # pairs as smaller * count + larger
    for positions in plan.positions:
        parts = [found]
        for left, right in _bucket_pairs(_bucket_keys(distinct, positions)):
            near = _distance(distinct, left, right) <= radius
            low, high = np.minimum(left[near], right[near]), np.maximum(left[near], right[near])
            parts.append(low * count + high)
        found = np.unique(np.concatenate(parts))
    left, right = found // max(count, 1), found % max(count, 1)
    pairs = np.concatenate(
        [np.stack([first[left], first[right]], axis=1), np.stack([first[inverse[repeats]], repeats], axis=1)]
    )  # (P, 2)
    pairs.sort(axis=1)
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    return pairs, _distance(words, pairs[:, 0], pairs[:, 1])


def _bucket_keys(words: NDArray[np.uint64], positions: tuple[int, ...]) -> NDArray[np.uint64]:
    """(N,) uint64: the bits at these positions, side by side."""
    keys = np.zeros(len(words), dtype=np.uint64)
    for position in positions:
        bit = (words[:, position // 64] >> np.uint64(63 - position % 64)) & np.uint64(1)
        keys = (keys << np.uint64(1)) | bit
    return keys


def _bucket_pairs(keys: NDArray[np.uint64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """All pairs of positions with equal keys, in portions of a few million."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    ends = np.repeat(np.r_[starts[1:], len(ordered)], np.diff(np.r_[starts, len(ordered)]))
    alive = np.arange(len(ordered))
    lefts: list[NDArray[np.int64]] = []
    rights: list[NDArray[np.int64]] = []
    waiting, step = 0, 0
    while True:
        step += 1
        alive = alive[alive + step < ends[alive]]
        if not len(alive):
            break
        lefts.append(order[alive])
        rights.append(order[alive + step])
        waiting += len(alive)
        if waiting > _PAIRS_AT_ONCE:
            yield np.concatenate(lefts), np.concatenate(rights)
            lefts, rights, waiting = [], [], 0
    if waiting:
        yield np.concatenate(lefts), np.concatenate(rights)


def _distance(
    words: NDArray[np.uint64], left: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.uint16]:
    """(P,) uint16 Hamming distances."""
    differing = np.bitwise_count(words[left] ^ words[right])  # (P, W)
    return np.asarray(differing.sum(axis=1), dtype=np.uint16)

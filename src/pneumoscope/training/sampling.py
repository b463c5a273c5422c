"""Which films an epoch draws, and in which order: a pure function of seed and epoch.

Shares are met exactly (to one film) by drawing each group without replacement, and all of it again where
its share is larger than the group; independent draws by weight would add noise to every epoch and leave films
out.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pneumoscope.errors import DataError

__all__ = ["Balance", "Group", "epoch_order", "group_shares", "groups_of", "seed_of"]

Balance = Literal["none", "label", "label-within-source", "label-and-view-within-source"]
Group = tuple[str, int, str]
"""Source, target and, where views are balanced, view of films that are drawn alike."""


def seed_of(*path: int) -> int:
    """An independent 64-bit seed for each path of numbers, such as (seed, purpose, epoch, step).

    Source: numpy.random.SeedSequence, which hashes its entropy so that near paths give unrelated streams.
    """
    return int(np.random.SeedSequence(path).generate_state(1, np.uint64)[0])


def groups_of(
    sources: Sequence[str], targets: NDArray[np.int64], views: Sequence[str], balance: Balance
) -> list[Group]:
    """The group that each film is drawn with.

    Args:
        sources: of N films.
        targets: (N,) int64, 0 or 1.
        views: of N films, empty where unknown.
        balance: see `DataChoice.balance`.
    """
    known = views if balance == "label-and-view-within-source" else [""] * len(sources)
    return list(zip(sources, targets.tolist(), known, strict=True))


def group_shares(
    groups: Sequence[Group], balance: Balance, source_weights: Mapping[str, float] | None
) -> dict[Group, float]:
    """Share of an epoch of each group.

    Args:
        groups: of N films, from `groups_of`.
        balance: see `DataChoice.balance`.
        source_weights: see `DataChoice.source_weights`.

    Returns:
        Shares that sum to 1.

    Raises:
        DataError: source_weights and films do not name the same sources.

    >>> shares = group_shares([("a", 1, ""), ("a", 1, ""), ("a", 0, ""), ("b", 0, "")], "label", None)
    >>> [(group, round(share, 3)) for group, share in shares.items()]
    [(('a', 0, ''), 0.25), (('a', 1, ''), 0.5), (('b', 0, ''), 0.25)]
    """
    films = dict(sorted(Counter(groups).items()))
    if balance == "label":
        per_target = {target: 0 for _, target, _ in films}
        for (_, target, _), count in films.items():
            per_target[target] += count
        shares = {group: count / per_target[group[1]] for group, count in films.items()}
    else:
        per_source = _source_shares(films, source_weights)
        shares = {}
        for group, count in films.items():
            siblings = [other for other in films if other[0] == group[0]]
            if balance == "none":
                within = count / sum(films[other] for other in siblings)
            else:
                views_of_target = sum(other[1] == group[1] for other in siblings)
                within = 1 / (len({target for _, target, _ in siblings}) * views_of_target)
            shares[group] = per_source[group[0]] * within
    total = sum(shares.values())
    return {group: share / total for group, share in shares.items()}


def _source_shares(
    films: Mapping[Group, int], source_weights: Mapping[str, float] | None
) -> dict[str, float]:
    present = {source for source, _, _ in films}
    if source_weights is None:
        return {
            source: sum(count for group, count in films.items() if group[0] == source) for source in present
        }
    if present != set(source_weights):
        without_weight = sorted(present - set(source_weights))
        without_films = sorted(set(source_weights) - present)
        raise DataError(
            "data.source_weights must name the sources of the training films: "
            f"without a weight: {without_weight or 'none'}; without films: {without_films or 'none'}"
        )
    return dict(source_weights)


def epoch_order(
    groups: Sequence[Group], shares: Mapping[Group, float], films: int, *, seed: int, epoch: int
) -> NDArray[np.int64]:
    """The films of one epoch in their order.

    Args:
        groups: of N films, from `groups_of`.
        shares: from `group_shares`.
        films: how many to draw.
        seed: of the run.
        epoch: number within the run.

    Returns:
        (films,) int64, indices into the N films.
    """
    generator = np.random.default_rng(np.random.SeedSequence((seed, 0, epoch)))
    quotas = _largest_remainder(list(shares.values()), films)
    members_of: dict[Group, list[int]] = {}
    for index, group in enumerate(groups):
        members_of.setdefault(group, []).append(index)
    drawn = []
    for group, quota in zip(shares, quotas, strict=True):
        members = np.asarray(members_of[group], dtype=np.int64)
        whole, rest = divmod(quota, len(members))
        drawn += [members] * whole + [generator.permutation(members)[:rest]]
    order: NDArray[np.int64] = generator.permutation(np.concatenate(drawn)).astype(np.int64)
    return order


def _largest_remainder(shares: Sequence[float], total: int) -> list[int]:
    """Whole numbers that sum to `total`, each within one of its share of it."""
    exact = [share * total for share in shares]
    quotas = [int(number) for number in exact]
    by_remainder = sorted(range(len(exact)), key=lambda index: quotas[index] - exact[index])
    for index in by_remainder[: total - sum(quotas)]:
        quotas[index] += 1
    return quotas

"""Training, validation and test, so that no person and no film stands on two sides.

Films are grouped: those of one patient, copies of one film, and films so alike that they may be. A group
moves as one. A group that holds a film of a test that others report on, or of a set that is held out, is for
testing as a whole; the others are drawn, stratified by source and label.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pneumoscope.data.disjoint import linked_sets
from pneumoscope.data.manifest import Split

__all__ = ["SHARES", "SplitFilm", "assign_splits", "group_films"]

SHARES: Mapping[Split, float] = {"train": 0.8, "validation": 0.1, "test": 0.1}
"""Aim for the share of films, within each stratum."""


@dataclass(frozen=True, slots=True)
class SplitFilm:
    """What the split needs to know of a film.

    Attributes:
        key: stable name of the film: its path.
        stratum: source and label.
        patient: name of the person, None where unknown.
        used: takes part; a copy that is left out still links groups.
        for_test_only: its whole group is for testing.
        has_own_test: its data set brings a test split of its own, so its group is drawn for training and
            validation only.
    """

    key: str
    stratum: str
    patient: str | None
    used: bool = True
    for_test_only: bool = False
    has_own_test: bool = False


def group_films(films: Sequence[SplitFilm], links: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Groups that must stay together.

    Args:
        films: all films.
        links: pairs of copies or look-alikes.

    Returns:
        Groups of indices, each sorted, every film in exactly one.
    """
    by_patient: dict[str, int] = {}
    joined = list(links)
    for index, film in enumerate(films):
        if film.patient is not None:
            first = by_patient.setdefault(film.patient, index)
            if first != index:
                joined.append((first, index))
    return linked_sets(len(films), joined)


def assign_splits(
    films: Sequence[SplitFilm], groups: Sequence[Sequence[int]], *, seed: int = 0
) -> list[Split | None]:
    """Draw a split for every group.

    Within a stratum groups are laid end to end in the order of a hash of their name and the seed, and cut
    where the shares say; a group belongs to the side on which its middle lies. So large groups and small ones
    have the same chance of each split, and the result depends on the films, not on their order.

    Args:
        films: all films.
        groups: as `group_films` gives them.
        seed: draws another order.

    Returns:
        One split per film, None for films that are not used.
    """
    splits: list[Split | None] = [None] * len(films)
    strata: defaultdict[tuple[str, bool], list[tuple[str, list[int]]]] = defaultdict(list)
    for group in groups:
        used = [index for index in group if films[index].used]
        if not used:
            continue
        if any(films[index].for_test_only for index in group):
            _give(splits, used, "test")
            continue
        own_test = any(films[index].has_own_test for index in group)
        stratum = " and ".join(sorted({films[index].stratum for index in used}))
        strata[stratum, own_test].append((_draw(_name(films, group), seed), used))
    for (_, own_test), drawn in strata.items():
        total = sum(len(used) for _, used in drawn)
        before = 0
        for _, used in sorted(drawn):
            _give(splits, used, _side(own_test, (before + len(used) / 2) / total))
            before += len(used)
    return splits


def _side(own_test: bool, position: float) -> Split:
    """The split at this position, 0 to 1, of a stratum's films."""
    rest = 1.0 - SHARES["test"] if own_test else 1.0
    if position < SHARES["train"] / rest:
        return "train"
    return "validation" if own_test or position < SHARES["train"] + SHARES["validation"] else "test"


def _give(splits: list[Split | None], members: Iterable[int], split: Split) -> None:
    for index in members:
        splits[index] = split


def _name(films: Sequence[SplitFilm], members: Iterable[int]) -> str:
    """A name that does not depend on the order of the films."""
    return min(films[index].patient or films[index].key for index in members)


def _draw(name: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()

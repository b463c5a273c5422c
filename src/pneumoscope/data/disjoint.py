"""Sets of things that belong together because something links them, directly or over others."""

from collections import defaultdict
from collections.abc import Iterable

__all__ = ["linked_sets"]


def linked_sets(count: int, links: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Connected components.

    >>> linked_sets(5, [(0, 3), (3, 4)])
    [[0, 3, 4], [1], [2]]

    Args:
        count: things 0 to count - 1.
        links: pairs of things.

    Returns:
        The sets, each sorted, by their smallest member; a thing without a link is a set of its own.
    """
    parent = list(range(count))

    def leader(thing: int) -> int:
        while parent[thing] != thing:
            parent[thing] = parent[parent[thing]]
            thing = parent[thing]
        return thing

    for left, right in links:
        first, second = leader(left), leader(right)
        if first != second:
            parent[max(first, second)] = min(first, second)
    members: defaultdict[int, list[int]] = defaultdict(list)
    for thing in range(count):
        members[leader(thing)].append(thing)
    return [members[first] for first in sorted(members)]

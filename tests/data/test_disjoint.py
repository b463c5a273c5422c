"""Linked sets are the connected components that scipy finds."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pneumoscope.data.disjoint import linked_sets


@given(
    st.integers(1, 40).flatmap(
        lambda count: st.tuples(
            st.just(count), st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)))
        )
    )
)
def test_same_components_as_scipy(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    count, links = drawn
    left, right = [link[0] for link in links], [link[1] for link in links]
    graph = coo_array((np.ones(len(links)), (left, right)), shape=(count, count))
    number, names = connected_components(graph, directed=False)
    expected = {frozenset(np.flatnonzero(names == name).tolist()) for name in range(number)}
    found = linked_sets(count, links)
    assert {frozenset(members) for members in found} == expected
    assert found == sorted(sorted(members) for members in found)

"""In order, a bounded way ahead, every item once, and nothing left running."""

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pneumoscope.batch.local import default_workers, map_in_order
from pneumoscope.errors import UsageError


@settings(deadline=None, max_examples=30)
@given(items=st.lists(st.integers(), max_size=40), workers=st.integers(1, 5))
def test_equals_map(items: list[int], workers: int) -> None:
    assert list(map_in_order(lambda item: item * 2, items, workers)) == [item * 2 for item in items]


def test_slow_item_does_not_change_the_order() -> None:
    others_done = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert others_done.wait(30)
        elif item == 3:
            others_done.set()
        return item

    assert list(map_in_order(work, range(6), 2)) == list(range(6))


def test_items_are_worked_on_at_the_same_time() -> None:
    together = threading.Barrier(3)
    assert len(list(map_in_order(lambda _: together.wait(30), range(3), 3))) == 3


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_only_a_few_items_are_taken_ahead(workers: int) -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for item in range(1000):
            taken += 1
            yield item

    results = map_in_order(lambda item: item, items(), workers)
    assert taken == 0
    for done in range(1, 100):
        next(results)
        assert taken <= done + 2 * workers
    results.close()
    assert taken < 120


@pytest.mark.parametrize("workers", [1, 3])
def test_error_comes_in_its_turn_and_stops_the_rest(workers: int) -> None:
    started: list[int] = []

    def work(item: int) -> int:
        started.append(item)
        if item == 5:
            raise ZeroDivisionError
        return item

    results = map_in_order(work, range(1000), workers)
    assert [next(results) for _ in range(5)] == list(range(5))
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert max(started) <= 5 + 2 * workers
    assert not any(thread.name.startswith("score") for thread in threading.enumerate())


def test_closing_waits_for_the_threads() -> None:
    results = map_in_order(lambda item: item, range(100), 4)
    next(results)
    results.close()
    assert not any(thread.name.startswith("score") for thread in threading.enumerate())


def test_one_worker_is_the_caller_s_own_thread() -> None:
    threads = set(map_in_order(lambda _: threading.current_thread(), range(3), 1))
    assert threads == {threading.current_thread()}


def test_no_workers() -> None:
    with pytest.raises(UsageError, match="number of workers is 0"):
        map_in_order(str, [1], 0)


def test_default_is_sensible() -> None:
    assert 1 <= default_workers() <= 8

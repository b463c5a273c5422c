"""Order, bounds, and what happens when processes die."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from batch.made_workers import (
    FATAL,
    REFUSED,
    DieOnce,
    double,
    make_dead,
    make_double,
    make_hold,
    make_refused,
)
from pneumoscope.batch.processes import map_in_processes
from pneumoscope.errors import PneumoscopeError, UsageError


def lost(item: int, ending: str) -> str:
    return f"{item} was lost: {ending}"


@pytest.mark.parametrize("workers", [1, 3])
def test_equals_map(workers: int) -> None:
    items = list(range(100))
    assert list(map_in_processes(make_double, items, workers, lost)) == list(map(double, items))


def test_no_items() -> None:
    assert list(map_in_processes(make_double, [], 1, lost)) == []


def test_no_workers() -> None:
    with pytest.raises(UsageError, match="number of workers is 0"):
        map_in_processes(make_double, [1], 0, lost)


def test_only_a_few_items_are_taken_ahead() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for item in range(1000):
            taken += 1
            yield item

    results = map_in_processes(make_double, items(), 2, lost)
    assert taken == 0
    for done in range(1, 200):
        next(results)
        assert taken <= done + 16
    results.close()
    assert taken < 220


@pytest.mark.parametrize("workers", [1, 2])
def test_item_that_kills_its_process_is_lost_and_no_other(workers: int) -> None:
    items = [1, 2, FATAL, 3, FATAL, 4, 5, 6, 7]
    results = list(map_in_processes(make_double, items, workers, lost))
    assert results == [2, 4, "-1 was lost: signal SIGKILL", 6, "-1 was lost: signal SIGKILL", 8, 10, 12, 14]


def test_item_is_tried_once_more(tmp_path: Path) -> None:
    results = list(map_in_processes(DieOnce(tmp_path), range(12), 1, lost))  # type: ignore[arg-type]
    assert [result[0] for result in results] == list(range(12))
    processes = [result[1] for result in results]
    assert len(set(processes[:5])) == len(set(processes[5:])) == 1
    assert processes[4] != processes[5]
    tries = {int(file.name): len(file.read_text()) for file in tmp_path.iterdir()}
    assert tries == {item: 2 if item == 5 else 1 for item in range(12)}


def test_process_killed_from_outside_is_replaced(tmp_path: Path) -> None:
    results = map_in_processes(DieOnce(tmp_path), range(100, 400), 1, lost)  # type: ignore[arg-type]
    first = next(results)
    os.kill(first[1], signal.SIGKILL)
    rest = list(results)
    assert [item for item, _ in [first, *rest]] == list(range(100, 400))
    assert rest[-1][1] != first[1]


def test_refusal_comes_in_its_turn_and_ends_the_processes() -> None:
    results = map_in_processes(make_double, [1, 2, REFUSED, 3], 2, lost)
    assert [next(results), next(results)] == [2, 4]
    with pytest.raises(
        PneumoscopeError, match=r"abacus is not installed; run: pip install 'pneumoscope\[sums\]'"
    ):
        next(results)


def test_refusal_to_begin() -> None:
    with pytest.raises(PneumoscopeError, match="there is no bundle"):
        list(map_in_processes(make_refused, [1], 2, lost))


def test_processes_that_die_at_once_are_not_started_for_ever() -> None:
    with pytest.raises(PneumoscopeError, match=r"ended while starting \(exit status 7\)"):
        list(map_in_processes(make_dead, [1], 1, lost))


@pytest.fixture
def listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Listens at the address `s` in the working directory, whose own path may be too long for a socket."""
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s")
        listener.listen()
        yield listener


def test_closing_ends_the_processes(listener: socket.socket) -> None:
    results = map_in_processes(make_hold, ["s"] * 100, 1, lost)
    next(results)
    connection, _ = listener.accept()
    results.close()
    with connection:
        assert connection.recv(1) == b""


def test_workers_end_with_their_parent(listener: socket.socket) -> None:
    tests = Path(__file__).parents[1]
    path = os.pathsep.join([str(tests), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, str(tests / "batch" / "dying_parent.py"), "s"]
    assert subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, check=False).returncode == -9
    for _ in range(4):
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(1) == b""


def test_ctrl_c_is_for_the_parent_alone(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    results = map_in_processes(DieOnce(tmp_path), range(100, 300), 1, lost)  # type: ignore[arg-type]
    _, worker = next(results)
    assert signal.getsignal(signal.SIGINT) is before
    os.kill(worker, signal.SIGINT)
    assert {process for _, process in results} == {worker}

"""Order, what happens when actors die, and that it ends: what reaches the limit is killed, and has failed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from batch.made_workers import FATAL, make_double
from pneumoscope.batch.ray import chunk_size, map_in_ray
from pneumoscope.batch.ray_cluster import cpus_per_actor
from pneumoscope.errors import UsageError

# Seconds; far more than it takes, on a machine that is busy with other things.
LIMIT = 240.0
TESTS = Path(__file__).parents[1]


def lost(item: int, ending: str) -> int:
    raise AssertionError(item, ending)


GONE = f"{FATAL} was lost: signal SIGKILL"
EXPECTED = {
    "order": {"doubles": [2 * item for item in range(200)], "once": True, "everywhere": True},
    "more_workers_than_processors": [2 * item for item in range(40)],
    "fatal_items": [2, 4, GONE, 6, *range(200, 300, 2), GONE, 8],
    "item_tried_once_more": {"items": list(range(12)), "tries": 2},
    "killed_from_outside": {"items": list(range(100, 400)), "replaced": True},
    "refusal_in_its_turn": [2, 4, "abacus is not installed; run: pip install 'pneumoscope[sums]'"],
    "refusal_to_begin": "there is no bundle",
    "dead_at_once": "processes that were to score films ended while starting (exit status 7)",
    "closed_early": "",
}


@pytest.mark.slow
def test_what_happens_on_a_cluster(tmp_path: Path) -> None:
    path = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    run = subprocess.run(
        [sys.executable, str(TESTS / "batch" / "ray_scenarios.py"), str(tmp_path)],
        env=environment | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
    )
    assert (run.returncode, run.stderr) == (0, "")
    outcomes = json.loads(run.stdout)
    assert list(outcomes) == list(EXPECTED)
    for scenario, expected in EXPECTED.items():
        assert outcomes[scenario] == expected, scenario


def test_no_items_and_no_cluster() -> None:
    assert list(map_in_ray(make_double, [], 1, lost)) == []


def test_no_workers() -> None:
    with pytest.raises(UsageError, match="number of workers is 0"):
        map_in_ray(make_double, [1], 0, lost)


@pytest.mark.parametrize("cpus", [1, 2, 3, 16, 1600])
@pytest.mark.parametrize("workers", [1, 2, 3, 15, 16, 17, 1599])
def test_actors_leave_a_share_free(cpus: int, workers: int) -> None:
    share = cpus_per_actor(cpus, workers)
    assert 0 < share <= 1
    assert workers * share + share <= cpus or workers < cpus


@pytest.mark.parametrize("workers", [1, 2, 40, 1600])
@pytest.mark.parametrize("items", [1, 2, 100, 10_000, 10_000_000])
def test_chunks_keep_every_actor_busy_and_are_neither_small_nor_large(items: int, workers: int) -> None:
    size = chunk_size(items, workers)
    assert 1 <= size <= 256
    assert size == 1 or items / size >= 8 * workers
    assert size >= 16 or items < 16 * 8 * workers + workers * 8

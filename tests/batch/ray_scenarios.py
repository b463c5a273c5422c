"""What happens on a Ray cluster of two workers: writes one JSON object, scenario to outcome.

    python ray_scenarios.py FOLDER

Run as a program by `test_ray.py`, so that all scenarios share one cluster and one limit on their time.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from batch.made_workers import (
    FATAL,
    REFUSED,
    CountMade,
    DieOnce,
    HoldAt200,
    make_dead,
    make_double,
    make_hold,
    make_refused,
)
from pneumoscope.batch.ray import map_in_ray
from pneumoscope.batch.ray_cluster import open_cluster
from pneumoscope.errors import PneumoscopeError

WORKERS = 2
LONGEST_WAIT = 60.0


def lost(item: int, ending: str) -> str:
    return f"{item} was lost: {ending}"


def refusal_of(run: Callable[[], object]) -> str:
    try:
        run()
    except PneumoscopeError as error:
        return str(error)
    return "nothing was raised"


def order(folder: Path) -> object:
    """Doubles, and whether each actor made its function once."""
    doubles = list(map_in_ray(CountMade(folder), range(200), WORKERS, lost))
    made = [file.read_text() for file in folder.iterdir()]
    return {"doubles": doubles, "once": made == ["x"] * len(made), "everywhere": len(made) <= WORKERS}


def more_workers_than_processors(folder: Path) -> object:
    return list(map_in_ray(make_double, range(40), 2 * WORKERS, lost))


def fatal_items(folder: Path) -> object:
    items = [1, 2, FATAL, 3, *range(100, 150), FATAL, 4]
    return list(map_in_ray(make_double, items, WORKERS, lost))  # type: ignore[misc]


def item_tried_once_more(folder: Path) -> object:
    results = list(map_in_ray(DieOnce(folder), range(12), 1, lost))  # type: ignore[arg-type]
    return {"items": [item for item, _ in results], "tries": len((folder / "5").read_text())}


def killed_from_outside(folder: Path) -> object:
    results = map_in_ray(HoldAt200(folder), range(100, 400), 1, lost)  # type: ignore[arg-type]
    first = next(results)
    os.kill(first[1], signal.SIGKILL)
    (folder / "go").touch()
    rest = list(results)
    return {"items": [item for item, _ in [first, *rest]], "replaced": rest[-1][1] != first[1]}


def refusal_in_its_turn(folder: Path) -> object:
    results = map_in_ray(make_double, [1, 2, REFUSED, 3], WORKERS, lost)
    return [next(results), next(results), refusal_of(lambda: next(results))]


def refusal_to_begin(folder: Path) -> object:
    return refusal_of(lambda: list(map_in_ray(make_refused, [1], WORKERS, lost)))


def dead_at_once(folder: Path) -> object:
    return refusal_of(lambda: list(map_in_ray(make_dead, [1], 1, lost)))


def closed_early(folder: Path) -> object:
    """What an actor's connection says when the iterator is closed: nothing, because its process ends."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.settimeout(LONGEST_WAIT)
        listener.bind("s")
        listener.listen()
        results = map_in_ray(make_hold, ["s"] * 100, 1, lost)  # type: ignore[arg-type]
        next(results)
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(LONGEST_WAIT)
            results.close()
            return connection.recv(1).decode()


SCENARIOS = (
    order,
    more_workers_than_processors,
    fatal_items,
    item_tried_once_more,
    killed_from_outside,
    refusal_in_its_turn,
    refusal_to_begin,
    dead_at_once,
    closed_early,
)


def main() -> None:
    root = Path(sys.argv[1])
    os.chdir(root)
    outcomes = {}
    with open_cluster(WORKERS):
        for scenario in SCENARIOS:
            folder = root / scenario.__name__
            folder.mkdir()
            outcomes[scenario.__name__] = scenario(folder)
    sys.stdout.write(json.dumps(outcomes))


if __name__ == "__main__":
    main()

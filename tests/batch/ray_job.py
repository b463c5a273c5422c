"""Run `pneumoscope predict --engine ray`, and kill all its actors at some of the records that come.

    python ray_job.py RECORD,RECORD,... predict ...

At the end it says how many actors were killed, and how often actors were started again.
"""

import os
import signal
import sys
from typing import Any

from pneumoscope.batch import parquet_job
from pneumoscope.cli.main import main


class Killer:
    """Counts records."""

    def __init__(self, moments: list[int]) -> None:
        self.moments = moments
        self.records = 0
        self.killed: set[int] = set()
        self.restarts = 0

    def count(self) -> None:
        from ray._private.state import actors  # not before the engine has told Ray to be quiet

        self.records += 1
        alive: list[dict[str, Any]] = [
            actor
            for actor in actors().values()
            if actor["ActorClassName"].startswith("MapWorker") and actor["State"] == "ALIVE"
        ]
        self.restarts = max([self.restarts, *(actor["NumRestarts"] for actor in alive)])
        if self.records in self.moments:
            for actor in alive:
                os.kill(actor["Pid"], signal.SIGKILL)
                self.killed.add(actor["Pid"])


def run(killer: Killer) -> None:
    write = parquet_job.ParquetJob.write

    def counted(self, number, record):  # type: ignore[no-untyped-def]
        killer.count()
        write(self, number, record)

    parquet_job.ParquetJob.write = counted  # type: ignore[method-assign]
    try:
        main()
    finally:
        sys.stdout.write(f"{len(killer.killed)} killed, {killer.restarts} restarts")


if __name__ == "__main__":
    moments = [int(moment) for moment in sys.argv.pop(1).split(",")]
    run(Killer(moments))

"""Run `pneumoscope predict`, and send a signal to this process at one of its steps.

    python killed_job.py STEP SIGNAL predict ...

Steps are counted: a record that comes, a file or folder of the result that is opened, renamed or removed, a
statement about to be sent to the database or just answered, a transaction about to be committed, a connection
given back after it.
"""

import os
import signal
import sys

from sqlalchemy import Engine, event

from pneumoscope.batch import parquet_job, sql_job
from pneumoscope.cli.main import main

AUDITED = ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir")


class Steps:
    """Counts, and sends the signal at the number it is told."""

    def __init__(self, last: int, name: str) -> None:
        self.left = last
        self.signal = signal.Signals[name]

    def count(self, *_: object) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.signal)

    def audit(self, name: str, arguments: tuple[object, ...]) -> None:
        if name in AUDITED and "results.parquet" in str(arguments[0]):
            self.count()


def run(steps: Steps, arguments: list[str]) -> None:
    for module, job in ((parquet_job, parquet_job.ParquetJob), (sql_job, sql_job.SqlJob)):
        module.COMMIT_RECORDS = 3  # type: ignore[attr-defined]
        write = job.write

        def counted(self, number, record, write=write):  # type: ignore[no-untyped-def]
            steps.count()
            write(self, number, record)

        job.write = counted  # type: ignore[attr-defined]
    for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
        event.listen(Engine, name, steps.count)
    event.listen(Engine, "checkin", steps.count)
    sys.addaudithook(steps.audit)
    sys.argv = ["pneumoscope", *arguments]
    main()


if __name__ == "__main__":
    # Where the tests run in the background of a shell, SIGINT is ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run(Steps(int(sys.argv[1]), sys.argv[2]), sys.argv[3:])

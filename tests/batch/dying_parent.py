"""Has two workers connect to the socket it is given, and is killed while they wait for more."""

import os
import signal
import sys

from batch.made_workers import make_hold
from pneumoscope.batch.processes import map_in_processes

if __name__ == "__main__":
    results = map_in_processes(make_hold, [sys.argv[1]] * 4, 2, lambda *_: 0)
    assert all(next(results) for _ in range(4))
    os.kill(os.getpid(), signal.SIGKILL)

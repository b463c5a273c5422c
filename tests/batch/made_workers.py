"""Functions for other processes, which must be able to import them."""

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

from pneumoscope.errors import BundleError, MissingExtraError

FATAL = -1
REFUSED = -2


def double(item: int) -> int:
    """Twice the item, but die over `FATAL` and raise over `REFUSED`."""
    if item == FATAL:
        os.kill(os.getpid(), signal.SIGKILL)
    if item == REFUSED:
        raise MissingExtraError("abacus", "sums")
    return 2 * item


def make_double() -> Callable[[int], int]:
    return double


def make_refused() -> Callable[[int], int]:
    raise BundleError("there is no bundle")


def make_dead() -> Callable[[int], int]:
    os._exit(7)


class DieOnce:
    """Makes a function that dies over item 5, but only once, as the folder remembers; yields its process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self) -> Callable[[int], tuple[int, int]]:
        return self.work

    def work(self, item: int) -> tuple[int, int]:
        with (self.folder / f"{item}").open("a") as tries:
            tries.write("x")
        if item == 5 and (self.folder / "5").read_text() == "x":
            os._exit(3)
        return item, os.getpid()


def make_hold() -> Callable[[str], int]:
    """Makes a function that keeps a connection open for as long as its process lives."""
    kept = []

    def hold(address: str) -> int:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(address)
        kept.append(connection)
        return os.getpid()

    return hold


class HoldAt200:
    """Makes a function that yields its process, and at item 200 waits until the folder holds a file `go`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self) -> Callable[[int], tuple[int, int]]:
        return self.work

    def work(self, item: int) -> tuple[int, int]:
        end = time.monotonic() + 60
        while item == 200 and not (self.folder / "go").exists() and time.monotonic() < end:
            time.sleep(0.01)
        return item, os.getpid()


class CountMade:
    """Makes `double`, and leaves in the folder one file per process, with a letter for each time it did."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self) -> Callable[[int], int]:
        with (self.folder / str(os.getpid())).open("a") as file:
            file.write("x")
        return double

"""How far a run is, how fast, and for how long still: on standard error, only on a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress"]


@contextmanager
def progress(films: int, *, done: int = 0, shown: bool = True) -> Iterator[Callable[[], object]]:
    """A bar of films, or nothing where nobody would see it; yields what to call after each film.

    Args:
        films: all of them.
        done: of these, before this run; they do not count for the rate.
        shown: False for no bar, even on a terminal.
    """
    if not shown or films - done < 2 or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        """Films per second, over the last minute or so."""

        def render(self, task: Task) -> Text:
            speed = task.speed or task.finished_speed
            return Text(f"{speed:.1f} films/s" if speed else "")

    columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, speed_estimate_period=60.0) as bar:
        task = bar.add_task("scoring", total=films, completed=done)
        yield lambda: bar.advance(task)

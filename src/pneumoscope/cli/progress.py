"""How far a run is, how fast, and for how long still: on standard error, only on a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress", "steps"]


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


@contextmanager
def steps(*, shown: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """A bar per step of a longer run on standard error, or nothing.

    Yields what to call with the step's name, what is done, and of how many; None where nothing is shown.

    Args:
        shown: False for no bars.
    """
    if not shown:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress, TaskID

    with Progress(console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def report(what: str, done: int, planned: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=planned)
            bars.update(tasks[what], completed=done)

        yield report

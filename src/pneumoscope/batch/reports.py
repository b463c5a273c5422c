"""A folder of reports: one page per film, and an index that links to them."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from pneumoscope.batch.outputs import refuse_to_overwrite
from pneumoscope.batch.plan import output_stems
from pneumoscope.batch.writing import cause_and_remedy
from pneumoscope.errors import PneumoscopeError, UsageError
from pneumoscope.report.film_page import render_film_page, render_index_page
from pneumoscope.runtime.bundle import Bundle
from pneumoscope.runtime.film import Failure, Film, Record

__all__ = ["ReportFolder"]

_INDEX = "index"


class ReportFolder:
    """Writes `<stem>.html` for each film and `index.html` for all; a film called index is `index-2.html`.

    Each file appears whole or not at all, and replaces an older one of its name. `write` may be called from
    several threads.

    Args:
        films: paths of all films, in order.
        folder: made where it does not exist.
        bundle: that scores them.

    Raises:
        UsageError: the folder cannot be made, or a page would fall on one of the films.
    """

    def __init__(self, films: Sequence[str], folder: Path, bundle: Bundle) -> None:
        self._folder = folder
        self._bundle = bundle
        # The index takes its name first, as if it were a film.
        self._names = [f"{stem}.html" for stem in output_stems([_INDEX, *films])[1:]]
        self._records: list[Record | None] = [None] * len(films)
        refuse_to_overwrite(films, [folder / name for name in (f"{_INDEX}.html", *self._names)])
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{folder} cannot be made a folder: {cause_and_remedy(error)}") from error

    def write(self, index: int, result: Film | Failure) -> None:
        """Write the page of the film at `index` in the list of films; a failure has none.

        Raises:
            PneumoscopeError: it cannot be written.
        """
        if isinstance(result, Film):
            self._save(self._names[index], [render_film_page(result, self._bundle)])
        self._records[index] = result.record()

    def finish(self) -> None:
        """Write the index of all films that are done.

        Raises:
            PneumoscopeError: it cannot be written.
        """
        done = [
            (record, name if record["status"] == "ok" else None)
            for record, name in zip(self._records, self._names, strict=True)
            if record is not None
        ]
        scored = sum(name is not None for _, name in done)
        title = f"{len(self._names):,} chest films, {scored:,} scored"
        self._save(f"{_INDEX}.html", render_index_page(done, title, self._bundle))

    def _save(self, name: str, parts: Iterable[str]) -> None:
        path = self._folder / name
        part = self._folder / f".{os.getpid()}-{name}.part"
        try:
            with part.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
                file.writelines(parts)
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise PneumoscopeError(f"{path} cannot be written: {cause_and_remedy(error)}") from error

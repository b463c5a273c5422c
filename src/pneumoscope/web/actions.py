"""What happens when somebody does something on the page; nothing here knows of Gradio."""

import io
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pneumoscope.batch.sink import CsvSink
from pneumoscope.errors import FilmError
from pneumoscope.report.film_page import film_section, render_film_page, render_job_page
from pneumoscope.report.wording import base_name
from pneumoscope.runtime.film import Failure
from pneumoscope.runtime.predictor import Predictor
from pneumoscope.runtime.rule import OWN_THRESHOLD, Rule, own_rule, point_rule
from pneumoscope.web.arrivals import Arrivals
from pneumoscope.web.scored import Results, Scored, keep
from pneumoscope.web.settings import PageSettings

__all__ = ["Actions", "Sent"]

_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Sent:
    """One film that a browser says it has sent.

    Attributes:
        name: for messages and records; never used as a path.
        ticket: that it was given, or None where the film did not arrive.
        status: of HTTP, as the browser was answered; 0 where nobody answered it.
    """

    name: str
    ticket: str | None
    status: int = 0


class Actions:
    """What visitors can do; what one of them did is not known here.

    Args:
        predictor: scores.
        arrivals: where films are fetched by their tickets.
        settings: limits.
    """

    def __init__(self, predictor: Predictor, arrivals: Arrivals, settings: PageSettings) -> None:
        self.bundle = predictor.bundle
        self._predictor = predictor
        self._arrivals = arrivals
        self.workers = settings.workers
        self._most = settings.films
        # One pool for all visitors: films of one who sent many do not hold up another's only one.
        self._threads = ThreadPoolExecutor(settings.workers, thread_name_prefix="page")

    def rule(self, name: str, percent: float) -> Rule:
        """What decides.

        Args:
            name: of an operating point, or `OWN_THRESHOLD`.
            percent: the threshold where it is the visitor's own.
        """
        card = self.bundle.card
        return own_rule(card, percent / 100) if name == OWN_THRESHOLD else point_rule(card, name)

    def score(self, films: Sequence[Sent | Path]) -> Iterator[Results]:
        """Score films side by side and yield all results so far, in order, after each.

        Args:
            films: as sent, or a file that lies here; more than the limit are left out.
        """
        waiting = iter(films[: self._most])
        ahead: deque[Future[Scored]] = deque(
            self._threads.submit(self._one, film) for film in islice(waiting, self.workers)
        )
        done: list[Scored] = []
        try:
            while ahead:
                done.append(ahead.popleft().result())
                ahead.extend(self._threads.submit(self._one, film) for film in islice(waiting, 1))
                yield Results(tuple(done))
        finally:
            for job in ahead:
                job.cancel()

    def csv(self, results: Results, rule: Rule) -> str:
        """The records as they are on the page, one row each.

        Args:
            results: of one visitor.
            rule: what decides.
        """
        file = io.StringIO()
        sink = CsvSink(file)
        for film in results.films:
            sink.write(film.entry.under(rule, self.bundle.card.labels).record)
        sink.close()
        return file.getvalue()

    def report(self, results: Results, rule: Rule) -> str:
        """The printable page of all films.

        Args:
            results: of one visitor.
            rule: what decides.
        """
        entries = [film.entry.under(rule, self.bundle.card.labels) for film in results.films]
        if len(entries) == 1:
            return render_film_page(entries[0], self.bundle, rule)
        sections = [film_section(entry, self.bundle, rule) for entry in entries]
        return render_job_page([entry.record for entry in entries], sections, self.bundle)

    def close(self) -> None:
        """Wait for what is in work and end the threads."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _one(self, film: Sent | Path) -> Scored:
        if isinstance(film, Path):
            return keep(self._predictor.attempt(film, name=film.name))
        name = _shown(film.name)
        try:
            data = self._arrivals.take(film.ticket, name, film.status)
        except FilmError as error:
            return keep(Failure.of(error))
        return keep(self._predictor.attempt(data, name=name))


def _shown(name: str) -> str:
    r"""The last part of a file name, printable and of bounded length.

    >>> _shown(r"C:\films\a.png"), _shown("")
    ('a.png', 'film')
    """
    printable = (
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in base_name(name)
    )
    return "".join(printable)[-_LONGEST_NAME:] or "film"

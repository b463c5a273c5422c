"""What one page allows."""

from dataclasses import dataclass

from pneumoscope.batch.local import default_workers

__all__ = ["PageSettings"]

_MB = 2**20


@dataclass(frozen=True, slots=True)
class PageSettings:
    """Limits of one page.

    Attributes:
        workers: people whose films are scored at the same time; others see their place in the queue.
        film_bytes: of one file.
        films: files at one go.
        held_bytes: of all files that have arrived and are not scored yet, all people together.
        password: asked for by the browser, under any user name; None lets everybody in who reaches the page.
        public: people reach it whose films would leave their own machines; the page tells them.
    """

    workers: int = default_workers()
    film_bytes: int = 64 * _MB
    films: int = 100
    held_bytes: int = 1024 * _MB
    password: str | None = None
    public: bool = False

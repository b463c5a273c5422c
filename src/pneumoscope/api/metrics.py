"""What a Prometheus server asks for, in its text format; no film, name or address is in it.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4.
"""

from bisect import bisect_left
from collections import Counter, defaultdict

from pneumoscope._version import __version__
from pneumoscope.api.pool import ScoringPool

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """Counts of one server since it began. All methods are called from the event loop."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._films: Counter[str] = Counter()
        self._buckets: Counter[tuple[str, int]] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def count_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """One request was answered.

        Args:
            route: a path that exists, or "other".
            method: one that HTTP defines, or "other".
            status: of the answer.
            seconds: from its head to the end of the answer.
        """
        self._requests[route, method, status] += 1
        self._buckets[route, bisect_left(_BOUNDS, seconds)] += 1
        self._seconds[route] += seconds

    def count_film(self, status: str) -> None:
        """One film was scored ("ok") or not ("rejected", "error")."""
        self._films[status] += 1

    def expose(self, pool: ScoringPool, model: str) -> str:
        """All counts as text.

        Args:
            pool: whose queue is told.
            model: name and version of the bundle.
        """
        lines = [
            *_head("pneumoscope_info", "gauge", "Version of the program and of the bundle."),
            f'pneumoscope_info{{version="{__version__}",model="{_quoted(model)}"}} 1',
            *_head("pneumoscope_requests_total", "counter", "Requests answered."),
        ]
        for (route, method, status), count in sorted(self._requests.items()):
            labels = f'route="{route}",method="{method}",status="{status}"'
            lines.append(f"pneumoscope_requests_total{{{labels}}} {count}")
        lines += _head("pneumoscope_films_total", "counter", "Films by outcome.")
        for outcome in ("ok", "rejected", "error"):
            lines.append(f'pneumoscope_films_total{{status="{outcome}"}} {self._films[outcome]}')
        lines += self._histogram()
        gauges = (
            ("pneumoscope_requests_unfinished", "Requests with films in work or waiting.", pool.unfinished),
            ("pneumoscope_films_waiting", "Films that no thread has taken yet.", pool.waiting),
            ("pneumoscope_held_bytes", "Bytes of films, as sent, in memory.", pool.held_bytes),
        )
        for name, meaning, value in gauges:
            lines += [*_head(name, "gauge", meaning), f"{name} {value}"]
        return "\n".join(lines) + "\n"

    def _histogram(self) -> list[str]:
        name = "pneumoscope_request_seconds"
        lines = _head(name, "histogram", "From the head of a request to the end of its answer.")
        for route, seconds in sorted(self._seconds.items()):
            total = 0
            for index, bound in enumerate((*map(str, _BOUNDS), "+Inf")):
                total += self._buckets[route, index]
                lines.append(f'{name}_bucket{{route="{route}",le="{bound}"}} {total}')
            lines += [
                f'{name}_sum{{route="{route}"}} {seconds:.6f}',
                f'{name}_count{{route="{route}"}} {total}',
            ]
        return lines


def _head(name: str, kind: str, meaning: str) -> list[str]:
    return [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"]


def _quoted(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

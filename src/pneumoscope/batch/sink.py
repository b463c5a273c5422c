"""Where records go: a table for people; JSON, JSON lines and CSV for programs. Written as they come."""

import csv
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol, TextIO

from pneumoscope.batch.writing import cause_and_remedy, hold
from pneumoscope.errors import PneumoscopeError, UsageError
from pneumoscope.runtime.film import RECORD_FIELDS, Record

__all__ = ["SINK_FORMATS", "CsvSink", "JsonLinesSink", "JsonSink", "Sink", "TableSink", "open_sink"]

SINK_FORMATS = ("table", "json", "jsonl", "csv")

# Wide enough for paths; only a terminal has a width of its own.
_WIDTH_OF_A_FILE = 160
# What a spreadsheet takes a cell for a formula by. Source: OWASP, "CSV Injection".
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Sink(Protocol):
    """Takes records one by one."""

    def write(self, record: Record, notes: Sequence[str] = ()) -> None:
        """Take one record; `notes` are the film's warnings, which only people are shown."""

    def close(self) -> None:
        """Write what is still missing; the file itself stays open."""


class JsonLinesSink:
    """One JSON object per line, on disk as soon as it is known."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, record: Record, notes: Sequence[str] = ()) -> None:  # noqa: ARG002
        """Write and flush one line."""
        self._file.write(json.dumps(record, allow_nan=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Nothing is missing."""


class CsvSink:
    """A header of the record's fields and one row per record (RFC 4180, but LF); None is an empty cell.

    A path that a spreadsheet would take for a formula begins with "./", which names the same file.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._writer = csv.DictWriter(file, RECORD_FIELDS, lineterminator="\n")
        self._writer.writeheader()

    def write(self, record: Record, notes: Sequence[str] = ()) -> None:  # noqa: ARG002
        """Write and flush one row."""
        path = str(record["path"])
        self._writer.writerow(record | {"path": f"./{path}"} if path.startswith(_FORMULA) else record)
        self._file.flush()

    def close(self) -> None:
        """Nothing is missing."""


class JsonSink:
    """One JSON array of records."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._before = "[\n  "

    def write(self, record: Record, notes: Sequence[str] = ()) -> None:  # noqa: ARG002
        """Write one element."""
        self._file.write(self._before + json.dumps(record, allow_nan=False))
        self._before = ",\n  "

    def close(self) -> None:
        """End the array."""
        self._file.write("[]\n" if self._before.startswith("[") else "\n]\n")
        self._file.flush()


class TableSink:
    """A table for people, written when all is known, because its columns are as wide as its cells.

    Args:
        file: where to.
        caption: lines below the table.
    """

    def __init__(self, file: TextIO, caption: Sequence[str] = ()) -> None:
        self._file = file
        self._caption = caption
        self._rows: list[tuple[Record, tuple[str, ...]]] = []

    def write(self, record: Record, notes: Sequence[str] = ()) -> None:
        """Keep one row."""
        self._rows.append((record, tuple(notes)))

    def close(self) -> None:
        """Write the table."""
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        remarks = any(record["reason"] or notes for record, notes in self._rows)
        table.add_column("film", overflow="fold")
        table.add_column("finding", no_wrap=True)
        table.add_column("probability", justify="right", no_wrap=True)
        if remarks:
            table.add_column("remark", overflow="fold")
        for record, notes in self._rows:
            verdict = Text(str(record["finding"]), "bold" if record["finding"] == "PNEUMONIA" else "")
            if record["status"] != "ok":
                verdict = Text(str(record["status"]), "dim")
            remark = str(record["reason"]) if record["reason"] else "; ".join(notes)
            cells = [
                Text(_printable(str(record["path"]))),
                verdict,
                Text(_three_digits(record["probability"])),
            ]
            table.add_row(*cells, *([Text(_printable(remark))] if remarks else []))
        console = Console(file=self._file, highlight=False)
        if not console.is_terminal:
            console = Console(file=self._file, highlight=False, width=_WIDTH_OF_A_FILE)
        console.print(table)
        for line in self._caption:
            console.print(Text(line))
        scored = sum(record["status"] == "ok" for record, _ in self._rows)
        console.print(Text(f"{scored} scored, {len(self._rows) - scored} not scored"))
        self._file.flush()


def _three_digits(probability: str | float | None) -> str:
    """A probability as people read it; never 0 or 1, which no film is.

    >>> _three_digits(0.99999), _three_digits(0.25), _three_digits(None)
    ('>0.999', '0.250', '')
    """
    if not isinstance(probability, float):
        return ""
    if probability > 0.999:
        return ">0.999"
    return "<0.001" if probability < 0.001 else f"{probability:.3f}"


def _printable(text: str) -> str:
    """File names may hold control characters, which a terminal would obey."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


@contextmanager
def open_sink(
    form: str, out: Path | None, standard_output: TextIO, caption: Sequence[str] = ()
) -> Iterator[Sink]:
    """A sink that is finished however its block ends, so that what is done is kept.

    JSON lines and CSV go straight into the file and can be followed there. JSON and tables replace the
    file when they are complete.

    Args:
        form: one of `SINK_FORMATS`.
        out: a file, or None for standard output.
        standard_output: used where `out` is None.
        caption: lines below a table.

    Raises:
        UsageError: `out` cannot be opened, or another run is writing it.
        PneumoscopeError: what is written does not fit on the disk, for example.
    """
    if out is None:
        with _finished(_make_sink(form, standard_output, caption)) as sink:
            yield sink
        return
    target = Path(os.path.realpath(out))
    # A device or a pipe is written to and never replaced.
    whole = form in ("json", "table") and (target.is_file() or not target.exists())
    path = target.with_name(f".{target.name}.{os.getpid()}.part") if whole else target
    try:
        file = path.open("a", encoding="utf-8", errors="surrogateescape", newline="\n")
    except OSError as error:
        raise UsageError(f"--out {out} cannot be written: {cause_and_remedy(error)}") from error
    try:
        with file:
            if path.is_file():
                _empty(file, out)
            with _finished(_make_sink(form, file, caption)) as sink:
                yield sink
    except OSError as error:
        if whole:
            path.unlink(missing_ok=True)
        raise PneumoscopeError(f"{out} cannot be written: {cause_and_remedy(error)}") from error
    finally:
        if whole and path.exists():
            path.replace(target)


def _empty(file: TextIO, out: Path) -> None:
    """Take a file's former content away, unless another run is writing it."""
    with suppress(OSError):  # some file systems have no locks
        hold(file, out)
    file.truncate(0)


@contextmanager
def _finished(sink: Sink) -> Iterator[Sink]:
    try:
        yield sink
    finally:
        sink.close()


def _make_sink(form: str, file: TextIO, caption: Sequence[str]) -> Sink:
    if form == "table":
        return TableSink(file, caption)
    plain: dict[str, type[JsonSink | JsonLinesSink | CsvSink]] = {
        "json": JsonSink,
        "jsonl": JsonLinesSink,
        "csv": CsvSink,
    }
    return plain[form](file)

"""`pneumoscope bench`: how fast this machine scores these films, and what takes the time."""

import io
import json
import platform
import sys
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pneumoscope.cli.options import ModelOption, WorkersOption
from pneumoscope.cli.sample import sample_film
from pneumoscope.errors import UsageError

if TYPE_CHECKING:
    from pneumoscope.batch.bench import BenchReport

__all__ = ["bench"]

_BUSY = "Other programs took part of the processor meanwhile: on a quiet machine all of this is faster."


class _Format(StrEnum):
    TABLE = "table"
    JSON = "json"


def bench(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATH]...",
            help="Films, folders of films, or - for a list on standard input. Without any: the sample film.",
            show_default=False,
        ),
    ] = None,
    model: ModelOption = None,
    workers: WorkersOption = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often everything is measured.")] = 3,
    most: Annotated[
        int, typer.Option(min=1, help="Films to measure on; of more, so many evenly spread ones.")
    ] = 32,
    form: Annotated[_Format, typer.Option("--format", help="Of the figures.")] = _Format.TABLE,
) -> None:
    """Measure this machine with this bundle on your films: time of each stage, films per second, memory.

    The limit is the network alone, on films that are ready for it. Films that cannot be scored are left out.
    """
    from pneumoscope.batch.bench import measure_films, spread_sample
    from pneumoscope.batch.local import default_workers
    from pneumoscope.batch.plan import plan_films
    from pneumoscope.runtime.loading import load

    films = plan_films(paths or [sample_film()], sys.stdin or io.StringIO()).films
    if not films:
        raise UsageError("nothing to do: no films were found there")
    predictor = load(model)
    report = measure_films(
        predictor, spread_sample(films, most), workers=workers or default_workers(), rounds=rounds
    )
    about = {
        "bundle": predictor.bundle.identity,
        "machine": _machine(),
        "rounds": rounds,
        "films_given": len(films),
    }
    if form is _Format.JSON:
        print(json.dumps(about | _for_programs(report), indent=2))
    else:
        _show(about, report)


def _machine() -> dict[str, Any]:
    from importlib.metadata import version

    from pneumoscope.batch.local import usable_cores

    libraries = ("pneumoscope", "onnxruntime", "numpy", "pillow", "pydicom")
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": usable_cores(),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in libraries},
    }


def _for_programs(report: "BenchReport") -> dict[str, Any]:
    figures = asdict(report)
    for values, speeds in zip(figures["throughput"], report.throughput, strict=True):
        values["share_of_network"] = speeds.share_of_network
    figures["score_milliseconds"] = report.score_milliseconds
    figures["left_out"] = [{"path": path, "reason": reason} for path, reason in report.left_out]
    return figures


def _show(about: dict[str, Any], report: "BenchReport") -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from pneumoscope.batch.bench import STAGES

    score = report.score_milliseconds
    stages = Table("stage", "", box=SIMPLE_HEAD, pad_edge=False)
    stages.add_column("ms per film", justify="right")
    stages.add_column("of the score", justify="right")
    for stage, milliseconds in report.milliseconds.items():
        if stage == "map":
            stages.add_row("score", "all of these", f"{score:.1f}", "100%", end_section=True, style="bold")
        stages.add_row(stage, STAGES[stage], f"{milliseconds:.1f}", f"{milliseconds / score:.0%}")
    speeds = Table("films per second", box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("network alone", "files to records", "of the network"):
        speeds.add_column(heading, justify="right")
    for one in report.throughput:
        threads = "1 thread" if one.threads == 1 else f"{one.threads} threads"
        speeds.add_row(threads, f"{one.network:.1f}", f"{one.films:.1f}", f"{one.share_of_network:.0%}")
    machine = about["machine"]
    films = "1 film" if report.films == 1 else f"{report.films} films"
    which = "it" if report.films == 1 else "the middle one"
    of = "" if report.films == about["films_given"] else f" of {about['films_given']}"
    lines = [
        f"{about['bundle']} on {machine['system']}, {machine['cores']} cores, with onnxruntime "
        f"{machine['libraries']['onnxruntime']}",
        f"{films}{of}; {which} has {report.megapixels:.1f} megapixels in {report.megabytes:.2f} MB",
    ]
    if report.left_out:
        path, reason = report.left_out[0]
        lines.append(f"left out, as they get no score: {len(report.left_out)}, the first {path}: {reason}")
    console = Console(highlight=False)
    for part in (*map(Text, lines), stages, speeds):
        console.print(part)
    if report.peak_megabytes is not None:
        console.print(Text(f"memory of this process, at most: {report.peak_megabytes:.0f} MB"))
    if not report.quiet:
        console.print(Text(_BUSY))

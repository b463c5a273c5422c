"""`pneumoscope predict`: films in, records, overlays and evidence maps out."""

import io
import os
import sys
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscope.cli.options import ModelOption
from pneumoscope.cli.sample import sample_film
from pneumoscope.cli.statuses import INTERRUPTED, SOME_NOT_SCORED
from pneumoscope.errors import PneumoscopeError, UsageError

if TYPE_CHECKING:
    from pneumoscope.batch.outputs import OutputFolders
    from pneumoscope.batch.reports import ReportFolder
    from pneumoscope.batch.scoring import ScoredRecord
    from pneumoscope.runtime.predictor import Predictor

__all__ = ["predict"]

_UNGUARDED = "No guard was in use: images that are no chest films got a number too."
_NOBODY_READS = 141
# From so many on, processes gain more than the second that they take to start.
_FILMS_FOR_PROCESSES = 500


class _OperatingPoint(StrEnum):
    SCREENING = "screening"
    BALANCED = "balanced"
    RULE_IN = "rule-in"


class _Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


class _Engine(StrEnum):
    LOCAL = "local"
    RAY = "ray"


def predict(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH...",
            help="Films, folders of films, URLs of them (s3://...), or - for a list on standard input.",
        ),
    ] = None,
    sample: Annotated[
        bool, typer.Option("--sample", help="Score the sample film of the package pydicom-data.")
    ] = False,
    model: ModelOption = None,
    operating_point: Annotated[
        _OperatingPoint, typer.Option(help="Which of the bundle's thresholds decides the finding.")
    ] = _OperatingPoint.BALANCED,
    form: Annotated[_Format, typer.Option("--format", help="Of the records.")] = _Format.TABLE,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|URL",
            help="Write the records there instead of standard output. With FILE.parquet, or the URL of an "
            "SQLite or PostgreSQL database, the same command goes on after an interruption.",
        ),
    ] = None,
    job: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Tells this run from others in that database.", show_default="default"
        ),
    ] = None,
    overlay_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Draw each film beside its evidence: <stem>.png.")
    ] = None,
    heatmap_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Save each evidence map: <stem>.npy, float32, logit units, film size."
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write each film's report, <stem>.html, and index.html of them all."
        ),
    ] = None,
    engine: Annotated[
        _Engine,
        typer.Option(help="What the work is spread over: this machine, or the Ray cluster at RAY_ADDRESS."),
    ] = _Engine.LOCAL,
    guard: Annotated[
        bool, typer.Option("--guard/--no-guard", help="Refuse what is no frontal chest film.")
    ] = True,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Films scored at the same time.",
            show_default="one per core, at most 8; on a cluster, one less than it has processors",
        ),
    ] = None,
) -> None:
    """Score chest radiographs: how likely is pneumonia, and where is the evidence?

    One record per film, in input order. A bad film never stops the others. Of films with equal stems, the
    second one's files are called <stem>-2, and so on. In a Parquet file or a database each path is once.

    Exit status: 0 all scored, 3 some rejected or unreadable, 2 wrong usage or nothing to do.
    """
    # Each film has a thread: those of BLAS, which begin with numpy, would only stand in their way.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from pneumoscope.batch.job import is_job
    from pneumoscope.batch.local import default_workers
    from pneumoscope.batch.outputs import OutputFolders, refuse_to_overwrite
    from pneumoscope.runtime.loading import load

    films = _films(paths or [], sample)
    survives = out is not None and is_job(out)
    target = None if out is None or "://" in out else Path(out)
    folders = OutputFolders(films, overlays=overlay_dir, heatmaps=heatmap_dir, records=target)
    if job is not None and (out is None or "://" not in out):
        raise UsageError("--job names a run in a database: give its URL with --out, or leave --job out")
    if survives and form is not _Format.TABLE:
        raise UsageError(f"--format {form} and --out {out} contradict each other: leave --format out")
    if survives and not guard:
        raise UsageError(f"--no-guard and --out {out} contradict each other: a job keeps the bundle's guard")
    if survives and report is not None:
        raise UsageError(f"--report and --out {out} contradict each other: a job keeps records only")
    if engine is _Engine.RAY and report is not None:
        raise UsageError("--report and --engine ray contradict each other: write reports with --engine local")
    if target is not None:
        refuse_to_overwrite(films, [target])
    elif out is None and sys.stdout is None:
        raise UsageError("standard output is closed: name a file for the records with --out")
    if out is not None and survives:
        from pneumoscope.cli.predict_job import run_job

        raise typer.Exit(
            run_job(
                films,
                out,
                job or "default",
                model,
                operating_point.value,
                folders,
                workers,
                engine is _Engine.RAY,
            )
        )
    predictor = load(model, operating_point=operating_point.value, guard=guard)
    pages = _report_folder(films, report, predictor)
    if engine is _Engine.RAY:
        from pneumoscope.batch.ray_scoring import score_in_ray

        numbers = list(enumerate(films))
        records = score_in_ray(
            predictor.bundle, predictor.operating_point, guard, films, numbers, folders, workers
        )
    else:
        records = _score_here(films, predictor, folders, pages, workers or default_workers())
    with _cluster(engine, workers):
        status = _write(records, len(films), form, target, _caption(predictor))
    if pages is not None:
        pages.finish()
    raise typer.Exit(status)


def _score_here(
    films: tuple[str, ...],
    predictor: "Predictor",
    folders: "OutputFolders",
    pages: "ReportFolder | None",
    workers: int,
) -> "Generator[ScoredRecord, None, None]":
    """Score on this machine: in threads, or many films in processes, which do not wait for each other."""
    from pneumoscope.batch.local import map_in_order
    from pneumoscope.batch.scoring import FilmScorer, MakeScorer, lost_film

    workers = min(workers, len(films))
    if pages is not None or workers == 1 or len(films) < _FILMS_FOR_PROCESSES:
        return map_in_order(FilmScorer(predictor, folders, pages), enumerate(films), workers)
    from pneumoscope.batch.processes import map_in_processes

    guard = predictor.guard is not None
    make = MakeScorer(predictor.bundle, predictor.operating_point, folders, guard=guard)
    return map_in_processes(make, enumerate(films), workers, lost_film)


@contextmanager
def _cluster(engine: _Engine, workers: int | None) -> Iterator[None]:
    """Be on the cluster before the first byte of a result is written, in case it cannot be joined."""
    if engine is _Engine.LOCAL:
        yield
        return
    from pneumoscope.batch.ray_cluster import open_cluster

    with open_cluster(workers):
        yield


def _films(paths: list[str], sample: bool) -> tuple[str, ...]:
    from pneumoscope.batch.plan import plan_films

    plan = plan_films([*paths, *([sample_film()] if sample else [])], sys.stdin or io.StringIO())
    if plan.left_out:
        files = "1 file" if plan.left_out == 1 else f"{plan.left_out} files"
        print(f"left out {files}: no films by name or kind", file=sys.stderr)
    if not plan.films:
        raise UsageError(
            "nothing to do: no films were found there"
            if paths
            else "nothing to do: name a film or a folder, or --sample"
        )
    return plan.films


def _report_folder(
    films: tuple[str, ...], folder: Path | None, predictor: "Predictor"
) -> "ReportFolder | None":
    if folder is None:
        return None
    from pneumoscope.batch.reports import ReportFolder

    return ReportFolder(films, folder, predictor.bundle)


def _write(
    records: "Generator[ScoredRecord, None, None]",
    films: int,
    form: _Format,
    out: Path | None,
    caption: list[str],
) -> int:
    """Write all records and return the exit status; what is done stays written if it is interrupted."""
    from pneumoscope.batch.sink import open_sink
    from pneumoscope.cli.progress import progress

    # Records that come as they are known must not be drawn over by a bar on the same terminal.
    quiet = out is None and sys.stdout.isatty() and form is not _Format.TABLE
    done = scored = 0
    try:
        with (
            closing(records),
            open_sink(form.value, out, sys.stdout, caption) as sink,
            progress(films, shown=not quiet) as advance,
        ):
            for _, record, notes in records:
                sink.write(record, notes)
                done += 1
                scored += record["status"] == "ok"
                advance()
    except KeyboardInterrupt:
        print(f"interrupted: {done} of {films} films are done", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        # Python would complain again when it flushes standard output at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # the reader went away, as `head` does
            return _NOBODY_READS
        raise PneumoscopeError(
            f"standard output cannot be written: {error.strerror}; name a file for the records with --out"
        ) from error
    return 0 if scored == films else SOME_NOT_SCORED


def _caption(predictor: "Predictor") -> list[str]:
    """What a table must not be read without."""
    point = predictor.point
    return [
        f"{predictor.bundle.identity}, operating point {predictor.operating_point}: PNEUMONIA from a "
        f"probability of {point.threshold:.3f}",
        f"measured there on {point.split}: sensitivity {point.sensitivity.value:.3f} "
        f"({point.sensitivity.low:.3f} to {point.sensitivity.high:.3f}), specificity "
        f"{point.specificity.value:.3f} ({point.specificity.low:.3f} to {point.specificity.high:.3f})",
        *([] if predictor.guard else [_UNGUARDED]),
        "For research use only.",
    ]

"""`pneumoscope evaluate`: a bundle and labelled films in, every metric with its interval out."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscope.errors import UsageError

if TYPE_CHECKING:
    from pneumoscope.evaluation.films import LabelledFilm
    from pneumoscope.evaluation.report import EvaluationReport
    from pneumoscope.runtime.card import Estimate

__all__ = ["evaluate"]


def evaluate(
    bundle: Annotated[
        str, typer.Argument(metavar="BUNDLE", help="A shipped bundle's name or the folder of one.")
    ],
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER|CSV",
            help="A folder with NORMAL and PNEUMONIA, or a csv with path,label[,patient,source].",
        ),
    ] = None,
    manifest: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Instead: the films of a manifest. May be repeated."),
    ] = None,
    root: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="The manifest's paths are relative to it; one for each manifest."),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Of the manifest: train, validation or test.")] = None,
    source: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Of the manifest: only these sources.")
    ] = None,
    positive: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL", help="Labels that count as pneumonia.", show_default="PNEUMONIA"),
    ] = None,
    negative: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL", help="Labels that count as none.", show_default="NORMAL"),
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option(
            metavar="BUNDLE", help="Score the same films with this one too, and test the difference."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE.json", help="Write all figures.")] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write one page with curves and tables.")
    ] = None,
    scores_out: Annotated[
        Path | None, typer.Option("--scores", metavar="FILE.csv", help="Write the score of every film.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads that score.", show_default="one per core")
    ] = None,
) -> None:
    """Measure a bundle on labelled films, pooled and per source, at every operating point."""
    from pneumoscope.evaluation.report import evaluate_bundle, scores_csv
    from pneumoscope.report.evaluation_page import render_evaluation_page
    from pneumoscope.runtime.bundle import find_bundle, open_bundle

    opened = open_bundle(find_bundle(bundle))
    rival = open_bundle(find_bundle(compare)) if compare is not None else None
    targets = dict.fromkeys(negative or ["NORMAL"], 0) | dict.fromkeys(positive or ["PNEUMONIA"], 1)
    films = _films(data, manifest, root, split, source, targets)
    with _progress(len(films) * (2 if rival else 1), shown=sys.stderr.isatty()) as progress:
        report = evaluate_bundle(opened, films, rival=rival, workers=workers, progress=progress)
    if out is not None:
        out.write_text(json.dumps(report.to_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if html is not None:
        html.write_text(render_evaluation_page(report.to_json()), encoding="utf-8")
    if scores_out is not None:
        scores_out.write_text(scores_csv(report.scores), encoding="utf-8")
    _say(report)


def _films(
    data: Path | None,
    manifests: list[Path] | None,
    roots: list[Path] | None,
    split: str | None,
    sources: list[str] | None,
    targets: dict[str, int],
) -> "list[LabelledFilm]":
    """Films of the one place that was named."""
    from pneumoscope.evaluation.films import csv_films, folder_films, manifest_films

    if data is not None:
        belonging = {"manifest": manifests, "root": roots, "split": split, "source": sources}
        for option, value in belonging.items():
            if value:
                raise UsageError(f"--{option} belongs to a manifest: leave it out, or leave {data} out")
        if data.is_dir():
            return folder_films(data, targets=targets)
        if data.is_file():
            return csv_films(data, targets=targets)
        raise UsageError(f"{data} does not exist: name a folder with NORMAL and PNEUMONIA, or a csv")
    if not manifests or not roots or split is None:
        raise UsageError("name films to measure: a folder, a csv, or --manifest, --root and --split together")
    from pneumoscope.data.joined import join_manifests

    films = join_manifests(manifests, roots)
    return manifest_films(films.rows, films.root, split, sources=sources, targets=targets)


def _say(report: "EvaluationReport") -> None:
    """Tables on standard output, what failed on standard error."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 140)
    scores = Table("films of", "films", "patients", "pneumonia", "AUC", "Brier", "calibration error")
    points = Table("films of", "operating point", "threshold", "sensitivity", "specificity", "accuracy", "F1")
    for group in report.groups:
        counts = (group.group, str(group.films), str(group.patients), str(group.positives))
        wanted = ("auc", "brier", "expected_calibration_error")
        scores.add_row(*counts, *(_cell(group.metrics.get(metric)) for metric in wanted))
        for name, point in group.operating_points.items():
            rates = ("sensitivity", "specificity", "accuracy", "f1")
            cells = (_cell(point.metrics.get(rate)) for rate in rates)
            points.add_row(group.group, name, f"{point.threshold:.4f}", *cells)
    console.print(f"{report.model}, 95 % intervals in brackets", highlight=False)
    console.print(scores)
    console.print(points)
    if report.comparison:
        rivals = Table(
            "films of", "films", f"AUC, minus {report.rival}", "p (DeLong)", "p (McNemar, balanced)"
        )
        for pair in report.comparison:
            test = pair.auc
            difference = _cell(test.difference if test else None)
            p_value = f"{test.p_value:.3g}" if test else "-"
            rivals.add_row(
                pair.group, str(pair.films), difference, p_value, f"{pair.mcnemar['balanced']:.3g}"
            )
        console.print(rivals)
    for failure in report.scores.failures:
        print(f"{failure.path}: {failure.status}: {failure.reason}", file=sys.stderr)


def _cell(estimate: "Estimate | None") -> str:
    return "-" if estimate is None else f"{estimate.value:.3f} ({estimate.low:.3f}-{estimate.high:.3f})"


@contextmanager
def _progress(films: int, *, shown: bool) -> "Iterator[Callable[[int], None] | None]":
    """A bar on standard error, or nothing."""
    if not shown:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bars:
        task = bars.add_task("scoring", total=films)
        yield lambda done: bars.update(task, completed=done)

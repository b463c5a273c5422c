"""`pneumoscope evaluate-map`: does a bundle's map lie in the lesion, stay there, and need its weights?"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscope.cli.options import BundleArgument, RootOption, ThreadsOption
from pneumoscope.cli.places import check_files, write_file
from pneumoscope.cli.progress import steps
from pneumoscope.errors import UsageError

if TYPE_CHECKING:
    from pneumoscope.evaluation.explanation import ExplanationReport
    from pneumoscope.models import PooledClassifier
    from pneumoscope.runtime.bundle import Bundle
    from pneumoscope.runtime.card import Estimate

__all__ = ["evaluate_map"]


def evaluate_map(
    bundle: BundleArgument,
    manifest: Annotated[
        list[Path],
        typer.Option(metavar="FILE", help="Films with outlines or boxes. May be repeated."),
    ],
    root: RootOption,
    split: Annotated[str, typer.Option(help="Of the manifest: train, validation or test.")],
    source: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Of the manifest: only these sources.")
    ] = None,
    run: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="RUN",
            help="What the bundle was exported from: test the map with random weights too. Needs torch.",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Of random weights.")] = 10,
    methods: Annotated[
        bool, typer.Option("--methods", help="Ask captum's methods too. Needs --run and captum.")
    ] = False,
    films: Annotated[
        int, typer.Option(min=2, help="Films, drawn at random, that --run and --methods look at.")
    ] = 100,
    out: Annotated[Path | None, typer.Option(metavar="FILE.json", help="Write all figures.")] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write one page with tables and plots.")
    ] = None,
    workers: ThreadsOption = None,
) -> None:
    """Test a bundle's map on films on which radiologists drew the disease."""
    if methods and not run:
        raise UsageError(
            "--methods asks the network itself: name what the bundle was exported from, --run RUN"
        )
    from pneumoscope.data.joined import join_manifests
    from pneumoscope.data.marked_films import marked_films
    from pneumoscope.evaluation.explanation import measure_explanation
    from pneumoscope.report.explanation_page import render_explanation_page
    from pneumoscope.runtime.bundle import find_bundle, open_bundle

    check_files(out, html, read=manifest)
    opened = open_bundle(find_bundle(bundle))
    model = _network(run, opened) if run else None
    joined = join_manifests(manifest, root)
    marked = marked_films(joined.rows, joined.root, split, sources=source)
    with steps(shown=sys.stderr.isatty()) as progress:
        report = measure_explanation(opened, marked, split, workers=workers, progress=progress)
        if model is not None:
            from pneumoscope.release.explanation_run import measure_network

            report = measure_network(
                report, model, opened, marked, count=films, seeds=seeds, methods=methods, progress=progress
            )
    if out is not None:
        write_file(out, json.dumps(report.to_json(), indent=2, ensure_ascii=False) + "\n")
    if html is not None:
        write_file(html, render_explanation_page(report.to_json()))
    _say(report)


def _network(runs: list[Path], bundle: "Bundle") -> "PooledClassifier":
    """What a bundle was exported from."""
    from pneumoscope.release.trained_run import join_runs, open_run

    opened = [open_run(directory) for directory in runs]
    return join_runs(opened, average_weights="average" in bundle.card.recipe).model


def _say(report: "ExplanationReport") -> None:
    """Tables on standard output, what failed on standard error."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 140)
    places = Table(
        "films of", "films", "patients", "", "hottest point in a lesion", "AUPRC", "evidence in lungs"
    )
    for group in report.groups:
        for name in ("map", "others", "lungs", "centre", "film"):
            cells = (_cell(estimates.get(name)) for estimates in group.metrics.values())
            places.add_row(group.group, str(group.films), str(group.patients), name, *cells)
    changes = Table("change of the film", "hottest point moves by", "correlation of maps")
    repeated = report.repeatability
    for change in (*repeated.changes, *([repeated.other_patients] if repeated.other_patients else [])):
        changes.add_row(change.name, _cell(change.displacement), _cell(change.correlation))
    console.print(f"{report.model}, {report.split} films, 95 % intervals in brackets", highlight=False)
    console.print(places)
    console.print(changes)
    if report.randomisation is not None:
        failed = report.randomisation.failed
        verdict = f"fails for seeds {', '.join(map(str, failed))}" if failed else "fails for no seed"
        console.print(
            f"Random weights: the test {verdict} ({len(report.randomisation.seeds)} tried)", highlight=False
        )
    if report.methods is not None:
        rivals = Table("method", "hottest point in a lesion", "AUPRC", "ms per film")
        for method in report.methods.methods:
            time = "-" if method.milliseconds is None else f"{method.milliseconds:,.0f}"
            rivals.add_row(method.title, _cell(method.pointing), _cell(method.average_precision), time)
        console.print(rivals)
    if report.empty:
        print(f"{report.empty} films are left out: nothing is drawn on them", file=sys.stderr)
    for failure in report.failures:
        print(f"{failure.path}: {failure.status}: {failure.reason}", file=sys.stderr)


def _cell(estimate: "Estimate | None") -> str:
    return "-" if estimate is None else f"{estimate.value:.3f} ({estimate.low:.3f}-{estimate.high:.3f})"

"""`pneumoscope export`: a training run in, a calibrated and measured bundle out."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscope.cli.options import (
    EvaluateOption,
    OutBundleOption,
    RootOption,
    ThreadsOption,
    TrainedManifestOption,
)
from pneumoscope.cli.progress import steps

if TYPE_CHECKING:
    from pneumoscope.release.build import Release

__all__ = ["export"]


def export(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN_DIR...", help="What `pneumoscope train` wrote; several make an ensemble."
        ),
    ],
    manifest: TrainedManifestOption,
    root: RootOption,
    out: OutBundleOption,
    average_weights: Annotated[
        bool,
        typer.Option(
            "--average-weights",
            help="Of several runs, one network whose weights are the mean of theirs, instead of an ensemble.",
        ),
    ] = False,
    name: Annotated[
        str | None, typer.Option(help="Name of the bundle.", show_default="pneumoscope-NAME of the recipe")
    ] = None,
    version: Annotated[str, typer.Option(help="Version of these weights.")] = "0.1.0",
    calibrate_on: Annotated[
        str, typer.Option(metavar="SPLIT", help="Where temperature and thresholds come from.")
    ] = "validation",
    calibrate_source: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only from films of these sources.", show_default="all of the run"),
    ] = None,
    balance_sources: Annotated[
        bool,
        typer.Option(
            "--balance-sources", help="Every source and label counts equally in temperature and thresholds."
        ),
    ] = False,
    evaluate: EvaluateOption = None,
    other_manifest: Annotated[
        bool,
        typer.Option(
            "--other-manifest",
            help="Accept another manifest than that of the run, or runs of different ones; the card says so.",
        ),
    ] = False,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Accept a run that did not reach its end; the card says so.")
    ] = False,
    guard: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="guard.json of `pneumoscope data guard`: refuse what is no frontal chest film.",
        ),
    ] = None,
    workers: ThreadsOption = None,
) -> None:
    """Make a bundle from a training run: export, check against torch, calibrate, measure, describe."""
    from pneumoscope.cli.pairs import source_and_split
    from pneumoscope.data.joined import join_manifests
    from pneumoscope.data.sources import SOURCES
    from pneumoscope.image.guard import read_guard
    from pneumoscope.release.build import ReleaseOptions, build_release
    from pneumoscope.release.trained_run import join_runs, open_run
    from pneumoscope.report.model_card import render_model_card
    from pneumoscope.runtime.bundle import check_place, open_bundle, write_bundle

    check_place(out)
    keeper = None if guard is None else read_guard(guard)
    pairs = tuple(source_and_split(text) for text in evaluate or ())
    films = join_manifests(manifest, root)
    run = join_runs(
        [open_run(directory) for directory in runs],
        average_weights=average_weights,
        other_manifest=other_manifest,
    )
    options = ReleaseOptions(
        name=name or f"pneumoscope-{run.name}",
        version=version,
        calibrate_on=calibrate_on,
        calibrate_sources=tuple(calibrate_source) if calibrate_source else None,
        balance_sources=balance_sources,
        evaluate=pairs,
        manifest_names=tuple(path.name for path in manifest),
        other_manifest=other_manifest,
        unfinished=unfinished,
        workers=workers,
    )
    facts = {source.name: source for source in SOURCES}
    with steps(shown=sys.stderr.isatty()) as progress:
        release = build_release(run, films.rows, films.root, options, facts=facts, progress=progress)
    write_bundle(out, release.onnx, release.card, render_model_card(release.card), keeper)
    open_bundle(out)
    _say(release, out)


def _say(release: "Release", out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    card, parity = release.card, release.parity
    print(f"{out}: {card.name} {card.version}, {len(release.onnx) / 1e6:.1f} MB")
    print(
        f"torch and onnxruntime differ by at most {parity.logit:.1e} in the logit and {parity.cam:.1e} in "
        f"the map on {parity.films} films"
    )
    print(f"temperature {card.temperature:.3f}, the map's colours saturate at {card.heatmap_limit:g} logits")
    if release.failures:
        print(f"{release.failures} films of the calibration split could not be scored", file=sys.stderr)
    table = Table("films of", "films", "AUC", "operating point", "threshold", "sensitivity", "specificity")
    for evaluation in card.evaluations:
        for point, chosen in card.operating_points.items():
            texts = [
                f"{found.value:.3f} ({found.low:.3f}-{found.high:.3f})" if found else "-"
                for found in map(
                    evaluation.metrics.get, ("auc", f"sensitivity@{point}", f"specificity@{point}")
                )
            ]
            first = (evaluation.split, str(evaluation.films), texts[0], point, f"{chosen.threshold:.4f}")
            table.add_row(*first, *texts[1:])
    Console(width=None if sys.stdout.isatty() else 140).print(table)

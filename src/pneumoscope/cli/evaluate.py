"""`pneumoscope evaluate`: a bundle and labelled films in, every metric with its interval out."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscope.cli.evaluate_tables import say
from pneumoscope.cli.labelled import (
    AskedFilms,
    LabelledArgument,
    NegativeOption,
    PositiveOption,
    SomeManifestsOption,
    SomeRootsOption,
    SomeSourcesOption,
    SplitOption,
    ask_films,
    targets_of,
)
from pneumoscope.cli.options import BundleArgument, ThreadsOption
from pneumoscope.cli.places import check_files, check_folder, write_file
from pneumoscope.errors import UsageError

if TYPE_CHECKING:
    from pneumoscope.evaluation.report import EvaluationReport
    from pneumoscope.evaluation.variants import FindLungs
    from pneumoscope.runtime.bundle import Bundle

__all__ = ["evaluate"]


def evaluate(
    bundle: BundleArgument,
    data: LabelledArgument = None,
    manifest: SomeManifestsOption = None,
    root: SomeRootsOption = None,
    split: SplitOption = None,
    source: SomeSourcesOption = None,
    positive: PositiveOption = None,
    negative: NegativeOption = None,
    compare: Annotated[
        str | None,
        typer.Option(
            metavar="BUNDLE", help="Score the same films with this one too, and test the difference."
        ),
    ] = None,
    baselines: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Ask what is reached without seeing the disease: border, geometry, bytes, thumbnail. DIR "
            "keeps plates of the films, as `data audit --out DIR` does. Needs a manifest.",
        ),
    ] = None,
    stress: Annotated[
        bool,
        typer.Option("--stress", help="Score the films also stretched, padded, cropped and without lungs."),
    ] = False,
    lungs: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="For --stress: masks of lungs, NAME.png per film; else a network finds them."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE.json", help="Write all figures.")] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write one page with curves and tables.")
    ] = None,
    worst: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Show the N most confident errors of each kind on the page, with heatmaps.",
        ),
    ] = None,
    scores_out: Annotated[
        Path | None, typer.Option("--scores", metavar="FILE.csv", help="Write the score of every film.")
    ] = None,
    workers: ThreadsOption = None,
) -> None:
    """Measure a bundle on labelled films, pooled and per source, at every operating point."""
    from pneumoscope.evaluation.report import WORST_OF_EACH_KIND, evaluate_bundle, scores_csv
    from pneumoscope.runtime.bundle import find_bundle, open_bundle

    if worst is not None and html is None:
        raise UsageError("--worst shows films on the page: name the page too, with --html")
    if lungs is not None and not stress:
        raise UsageError("--lungs belongs to --stress: give both, or leave it out")
    check_files(out, html, scores_out, read=[data, *(manifest or ())])
    check_folder(baselines)
    find_lungs = _finder(lungs) if stress else None
    opened = open_bundle(find_bundle(bundle))
    rival = open_bundle(find_bundle(compare)) if compare is not None else None
    asked = ask_films(data, manifest, root, split, source, targets_of(positive, negative))
    if baselines is not None and asked.joined is None:
        raise UsageError("--baselines needs a manifest: make one of your films with `pneumoscope data build`")
    with _progress("scoring", len(asked.films) * (2 if rival else 1)) as progress:
        report = evaluate_bundle(
            opened,
            asked.films,
            rival=rival,
            films_of=asked.described,
            worst=worst or WORST_OF_EACH_KIND,
            workers=workers,
            progress=progress,
        )
    if baselines is not None:
        report = _with_baselines(report, asked, baselines, workers)
    if find_lungs is not None:
        report = _with_stress(report, opened, asked, find_lungs, workers)
    if out is not None:
        write_file(out, json.dumps(report.to_json(), indent=2, ensure_ascii=False) + "\n")
    if html is not None:
        write_file(html, _page(report, opened, shown=worst is not None))
    if scores_out is not None:
        write_file(scores_out, scores_csv(report.scores), odd_names="surrogateescape")
    say(report)


def _with_baselines(
    report: "EvaluationReport", asked: AskedFilms, directory: Path, workers: int | None
) -> "EvaluationReport":
    """The report with what is reached without seeing the disease."""
    from pneumoscope.data.audit.baselines import measure_baselines
    from pneumoscope.data.audit.films import ENOUGH_FILMS

    assert asked.joined is not None
    rows, root = asked.joined.rows, asked.joined.root
    probability = dict(zip(report.scores.paths, report.scores.probabilities.tolist(), strict=True))
    scored = {row.path: probability[name] for row in rows if (name := str(root / row.path)) in probability}
    with _progress("reading films", None) as progress:
        found = measure_baselines(
            rows,
            root,
            scored,
            asked.targets,
            asked.split,
            directory,
            workers=workers,
            progress=None if progress is None else lambda done, _: progress(done),
        )
    if not found:
        print(
            f"--baselines: nothing to tell of these films; it takes {ENOUGH_FILMS}, of one source or of all",
            file=sys.stderr,
        )
    return replace(report, baselines=found)


def _finder(masks: Path | None) -> "FindLungs":
    from pneumoscope.data.film_lungs import film_lungs

    return film_lungs(masks)


def _with_stress(
    report: "EvaluationReport", bundle: "Bundle", asked: AskedFilms, find: "FindLungs", workers: int | None
) -> "EvaluationReport":
    """The report with the same films changed."""
    from pneumoscope.evaluation.stress import stress_films, summarise_stress
    from pneumoscope.runtime.predictor import Predictor

    with _progress("scoring changed films", len(asked.films)) as progress:
        films = stress_films(
            Predictor(bundle, guard=False), asked.films, find, workers=workers, progress=progress
        )
    thresholds = {str(name): point.threshold for name, point in bundle.card.operating_points.items()}
    return replace(
        report, stress=summarise_stress(films, thresholds), lungs=dict(Counter(films.lungs.tolist()))
    )


def _page(report: "EvaluationReport", bundle: "Bundle", *, shown: bool) -> str:
    """The page, with pictures of the worst films where they are to be shown."""
    from pneumoscope.report.evaluation_films import film_picture
    from pneumoscope.report.evaluation_page import render_evaluation_page
    from pneumoscope.runtime.film import Film
    from pneumoscope.runtime.predictor import Predictor

    pictures = {}
    if shown:
        predictor = Predictor(bundle, guard=False)
        for wrong in (film for kind in report.worst.values() for film in kind):
            film = predictor.attempt(wrong.path)
            if isinstance(film, Film):
                pictures[wrong.path] = film_picture(film)
    return render_evaluation_page(report.to_json(), pictures)


@contextmanager
def _progress(what: str, films: int | None) -> "Iterator[Callable[[int], None] | None]":
    """A bar on standard error where that is a terminal, or nothing."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bars:
        task = bars.add_task(what, total=films)
        yield lambda done: bars.update(task, completed=done)

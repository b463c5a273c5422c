"""`pneumoscope recalibrate`: the same network, with temperature and thresholds of one's own films."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

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
from pneumoscope.cli.options import BundleArgument, EvaluateOption, OutBundleOption, ThreadsOption
from pneumoscope.cli.progress import steps
from pneumoscope.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from pneumoscope.release.recalibrate import FilmSet
    from pneumoscope.runtime.bundle import Bundle
    from pneumoscope.runtime.card import Card

__all__ = ["recalibrate"]


def recalibrate(
    bundle: BundleArgument,
    out: OutBundleOption,
    data: LabelledArgument = None,
    manifest: SomeManifestsOption = None,
    root: SomeRootsOption = None,
    split: SplitOption = None,
    source: SomeSourcesOption = None,
    positive: PositiveOption = None,
    negative: NegativeOption = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the new bundle.", show_default="that of the old one")
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(help="Version of it.", show_default="the old one, +recalibrated, and a digest"),
    ] = None,
    balance_sources: Annotated[
        bool, typer.Option("--balance-sources", help="Every source and label counts equally.")
    ] = False,
    cut_frame: Annotated[
        bool,
        typer.Option("--cut-frame", help="Let it cut empty frames off films, where the old bundle does not."),
    ] = False,
    guard: Annotated[
        bool, typer.Option("--guard/--no-guard", help="Leave out what is no frontal chest film.")
    ] = True,
    evaluate: EvaluateOption = None,
    workers: ThreadsOption = None,
) -> None:
    """Fix temperature and thresholds anew, on labelled films of one's own; the network stays as it is."""
    from pneumoscope.release.recalibrate import Recalibration, recalibrate_bundle
    from pneumoscope.report.model_card import render_model_card
    from pneumoscope.runtime.bundle import check_place, find_bundle, open_bundle, write_bundle

    if split == "test":
        raise UsageError("thresholds chosen on the test split would make it worthless: use validation")
    check_place(out)
    old = open_bundle(find_bundle(bundle))
    asked = ask_films(data, manifest, root, split, source, targets_of(positive, negative))
    if asked.joined is None and evaluate:
        raise UsageError("--evaluate names films of a manifest: fix the thresholds on one, too")
    learnt = {str(source["name"]) for source in old.card.training_data}
    known = sorted({film.source for film in asked.films} & learnt)
    if split == "train" and known:
        raise UsageError(
            f"{old.identity} was trained on films of {', '.join(known)}, and may know these by heart: use "
            "validation"
        )
    trained = False
    if asked.joined is not None:
        from pneumoscope.data.manifest import manifest_sha256

        trained = manifest_sha256(asked.joined.rows) == old.card.training_manifest_sha256
    # Until it has a version of its own, no name leads to it.
    called = "BUNDLE" if version is None and name is None else name or old.card.name
    with steps(shown=sys.stderr.isatty()) as progress:
        made = recalibrate_bundle(
            old,
            _asked_set(called, asked, data, manifest, source),
            [_named_set(called, old, asked, manifest, text) for text in evaluate or ()],
            Recalibration(name, version, balance_sources, cut_frame, guard, trained, workers),
            progress=progress,
        )
    for failure in made.failures:
        print(f"without a score: {failure.path}: {failure.reason}", file=sys.stderr)
    write_bundle(out, old.onnx, made.card, render_model_card(made.card), old.guard)
    print(f"{out}: {open_bundle(out).identity}")
    _say(old.card, made.card)


def _asked_set(
    name: str,
    asked: AskedFilms,
    data: "Path | None",
    manifests: "list[Path] | None",
    sources: list[str] | None,
) -> "FilmSet":
    from pneumoscope.release.measured import manifest_command
    from pneumoscope.release.recalibrate import FilmSet

    if data is not None:
        return FilmSet(asked.films, None, data.resolve().name, labels=_labels(asked.targets))
    named = tuple(sources or ())
    return FilmSet(
        asked.films,
        asked.split,
        f"{asked.split} of {', '.join(named)}" if named else asked.split,
        manifest_command(name, asked.targets, asked.split, [path.name for path in manifests or ()]),
        named,
        _labels(asked.targets),
    )


def _labels(targets: "dict[str, int]") -> str:
    ill, without = (
        " and ".join(label for label, target in targets.items() if target == wanted) for wanted in (1, 0)
    )
    return f"{ill} counted as pneumonia, {without} as none"


def _named_set(
    name: str, old: "Bundle", asked: AskedFilms, manifests: "list[Path] | None", text: str
) -> "FilmSet":
    """Films of the same manifests that SOURCE:SPLIT names; all: of the sources that it was trained on."""
    from pneumoscope.cli.pairs import source_and_split
    from pneumoscope.evaluation.films import manifest_films
    from pneumoscope.release.lower_precision import trained_on
    from pneumoscope.release.measured import manifest_command
    from pneumoscope.release.recalibrate import FilmSet

    assert asked.joined is not None
    source, split = source_and_split(text)
    sources: tuple[str, ...] = (source,)
    if source == "all":
        present = {row.source for row in asked.joined.rows}
        sources = tuple(each for each in trained_on(old).sources or () if each in present)
    films = manifest_films(
        asked.joined.rows, asked.joined.root, split, sources=sources or None, targets=asked.targets
    )
    names = [path.name for path in manifests or ()]
    command = manifest_command(name, asked.targets, split, names)
    return FilmSet(films, split, text, command, sources)


def _say(old: "Card", new: "Card") -> None:
    print(f"temperature {new.temperature:.3f} (it was {old.temperature:.3f})")
    for name, point in new.operating_points.items():
        rates = " and ".join(
            f"{what} {rate.value:.3f} ({rate.low:.3f} to {rate.high:.3f})"
            for what, rate in (("sensitivity", point.sensitivity), ("specificity", point.specificity))
        )
        before = old.operating_points[name].threshold
        print(f"{name}: threshold {point.threshold:.4f} (it was {before:.4f}), {rates} on these films")

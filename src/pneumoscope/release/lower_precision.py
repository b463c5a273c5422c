"""From a bundle to a faster one in lower precision, measured against the exact one, refused if it loses much.

Temperature and thresholds stay those of the exact bundle, so that a finding changes only where the arithmetic
changes it; what they give is measured anew.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from pneumoscope.data.manifest import ManifestRow, manifest_sha256
from pneumoscope.errors import DataError, UsageError
from pneumoscope.evaluation.films import LabelledFilm, manifest_films
from pneumoscope.evaluation.operating_points import measure_curve, measure_operating_point
from pneumoscope.evaluation.precision import measure_loss
from pneumoscope.evaluation.scoring import Scores, score_films
from pneumoscope.image.read import FilmRoot
from pneumoscope.release.calibration_films import read_plates, spread_choice
from pneumoscope.release.int8 import EXACT_GRID, quantise_network
from pneumoscope.release.measured import Command, card_evaluations, manifest_command
from pneumoscope.runtime.bundle import Bundle
from pneumoscope.runtime.card import Card, LowerPrecision
from pneumoscope.runtime.predictor import Predictor
from pneumoscope.runtime.provenance import recipes_of
from pneumoscope.runtime.session import load_network
from pneumoscope.training.recipe import DataChoice

__all__ = ["LowerOptions", "Lowered", "lower_bundle", "trained_on"]

Arithmetic = Literal["int8", "bf16", "int8-bf16", "fp32-openvino"]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class LowerOptions:
    """What the caller decides.

    Attributes:
        arithmetic: as `LowerPrecision` lists them.
        calibration_films: training films that ranges of int8 come from, as many of each source and label.
        exact_grid: int8: layers whose grid has at least 1/exact_grid of the film's sides stay exact.
        split: films that both bundles score; never a test split.
        sources: only films of these; None for all that the bundle was trained on.
        evaluate: (source, split) pairs to put on the card beside these; source "all" pools.
        most_loss: AUC that may be lost on any source.
        margin: findings may change only this near to a threshold, calibrated probability.
        manifest_names: file names of the manifests, for the commands on the card.
        other_manifest: accept another manifest than the bundle was trained on.
        workers: threads that score; None for one per core.
    """

    arithmetic: Arithmetic
    calibration_films: int = 256
    exact_grid: int = EXACT_GRID
    split: str = "validation"
    sources: tuple[str, ...] | None = None
    evaluate: tuple[tuple[str, str], ...] = ()
    most_loss: float = 0.001
    margin: float = 0.05
    manifest_names: tuple[str, ...] = ("manifest.parquet",)
    other_manifest: bool = False
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class Lowered:
    """Ready to be written by `write_bundle`.

    Attributes:
        onnx: the serialised network.
        card: complete.
        loss: against the exact bundle, as on the card.
    """

    onnx: bytes
    card: Card
    loss: LowerPrecision


def lower_bundle(
    bundle: Bundle,
    rows: Sequence[ManifestRow],
    root: FilmRoot,
    options: LowerOptions,
    *,
    progress: Progress | None = None,
) -> Lowered:
    """Make a bundle's content in lower precision and measure what it loses.

    Args:
        bundle: the exact one.
        rows: of the manifest that it was trained on.
        root: folder that the manifest's paths are relative to.
        options: the caller's.
        progress: told what is being done, how many films are done, and of how many.

    Raises:
        UsageError: the bundle is in lower precision already, its recipe does not say which labels it knows,
            the manifest is another, the comparison is asked for on the test split, or a split holds no film.
        BundleError: it has nothing to quantise, or this machine cannot compute in that arithmetic.
        DataError: it loses more than the options allow.
    """
    if bundle.card.lower_precision is not None:
        made_from = bundle.card.lower_precision.made_from
        raise UsageError(f"{bundle.identity} is in lower precision already: start from {made_from}")
    if options.split == "test":
        raise UsageError("what is decided on the test split makes it worthless: compare on validation")
    if not options.other_manifest and manifest_sha256(rows) != bundle.card.training_manifest_sha256:
        raise UsageError(
            f"{', '.join(options.manifest_names)} is not the manifest that {bundle.identity} was trained on, "
            "so that its validation films may have been trained on: give that manifest, or those, or "
            "--other-manifest to insist"
        )
    data = trained_on(bundle)
    sources = options.sources or data.sources
    network, calibrated_on = bundle.onnx, ""
    if options.arithmetic.startswith("int8"):
        films = spread_choice(
            manifest_films(rows, root, "train", sources=sources, targets=data.targets),
            options.calibration_films,
        )
        told = _told(progress, "reading films", len(films))
        plates = read_plates(films, bundle.card.prepare, workers=options.workers, progress=told)
        network = quantise_network(bundle.onnx, plates, exact_grid=options.exact_grid)
        calibrated_on = f"{len(plates)} training films of {', '.join(_names(films))}"
    films = manifest_films(rows, root, options.split, sources=sources, targets=data.targets)
    lower = _predictor(bundle, network, options)
    exact_scores = _score(Predictor(bundle, guard=False), films, options, progress, "scoring exactly")
    scores = _score(lower, films, options, progress, f"scoring in {options.arithmetic}")
    split = f"{options.split} of {', '.join(_names(films))}"
    loss = measure_loss(
        exact_scores,
        scores,
        bundle.card,
        split=split,
        stated={
            "arithmetic": options.arithmetic,
            "made_from": bundle.identity,
            "made_from_sha256": bundle.sha256,
            "calibrated_on": calibrated_on,
        },
    )
    _refuse_loss(loss, options)
    card = _card(bundle.card, scores, loss)

    def command(split: str) -> Command:
        return manifest_command(card.name, data.targets, split, options.manifest_names)

    evaluations = card_evaluations(
        scores, card, split=options.split, command=command(options.split), pooled=sources or ()
    )
    for source, held in options.evaluate:
        chosen = data.sources if source == "all" else (source,)
        films = manifest_films(rows, root, held, sources=chosen, targets=data.targets)
        measured = _score(lower, films, options, progress, f"scoring {source}:{held}")
        evaluations += card_evaluations(
            measured, card, split=held, command=command(held), pooled=chosen or ()
        )
    unique = {evaluation.split: evaluation for evaluation in evaluations}
    complete = card.model_copy(update={"evaluations": tuple(unique.values())})
    return Lowered(network, Card.model_validate(complete.model_dump()), loss)


def trained_on(bundle: Bundle) -> DataChoice:
    """Sources and targets that it was trained on, as its card says; of several runs, those of the first."""
    try:
        return DataChoice.model_validate(recipes_of(bundle.card.recipe)[0]["data"])
    except (KeyError, ValidationError) as error:
        raise UsageError(
            f"the card of {bundle.identity} does not say which labels it was trained on: export it again"
        ) from error


def _names(films: Sequence[LabelledFilm]) -> list[str]:
    return sorted({film.source for film in films})


def _predictor(bundle: Bundle, network: bytes, options: LowerOptions) -> Predictor:
    """The runtime on the network in its new arithmetic, not on disk yet."""
    place = Path(f"{bundle.card.name} ({options.arithmetic}, being made)")
    session = load_network(network, place, 1, options.arithmetic)
    return Predictor(replace(bundle, onnx=network, directory=place), guard=False, session=session)


def _score(
    predictor: Predictor,
    films: Sequence[LabelledFilm],
    options: LowerOptions,
    progress: Progress | None,
    what: str,
) -> Scores:
    return score_films(predictor, films, workers=options.workers, progress=_told(progress, what, len(films)))


def _told(progress: Progress | None, what: str, films: int) -> Callable[[int], None] | None:
    return None if progress is None else lambda done: progress(what, done, films)


def _refuse_loss(loss: LowerPrecision, options: LowerOptions) -> None:
    source, change = min(loss.auc_change.items(), key=lambda item: item[1], default=("", 0.0))
    remedy = (
        "leave more layers exact with a larger --exact-grid"
        if options.arithmetic.startswith("int8")
        else "stay exact"
    )
    if -change > options.most_loss:
        raise DataError(
            f"{options.arithmetic} loses {-change:.4f} of AUC on {source}, more than the "
            f"{options.most_loss:g} of --most-loss: {remedy}, or allow it"
        )
    if loss.margin > options.margin:
        raise DataError(
            f"{options.arithmetic} changes the finding of a film whose exact probability is "
            f"{loss.margin:.3f} away from the threshold, more than the {options.margin:g} of --margin: "
            f"{remedy}, or allow it"
        )


def _card(exact: Card, scores: Scores, loss: LowerPrecision) -> Card:
    """The exact bundle's card, with rates and version of its own and what was lost."""
    films = (scores.probabilities, scores.targets, scores.patients)
    points = {
        name: measure_operating_point(point.threshold, *films, split=loss.split)
        for name, point in exact.operating_points.items()
    }
    curve = None
    if exact.curve is not None:
        curve = measure_curve(*films, split=loss.split, thresholds=exact.curve.thresholds)
    return exact.model_copy(
        update={
            "version": f"{exact.version}+{loss.arithmetic}",
            "operating_points": points,
            "curve": curve,
            "evaluations": (),
            "lower_precision": loss,
        }
    )

"""The steps from a trained run to a bundle, in order.

Export, compare with torch on validation films, fit the temperature, choose the thresholds and the colour
scale, measure. All scores come from the very `Predictor` that users run, on files as they lie on disk.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscope.data.manifest import ManifestRow, manifest_sha256
from pneumoscope.data.sources.contract import Source
from pneumoscope.errors import DataError, UsageError
from pneumoscope.evaluation.films import LabelledFilm, manifest_films
from pneumoscope.evaluation.scoring import Scores, score_films
from pneumoscope.export import to_onnx
from pneumoscope.image.prepare import Geometry
from pneumoscope.image.read import FilmRoot
from pneumoscope.release.facts import (
    INTENDED_USE,
    intended_population,
    limitations,
    training_data,
)
from pneumoscope.release.identity import check_identity
from pneumoscope.release.measured import Command, card_evaluations, manifest_command
from pneumoscope.release.parity import Parity, check_parity
from pneumoscope.release.provenance import cohorts, source_flows
from pneumoscope.release.thresholds import fix_thresholds
from pneumoscope.release.trained_run import TrainedRun
from pneumoscope.runtime.bundle import Bundle
from pneumoscope.runtime.card import Card, Estimate, OperatingPoint, OperatingPointName
from pneumoscope.runtime.predictor import Predictor

__all__ = ["Release", "ReleaseOptions", "build_release", "heatmap_limit"]

Progress = Callable[[str, int, int], None]

PARITY_FILMS = 24
HEATMAP_PERCENTILE = 99.0

_OTHER_MANIFEST = (
    "Calibrated and measured with another manifest than it was trained on: a validation film of the one may "
    "be a training film of the other.",
)
_UNFINISHED = (
    "Training was cut short: the weights are of an epoch before the last that the recipe asks for, and "
    "perhaps of a smaller size of film.",
)


@dataclass(frozen=True, slots=True)
class ReleaseOptions:
    """What the caller decides.

    Attributes:
        name: of the bundle.
        version: of its weights.
        calibrate_on: split that temperature, thresholds and colour scale come from; never a test split.
        calibrate_sources: only films of these; None for all that the run was trained on.
        balance_sources: let every source and label count equally in temperature and thresholds.
        evaluate: (source, split) pairs to put on the card beside the calibration split; source "all" pools.
        manifest_names: file names of the manifests, for the commands on the card.
        other_manifest: accept another manifest than the run was trained on, and say so on the card.
        unfinished: accept a run that did not reach its end, and say so on the card.
        workers: threads that score; None for one per core.
    """

    name: str
    version: str
    calibrate_on: str = "validation"
    calibrate_sources: tuple[str, ...] | None = None
    balance_sources: bool = False
    evaluate: tuple[tuple[str, str], ...] = ()
    manifest_names: tuple[str, ...] = ("manifest.parquet",)
    other_manifest: bool = False
    unfinished: bool = False
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """Ready to be written by `write_bundle`.

    Attributes:
        onnx: the serialised network.
        card: complete.
        parity: how closely torch and the runtime agree.
        failures: films of the calibration split that could not be scored.
    """

    onnx: bytes
    card: Card
    parity: Parity
    failures: int


def heatmap_limit(scores: Scores) -> float:
    """Logit units at which an overlay's colours saturate, for every film alike.

    The 99th percentile of all positive cells of the maps of films with pneumonia, as they are carried to the
    film, to two significant digits: on such films one warm cell in a hundred is clipped, and a normal film,
    whose evidence is a small part of that, looks cold.

    Args:
        scores: of validation films.

    Raises:
        DataError: no film with pneumonia has evidence for it anywhere.
    """
    maps = [_carried(cam).ravel() for cam, target in zip(scores.cams, scores.targets, strict=True) if target]
    cells = np.concatenate(maps) if maps else np.empty(0, dtype=np.float32)
    warm = cells[cells > 0]
    if warm.size == 0:
        raise DataError("no film with pneumonia has positive evidence anywhere: the model has learnt nothing")
    return float(f"{np.percentile(warm, HEATMAP_PERCENTILE):.2g}")


def _carried(cam: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, h), the map as a film shows it, at the centres of its cells."""
    side = len(cam)
    whole = (0, 0, side, side)
    return Geometry((side, side), side, whole, whole).to_film(cam)


def build_release(
    run: TrainedRun,
    rows: Sequence[ManifestRow],
    root: FilmRoot,
    options: ReleaseOptions,
    *,
    facts: Mapping[str, Source],
    progress: Progress | None = None,
) -> Release:
    """Make a bundle's content from a trained run.

    Args:
        run: from `open_run` or `join_runs`.
        rows: of the manifest.
        root: folder that the manifest's paths are relative to.
        options: the caller's.
        facts: what sources declare, by name.
        progress: told what is being done, how many films are done, and of how many.

    Raises:
        UsageError: a split holds no film, the bundle's name or version is none, calibration is asked for on
            the test split, the manifest is not the one that the run was trained on, or the run did not reach
            its end.
        BundleError: torch and the runtime disagree.
        DataError: nothing can be calibrated on these films.
    """
    if options.calibrate_on == "test":
        raise UsageError(
            "thresholds chosen on the test split would make it worthless: calibrate on validation"
        )
    if not options.other_manifest and manifest_sha256(rows) != run.manifest_sha256:
        raise UsageError(
            f"{', '.join(options.manifest_names)} is not the manifest that {run.name} was trained on, so "
            "that its validation films may have been trained on: give that manifest, or those, or "
            "--other-manifest to insist"
        )
    if not (run.finished or options.unfinished):
        raise UsageError(
            f"the run {run.name} did not reach its end: go on with it by pneumoscope train --resume, or give "
            "--unfinished to insist"
        )
    check_identity(options.name, options.version)
    calibrated_on = options.calibrate_sources or run.data.sources
    films = manifest_films(rows, root, options.calibrate_on, sources=calibrated_on, targets=run.data.targets)
    measured = [
        (source, split, _films_of(run, rows, root, source, split)) for source, split in options.evaluate
    ]
    onnx = to_onnx(run.model, run.prepare.size)
    draft = _draft_card(run, rows, options, facts)
    predictor = _predictor(draft, onnx)
    scores = _score(predictor, films, options, progress, f"scoring {options.calibrate_on}")
    step = max(1, len(scores) // PARITY_FILMS)
    parity = check_parity(run.model, predictor, [Path(path) for path in scores.paths[::step]])

    card, calibrated = fix_thresholds(
        draft, scores, split=_described(options), balance_sources=options.balance_sources
    )
    card = card.model_copy(update={"heatmap_limit": heatmap_limit(scores)})

    def command(split: str) -> Command:
        return manifest_command(card.name, run.data.targets, split, options.manifest_names)

    split = options.calibrate_on
    evaluations = card_evaluations(
        calibrated, card, split=split, command=command(split), pooled=calibrated_on or ()
    )
    predictor = _predictor(card, onnx)
    for source, split, chosen in measured:
        found = _score(predictor, chosen, options, progress, f"scoring {source}:{split}")
        pooled = _sources_of(run, source) or ()
        evaluations += card_evaluations(found, card, split=split, command=command(split), pooled=pooled)
    unique = {evaluation.split: evaluation for evaluation in evaluations}
    complete = card.model_copy(update={"evaluations": tuple(unique.values())})
    return Release(onnx, Card.model_validate(complete.model_dump()), parity, len(scores.failures))


def _sources_of(run: TrainedRun, name: str) -> tuple[str, ...] | None:
    """The sources that a name of `ReleaseOptions.evaluate` stands for; None for all of the manifest."""
    return run.data.sources if name == "all" else (name,)


def _films_of(
    run: TrainedRun, rows: Sequence[ManifestRow], root: FilmRoot, name: str, split: str
) -> list[LabelledFilm]:
    return manifest_films(rows, root, split, sources=_sources_of(run, name), targets=run.data.targets)


def _draft_card(
    run: TrainedRun, rows: Sequence[ManifestRow], options: ReleaseOptions, facts: Mapping[str, Source]
) -> Card:
    """All that is known before scoring; its temperature and thresholds never leave this module."""
    nothing = Estimate(value=0.0, low=0.0, high=1.0)
    names: tuple[OperatingPointName, ...] = ("screening", "balanced", "rule-in")
    point = OperatingPoint(threshold=0.5, sensitivity=nothing, specificity=nothing, split="none")
    films = cohorts(rows, run.data, measured=options.evaluate)
    return Card(
        name=options.name,
        version=options.version,
        architecture=run.architecture,
        prepare=run.prepare,
        prepare_sha256=run.prepare.sha256(),
        temperature=1.0,
        operating_points=dict.fromkeys(names, point),
        heatmap_limit=1.0,
        training_manifest_sha256=run.manifest_sha256,
        recipe=run.recipe,
        code_revision=run.code_revision,
        intended_use=INTENDED_USE,
        intended_population=intended_population(rows, run.data),
        limitations=(
            *limitations(rows, run.data, facts, measured=[source for source, _ in options.evaluate]),
            *(_OTHER_MANIFEST if options.other_manifest else ()),
            *(() if run.finished else _UNFINISHED),
        ),
        training_data=training_data(rows, run.data, facts),
        training_runs=run.records,
        cohorts=films,
        source_flows=source_flows(rows, {cohort.source for cohort in films}, facts),
        created=datetime.now(UTC).date().isoformat(),
    )


def _predictor(card: Card, onnx: bytes) -> Predictor:
    """The runtime on a bundle that is not on disk yet."""
    return Predictor(Bundle(card, Path(f"{card.name} (being exported)"), "0" * 64, onnx))


def _score(
    predictor: Predictor,
    films: Sequence[LabelledFilm],
    options: ReleaseOptions,
    progress: Progress | None,
    what: str,
) -> Scores:
    def report(done: int) -> None:
        if progress is not None:
            progress(what, done, len(films))

    return score_films(predictor, films, workers=options.workers, progress=report)


def _described(options: ReleaseOptions) -> str:
    """The films that thresholds come from, for the card."""
    if options.calibrate_sources is None:
        return options.calibrate_on
    return f"{options.calibrate_on} of {', '.join(options.calibrate_sources)}"

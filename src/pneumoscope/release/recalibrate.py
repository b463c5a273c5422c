"""The same network with temperature and thresholds of other films: those of one's own hospital, say.

Thresholds carry over only to films like those they were fixed on. Where films are others, no choice on the
films of training can cure it, and a few hundred labelled films of the place do.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from pneumoscope.errors import DataError, UsageError
from pneumoscope.evaluation.films import LabelledFilm
from pneumoscope.evaluation.metrics import auc
from pneumoscope.evaluation.scoring import Scores, score_films
from pneumoscope.release.identity import check_identity
from pneumoscope.release.measured import Command, card_evaluations
from pneumoscope.release.shift import OTHER_THRESHOLDS, TRAINED_THRESHOLDS
from pneumoscope.release.thresholds import fix_thresholds
from pneumoscope.runtime.bundle import Bundle
from pneumoscope.runtime.card import Card, Evaluation
from pneumoscope.runtime.film import Failure
from pneumoscope.runtime.predictor import Predictor

__all__ = ["FEWEST", "FilmSet", "Recalibrated", "Recalibration", "recalibrate_bundle"]

Progress = Callable[[str, int, int], None]

_SUFFIX = "+recalibrated"
_NETWORK_OF = "The network is that of "  # begins the sentence that the next recalibration replaces

FEWEST = 20
"""Films, and patients, of either label below which nothing is fixed: fewer say nothing of a rate of 0.95."""


@dataclass(frozen=True, slots=True)
class FilmSet:
    """Labelled films under one name.

    Attributes:
        films: with their truth.
        split: of the manifest, for the card's figures; None where they are of none, and not among those:
            what fixed the thresholds is no test, and the card knows only splits by name.
        name: what to call them in a sentence, for example "validation of kermany".
        command: that measures them again, where they are of a split.
        sources: to name in that command, where not all of its films are these.
        labels: what counted as what, as the end of a sentence.
    """

    films: Sequence[LabelledFilm]
    split: str | None
    name: str
    command: Command | None = None
    sources: tuple[str, ...] = ()
    labels: str = "PNEUMONIA counted as pneumonia, NORMAL as none"


@dataclass(frozen=True, slots=True)
class Recalibration:
    """What the caller decides.

    Attributes:
        name: of the new bundle; None for that of the old one.
        version: of it; None for that of the old one with "+recalibrated" and a digest of what was fixed.
        balance_sources: let every source and label count equally in temperature and thresholds.
        cut_frame: cut empty frames off films, whether the old bundle does or not.
        guard: leave out what the bundle's guard refuses, as it does when it scores.
        unseen: whether it is known that the network was not trained on the films.
        workers: threads that score; None for one per core.
    """

    name: str | None = None
    version: str | None = None
    balance_sources: bool = False
    cut_frame: bool = False
    guard: bool = True
    unseen: bool = False
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class Recalibrated:
    """Ready to be written beside the old network.

    Attributes:
        card: complete.
        failures: films that were to fix the thresholds and could not be scored, or are none by the guard.
    """

    card: Card
    failures: tuple[Failure, ...]


def recalibrate_bundle(
    bundle: Bundle,
    fixed_on: FilmSet,
    measured_on: Sequence[FilmSet],
    wanted: Recalibration,
    *,
    progress: Progress | None = None,
) -> Recalibrated:
    """A bundle's card with another temperature and other thresholds, for the same network.

    The scale of the overlay's colours stays, so that pictures of both compare.

    Args:
        bundle: the old one.
        fixed_on: films that temperature and thresholds come from.
        measured_on: further films to put on the card.
        wanted: the caller's choices.
        progress: told what is being done, how many films are done, and of how many.

    Raises:
        UsageError: the bundle is in lower precision, or the new one would be called as it is, or by a name
            that is none.
        DataError: too few films of either label, or nothing can be fitted to them, or scores and labels
            contradict each other.
    """
    old = bundle.card
    if old.lower_precision is not None:
        raise UsageError(
            f"{bundle.identity} is in lower precision: recalibrate {old.lower_precision.made_from}, and make "
            "the faster one of that"
        )
    name, version = old.name if wanted.name is None else wanted.name, wanted.version
    check_identity(name, old.version if version is None else version)
    _check_new(bundle, name, version)
    prepare = old.prepare.model_copy(update={"cut_frame": old.prepare.cut_frame or wanted.cut_frame})
    draft = old.model_copy(update={"name": name, "prepare": prepare, "prepare_sha256": prepare.sha256()})

    def score(films: FilmSet, card: Card, *, guard: bool = False) -> Scores:
        place = Path(f"{card.name} (being recalibrated)")
        predictor = Predictor(replace(bundle, card=card, directory=place), guard=guard)
        count = len(films.films)
        told = None if progress is None else lambda done: progress(f"scoring {films.name}", done, count)
        return score_films(predictor, films.films, workers=wanted.workers, progress=told)

    scores = score(fixed_on, draft, guard=wanted.guard)
    _check_enough(fixed_on.name, scores)
    card, calibrated = fix_thresholds(
        draft, scores, split=fixed_on.name, balance_sources=wanted.balance_sources, fallback=old.temperature
    )
    evaluations = _figures(fixed_on, calibrated, card)
    for films in measured_on:
        evaluations += _figures(films, score(films, card), card)
    version = version or f"{old.version.partition(_SUFFIX)[0]}{_SUFFIX}.{_digest(card)}"
    _check_new(bundle, name, version)
    complete = card.model_copy(
        update={
            "version": version,
            "evaluations": tuple({each.split: each for each in evaluations}.values()),
            "limitations": (
                *(
                    OTHER_THRESHOLDS if text == TRAINED_THRESHOLDS else text
                    for text in old.limitations
                    if not text.startswith(_NETWORK_OF)
                ),
                *_said_of(bundle, scores, fixed_on, wanted),
            ),
            "created": datetime.now(UTC).date().isoformat(),
        }
    )
    return Recalibrated(Card.model_validate(complete.model_dump()), scores.failures)


def _check_new(bundle: Bundle, name: str, version: str | None) -> None:
    if (name, version) == (bundle.card.name, bundle.card.version):
        raise UsageError(f"{bundle.identity} is there already, and a threshold belongs to one version")


def _check_enough(name: str, scores: Scores) -> None:
    """Refuse films that cannot fix a threshold, and labels that contradict the scores.

    Raises:
        DataError: what is wrong with them.
    """
    for target, what in ((True, "with"), (False, "without")):
        these = scores.targets == target
        # Equal pixels give equal bits: a film copied under another name is no further film.
        count = min(np.unique(scores.logits[these]).size, np.unique(scores.patients[these]).size)
        if count < FEWEST:
            refused = f"; {len(scores.failures)} could not be scored" if scores.failures else ""
            raise DataError(
                f"{name}: there are films of {count} patients {what} pneumonia{refused}, no film counted "
                f"twice, and at least {FEWEST} of either kind are needed to fix a threshold: give more"
            )
    reached = auc(scores.targets, scores.logits)
    if reached < 0.5:
        raise DataError(
            f"{name}: the network gives films without pneumonia more than those with it (AUC {reached:.3f}): "
            "see whether the labels were exchanged; no threshold would help"
        )


def _figures(films: FilmSet, scores: Scores, card: Card) -> list[Evaluation]:
    if films.split is None or films.command is None:
        return []
    return card_evaluations(scores, card, split=films.split, command=films.command, pooled=films.sources)


def _digest(card: Card) -> str:
    """Eight hexadecimal digits of what changes a finding: bundles of two places have two versions."""
    thresholds = [point.threshold for _, point in sorted(card.operating_points.items())]
    fixed = [card.temperature, *thresholds, card.prepare_sha256]
    return hashlib.sha256(repr(fixed).encode()).hexdigest()[:8]


def _said_of(bundle: Bundle, scores: Scores, films: FilmSet, wanted: Recalibration) -> list[str]:
    """Sentences for the card."""
    patients = len(set(scores.patients.tolist()))
    said = (
        f"{_NETWORK_OF}{bundle.identity}. Temperature and thresholds were fixed anew, on "
        f"{len(scores):,} films of {patients:,} patients ({films.name}; {films.labels})"
    )
    if scores.failures:
        said += f"; {len(scores.failures):,} more could not be scored"
    if not wanted.unseen:
        said += "; whether the network was trained on such films was not checked"
    sentences = [f"{said}."]
    if wanted.cut_frame and not bundle.card.prepare.cut_frame:
        sentences.append("Empty frames are cut off films, which was not done when the network was trained.")
    return sentences

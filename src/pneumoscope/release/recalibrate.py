"""The same network with temperature and thresholds of other films: those of one's own hospital, say.

Thresholds carry over only to films like those they were fixed on. Where films are others, no choice on the
films of training can cure it, and a few hundred labelled films of the place do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pneumoscope.errors import DataError, UsageError
from pneumoscope.evaluation.films import LabelledFilm
from pneumoscope.evaluation.scoring import Scores, score_films
from pneumoscope.release.facts import OTHER_THRESHOLDS, TRAINED_THRESHOLDS
from pneumoscope.release.measured import Command, card_evaluations
from pneumoscope.release.thresholds import fix_thresholds
from pneumoscope.runtime.bundle import Bundle
from pneumoscope.runtime.card import Card
from pneumoscope.runtime.predictor import Predictor

__all__ = ["FEWEST", "FilmSet", "Recalibration", "recalibrate_bundle"]

Progress = Callable[[str, int, int], None]

FEWEST = 20
"""Films of either label below which nothing is fixed: fewer say nothing of a rate of 0.95."""


@dataclass(frozen=True, slots=True)
class FilmSet:
    """Labelled films under one name.

    Attributes:
        films: with their truth.
        split: what they are of, for the card's figures: "validation", say, or the name of a folder.
        name: what to call them in a sentence, for example "validation of kermany".
        command: that measures them again.
        sources: to name in that command, where not all of its films are these.
    """

    films: Sequence[LabelledFilm]
    split: str
    name: str
    command: Command
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recalibration:
    """What the caller decides.

    Attributes:
        version: of the new bundle; None for that of the old one with "+recalibrated".
        balance_sources: let every source and label count equally in temperature and thresholds.
        cut_frame: cut empty frames off films, whether the old bundle does or not.
        unseen: whether it is known that the network was not trained on the films.
        workers: threads that score; None for one per core.
    """

    version: str | None = None
    balance_sources: bool = False
    cut_frame: bool = False
    unseen: bool = False
    workers: int | None = None


def recalibrate_bundle(
    bundle: Bundle,
    fixed_on: FilmSet,
    measured_on: Sequence[FilmSet],
    wanted: Recalibration,
    *,
    progress: Progress | None = None,
) -> Card:
    """The card of a bundle with the same network and another temperature and other thresholds.

    The scale of the overlay's colours stays, so that pictures of both compare.

    Args:
        bundle: the old one.
        fixed_on: films that temperature and thresholds come from.
        measured_on: further films to put on the card.
        wanted: the caller's choices.
        progress: told what is being done, how many films are done, and of how many.

    Raises:
        UsageError: the bundle is in lower precision.
        DataError: too few films of either label, or nothing can be fitted to them.
    """
    old = bundle.card
    if old.lower_precision is not None:
        raise UsageError(
            f"{bundle.identity} is in lower precision: recalibrate {old.lower_precision.made_from}, and make "
            "the faster one of that"
        )
    prepare = old.prepare.model_copy(update={"cut_frame": old.prepare.cut_frame or wanted.cut_frame})
    draft = old.model_copy(update={"prepare": prepare, "prepare_sha256": prepare.sha256()})

    def score(films: FilmSet, card: Card) -> Scores:
        place = Path(f"{card.name} (being recalibrated)")
        predictor = Predictor(replace(bundle, card=card, directory=place), guard=False)
        count = len(films.films)
        told = None if progress is None else lambda done: progress(f"scoring {films.name}", done, count)
        return score_films(predictor, films.films, workers=wanted.workers, progress=told)

    scores = score(fixed_on, draft)
    for target, what in ((True, "with"), (False, "without")):
        count = int((scores.targets == target).sum())
        if count < FEWEST:
            raise DataError(
                f"{fixed_on.name}: {count} films {what} pneumonia could be scored, and at least {FEWEST} of "
                "either kind are needed to fix a threshold: give more"
            )
    card, calibrated = fix_thresholds(
        draft, scores, split=fixed_on.name, balance_sources=wanted.balance_sources
    )
    evaluations = card_evaluations(
        calibrated, card, split=fixed_on.split, command=fixed_on.command, pooled=fixed_on.sources
    )
    for films in measured_on:
        evaluations += card_evaluations(
            score(films, card), card, split=films.split, command=films.command, pooled=films.sources
        )
    complete = card.model_copy(
        update={
            "version": wanted.version or f"{old.version}+recalibrated",
            "evaluations": tuple({each.split: each for each in evaluations}.values()),
            "limitations": (
                *(OTHER_THRESHOLDS if text == TRAINED_THRESHOLDS else text for text in old.limitations),
                *_said_of(bundle, scores, fixed_on.name, wanted),
            ),
            "created": datetime.now(UTC).date().isoformat(),
        }
    )
    return Card.model_validate(complete.model_dump())


def _said_of(bundle: Bundle, scores: Scores, name: str, wanted: Recalibration) -> list[str]:
    """Sentences for the card."""
    patients = len(set(scores.patients.tolist()))
    said = (
        f"The network is that of {bundle.identity}. Temperature and thresholds were fixed anew, on "
        f"{len(scores):,} films of {patients:,} patients ({name})"
    )
    if not wanted.unseen:
        said += "; whether the network was trained on such films was not checked"
    sentences = [f"{said}."]
    if wanted.cut_frame and not bundle.card.prepare.cut_frame:
        sentences.append("Empty frames are cut off films, which was not done when the network was trained.")
    return sentences

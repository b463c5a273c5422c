"""The same network with temperature and thresholds of other films: those of one's own hospital, say.

Thresholds carry over only to films like those they were fixed on. Where films are others, no choice on the
films of training can cure it, and a few hundred labelled films of the place do.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pneumoscope.errors import DataError, UsageError
from pneumoscope.evaluation.films import LabelledFilm
from pneumoscope.evaluation.scoring import Scores, score_films
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
"""Films of either label below which nothing is fixed: fewer say nothing of a rate of 0.95."""


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
    """

    films: Sequence[LabelledFilm]
    split: str | None
    name: str
    command: Command | None = None
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recalibration:
    """What the caller decides.

    Attributes:
        name: of the new bundle; None for that of the old one.
        version: of it; None for that of the old one with "+recalibrated" and a digest of what was fixed.
        balance_sources: let every source and label count equally in temperature and thresholds.
        cut_frame: cut empty frames off films, whether the old bundle does or not.
        unseen: whether it is known that the network was not trained on the films.
        workers: threads that score; None for one per core.
    """

    name: str | None = None
    version: str | None = None
    balance_sources: bool = False
    cut_frame: bool = False
    unseen: bool = False
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class Recalibrated:
    """Ready to be written beside the old network.

    Attributes:
        card: complete.
        failures: films that were to fix the thresholds and could not be scored.
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
        UsageError: the bundle is in lower precision, or the new one would be called as it is.
        DataError: too few films of either label, or nothing can be fitted to them.
    """
    old = bundle.card
    if old.lower_precision is not None:
        raise UsageError(
            f"{bundle.identity} is in lower precision: recalibrate {old.lower_precision.made_from}, and make "
            "the faster one of that"
        )
    name, version = wanted.name or old.name, wanted.version
    if (name, version) == (old.name, old.version):
        raise UsageError(f"{bundle.identity} is there already, and a threshold belongs to one version")
    prepare = old.prepare.model_copy(update={"cut_frame": old.prepare.cut_frame or wanted.cut_frame})
    draft = old.model_copy(update={"name": name, "prepare": prepare, "prepare_sha256": prepare.sha256()})

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
        draft, scores, split=fixed_on.name, balance_sources=wanted.balance_sources, fallback=old.temperature
    )
    evaluations = _figures(fixed_on, calibrated, card)
    for films in measured_on:
        evaluations += _figures(films, score(films, card), card)
    complete = card.model_copy(
        update={
            "version": version or f"{old.version.partition(_SUFFIX)[0]}{_SUFFIX}.{_digest(card)}",
            "evaluations": tuple({each.split: each for each in evaluations}.values()),
            "limitations": (
                *(
                    OTHER_THRESHOLDS if text == TRAINED_THRESHOLDS else text
                    for text in old.limitations
                    if not text.startswith(_NETWORK_OF)
                ),
                *_said_of(bundle, scores, fixed_on.name, wanted),
            ),
            "created": datetime.now(UTC).date().isoformat(),
        }
    )
    return Recalibrated(Card.model_validate(complete.model_dump()), scores.failures)


def _figures(films: FilmSet, scores: Scores, card: Card) -> list[Evaluation]:
    if films.split is None or films.command is None:
        return []
    return card_evaluations(scores, card, split=films.split, command=films.command, pooled=films.sources)


def _digest(card: Card) -> str:
    """Eight hexadecimal digits of temperature and thresholds: those of two places have two versions."""
    fixed = [card.temperature, *(point.threshold for _, point in sorted(card.operating_points.items()))]
    return hashlib.sha256(repr(fixed).encode()).hexdigest()[:8]


def _said_of(bundle: Bundle, scores: Scores, name: str, wanted: Recalibration) -> list[str]:
    """Sentences for the card."""
    patients = len(set(scores.patients.tolist()))
    said = (
        f"{_NETWORK_OF}{bundle.identity}. Temperature and thresholds were fixed anew, on "
        f"{len(scores):,} films of {patients:,} patients ({name})"
    )
    if not wanted.unseen:
        said += "; whether the network was trained on such films was not checked"
    sentences = [f"{said}."]
    if wanted.cut_frame and not bundle.card.prepare.cut_frame:
        sentences.append("Empty frames are cut off films, which was not done when the network was trained.")
    return sentences

"""An audit's questions, asked about the very films that a bundle was measured on."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from pneumoscope.data.audit.checks import TELLING_CHECKS
from pneumoscope.data.audit.features import AUDIT_PREPARE, Features, label_features, plate_features
from pneumoscope.data.audit.films import (
    Comparison,
    Films,
    Indices,
    audited_rows,
    enough_films,
    gather_films,
)
from pneumoscope.data.audit.telling import held_out_scores, mostly_known
from pneumoscope.data.cache import build_cache, cache_name
from pneumoscope.data.manifest import ManifestRow
from pneumoscope.evaluation.baseline import Baseline
from pneumoscope.evaluation.intervals import auc_interval, delong_test
from pneumoscope.evaluation.summary import POOLED, groups_of
from pneumoscope.image.read import FilmRoot

__all__ = ["measure_baselines"]

# What a network could be fitted on before it is measured on a split.
_FITTED_ON: Mapping[str, tuple[str, ...]] = {
    "train": (),
    "validation": ("train",),
    "test": ("train", "validation"),
}
# More films of a source fit no better with so few numbers, and take time to read.
_MOST_FITTED = 5000
_SOURCE_CHECK = "source-name"


def measure_baselines(
    rows: Sequence[ManifestRow],
    root: str | FilmRoot,
    probabilities: Mapping[str, float],
    targets: Mapping[str, int],
    split: str,
    directory: Path,
    *,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Baseline]:
    """Let the audit's classifiers tell the labels apart on the films that a bundle has scored.

    They are fitted as a network would be: on the same sources' films of earlier splits, or, where there are
    too few, on other patients of the films themselves by cross-validation. A question that the films do not
    answer (no view known, too few films) is left out.

    Args:
        rows: the whole manifest.
        root: its paths are relative to it.
        probabilities: path of a row to what the bundle says of it, for the films that are asked about.
        targets: target of each label.
        split: that these films are of.
        directory: keeps the plates, as `data audit` does: a second run reads only what is new.
        seed: of folds and samples.
        workers: processes that read films.
        progress: called with (films read, films to read).

    Raises:
        DataError: the directory holds something else, or is in use.
    """
    labelled = [row for row in rows if row.label is not None and row.label in targets]
    asked = [row for row in labelled if row.path in probabilities]
    sources = {row.source for row in asked}
    fitted = [row for row in labelled if row.split in _FITTED_ON[split] and row.source in sources]
    chosen = audited_rows([*asked, *_sample(fitted, seed)])
    if not chosen:
        return []
    place = directory / "plates" / cache_name(AUDIT_PREPARE)
    films = gather_films(
        chosen, build_cache(chosen, root, AUDIT_PREPARE, place, workers=workers, progress=progress)
    )
    if len(films) == 0:
        return []
    features = label_features(films.rows, plate_features(films))
    model = np.array([probabilities.get(row.path, np.nan) for row in films.rows])
    target = np.array([targets[label] for label in films.label.tolist()], dtype=bool)
    members = np.flatnonzero(np.isfinite(model))
    found = []
    for group, inside in groups_of(films.source[members]):
        comparison = _comparison(films, group, members[inside], target, model)
        if comparison is None:
            continue
        for check, title, given in _questions(films, features, group):
            if mostly_known(comparison, given):
                found.append(_answer(comparison, films, given, model, (group, check, title), seed))
    return found


def _sample(rows: Sequence[ManifestRow], seed: int) -> list[ManifestRow]:
    """At most `_MOST_FITTED` rows of each source, whole patients as far as that goes."""
    generator = np.random.default_rng(seed)
    kept: list[ManifestRow] = []
    for source in sorted({row.source for row in rows}):
        own = [row for row in rows if row.source == source]
        names = [row.patient or row.path for row in own]
        _, person = np.unique(np.array(names), return_inverse=True)
        rank = generator.permutation(int(person.max()) + 1)[person]
        kept += [own[at] for at in np.sort(np.argsort(rank, kind="stable")[:_MOST_FITTED]).tolist()]
    return kept


def _comparison(
    films: Films, group: str, members: Indices, target: np.ndarray, model: np.ndarray
) -> Comparison | None:
    """The films of a group and what to fit on; None where they are too few."""
    if not enough_films(films, members, target[members]):
        return None
    fitted_on = np.flatnonzero(~np.isfinite(model) & np.isin(films.source, films.source[members]))
    if not enough_films(films, fitted_on, target[fitted_on]):
        return Comparison(group, "positive", "negative", members, target[members])
    return Comparison(
        group,
        "positive",
        "negative",
        members,
        target[members],
        fitted_on=fitted_on,
        fitted_target=target[fitted_on],
    )


def _questions(films: Films, features: Mapping[str, Features], group: str) -> list[tuple[str, str, Features]]:
    """Name, title and numbers of every question; that of the source only where there are several."""
    asked = [
        (kind.name, kind.title, features[kind.name]) for kind in TELLING_CHECKS if kind.compares == "label"
    ]
    if group == POOLED:
        _, code = np.unique(films.source, return_inverse=True)
        asked.append((_SOURCE_CHECK, "Name of the source alone", code[:, np.newaxis].astype(np.float32)))
    return asked


def _answer(
    comparison: Comparison,
    films: Films,
    given: Features,
    model: np.ndarray,
    named: tuple[str, str, str],
    seed: int,
) -> Baseline:
    """One question answered, and the bundle's own answer on the same films."""
    asked, scores = held_out_scores(comparison, given, films.patient, seed)
    people, own = films.patient[asked.members], model[asked.members]
    group, check, title = named
    return Baseline(
        group=group,
        check=check,
        title=title,
        films=int(asked.target.size),
        positives=int(asked.target.sum()),
        auc=auc_interval(asked.target, scores, people),
        model=auc_interval(asked.target, own, people),
        difference=delong_test(asked.target, own, scores, people),
        fitted_on=(
            "other patients of these films" if comparison.fitted_on is None else "films of earlier splits"
        ),
    )

"""The films that an audit looks at, column by column, and the groups of films it compares."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscope.data.cache import PlateCache
from pneumoscope.data.manifest import ManifestRow

__all__ = [
    "AUDIT_LABELS",
    "Comparison",
    "Films",
    "audited_rows",
    "comparisons",
    "enough_films",
    "gather_films",
    "source_comparisons",
    "split_comparisons",
]

AUDIT_LABELS = ("PNEUMONIA", "NORMAL", "OTHER")
# Fewer films or patients of one label give intervals that say nothing.
_LEAST_FILMS = 30
_LEAST_PATIENTS = 10
ENOUGH_FILMS = f"at least {_LEAST_FILMS} films of {_LEAST_PATIENTS} patients of either label"

Indices = NDArray[np.int64]
Text = NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Films:
    """N films, each file once.

    Attributes:
        rows: of the manifest.
        source: (N,) name of the data set.
        label: (N,) one of `AUDIT_LABELS`.
        patient: (N,) name; a film of an unknown patient counts as a patient of its own.
        split: (N,) "train", "validation", "test", or "" where the manifest does not use the film.
        plates: (M, S, S) uint8 memory map.
        plate_rows: (N,) row of each film in `plates`.
    """

    rows: tuple[ManifestRow, ...]
    source: Text
    label: Text
    patient: Text
    split: Text
    plates: NDArray[np.uint8]
    plate_rows: Indices

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def in_use(self) -> NDArray[np.bool_]:
        """(N,) films that stand in a split."""
        return np.asarray(self.split != "")


@dataclass(frozen=True, eq=False)
class Comparison:
    """Films of two kinds, and the question whether something tells them apart.

    Attributes:
        films: which, in words.
        positive: name of the kind that is sought.
        negative: name of the other.
        members: (n,) indices of films.
        target: (n,) bool, True for the positive kind.
        fitted_on: (m,) indices of films of the same kinds to fit on; None for cross-validation.
        fitted_target: (m,) bool.
        in_use: the manifest uses these films.
    """

    films: str
    positive: str
    negative: str
    members: Indices
    target: NDArray[np.bool_]
    fitted_on: Indices | None = None
    fitted_target: NDArray[np.bool_] | None = None
    in_use: bool = True


def audited_rows(rows: Iterable[ManifestRow]) -> list[ManifestRow]:
    """Rows that can show a shortcut: labelled, readable and no copy of another film, in order of path."""
    chosen = [
        row
        for row in rows
        if row.label in AUDIT_LABELS and row.duplicate_of is None and row.width and row.height and row.format
    ]
    once: dict[str, ManifestRow] = {}
    for row in sorted(chosen, key=lambda row: (row.split is None, row.path)):
        once.setdefault(row.sha256, row)
    return sorted(once.values(), key=lambda row: row.path)


def gather_films(rows: Sequence[ManifestRow], cache: PlateCache) -> Films:
    """Line up the rows that have a plate.

    Args:
        rows: as `audited_rows` gives them.
        cache: of their plates.
    """
    held = tuple(row for row in rows if row.sha256 in cache)
    return Films(
        rows=held,
        source=np.array([row.source for row in held], dtype=np.str_),
        label=np.array([row.label for row in held], dtype=np.str_),
        patient=np.array([row.patient or f"film:{row.sha256}" for row in held], dtype=np.str_),
        split=np.array([row.split or "" for row in held], dtype=np.str_),
        plates=cache.plates,
        plate_rows=np.array([cache.index_of(row.sha256) for row in held], dtype=np.int64),
    )


def enough_films(films: Films, members: Indices, target: NDArray[np.bool_]) -> bool:
    """Whether films of both kinds are many enough, 30 of 10 patients each, for a figure that says something.

    Args:
        films: of the audit.
        members: (n,) indices of films.
        target: (n,) bool, their kind.
    """
    return all(
        kind.sum() >= _LEAST_FILMS and np.unique(films.patient[members[kind]]).size >= _LEAST_PATIENTS
        for kind in (target, ~target)
    )


def _pair(films: Films, mask: NDArray[np.bool_], negative: str) -> tuple[Indices, NDArray[np.bool_]]:
    members = np.flatnonzero(mask & np.isin(films.label, ["PNEUMONIA", negative]))
    return members, np.asarray(films.label[members] == "PNEUMONIA")


def comparisons(films: Films) -> list[Comparison]:
    """Pneumonia against the other labels: over all films in use, within each source, and on its test split.

    A source whose films the manifest does not use is looked at all the same, marked as not in use. A test
    split is scored by what was fitted on the same source's other films, as a network would be.
    """
    found = []
    for negative in AUDIT_LABELS[1:]:
        members, target = _pair(films, films.in_use, negative)
        if enough_films(films, members, target) and np.unique(films.source[members]).size > 1:
            found.append(Comparison("all films in use", "PNEUMONIA", negative, members, target))
    for source in np.unique(films.source).tolist():
        for negative in AUDIT_LABELS[1:]:
            own = films.source == source
            used = True
            members, target = _pair(films, own & films.in_use, negative)
            if not enough_films(films, members, target):
                used = False
                members, target = _pair(films, own, negative)
            if not enough_films(films, members, target):
                continue
            found.append(Comparison(source, "PNEUMONIA", negative, members, target, in_use=used))
            test = films.split[members] == "test"
            if (
                used
                and enough_films(films, members[test], target[test])
                and enough_films(films, members[~test], target[~test])
            ):
                found.append(
                    Comparison(
                        f"{source}, test split",
                        "PNEUMONIA",
                        negative,
                        members[test],
                        target[test],
                        fitted_on=members[~test],
                        fitted_target=target[~test],
                    )
                )
    return found


def source_comparisons(films: Films) -> list[Comparison]:
    """Each source against all others, among films in use of one label, so that the label cannot help."""
    found = []
    for label in AUDIT_LABELS:
        members = np.flatnonzero(films.in_use & (films.label == label))
        for source in np.unique(films.source[members]).tolist():
            target = np.asarray(films.source[members] == source)
            if enough_films(films, members, target):
                found.append(Comparison(f"{label} films", source, "other sources", members, target))
    return found


def split_comparisons(films: Films) -> list[Comparison]:
    """Test films against the other films in use of the same source and label."""
    found = []
    for source in np.unique(films.source).tolist():
        for label in AUDIT_LABELS:
            members = np.flatnonzero(films.in_use & (films.source == source) & (films.label == label))
            target = np.asarray(films.split[members] == "test")
            if enough_films(films, members, target):
                found.append(
                    Comparison(f"{source}, {label}", "test", "train and validation", members, target)
                )
    return found

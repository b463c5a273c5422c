"""Do two splits share a patient or a film? And how many would they share if films were dealt at random?"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from pneumoscope.data.audit.films import AUDIT_LABELS, Films
from pneumoscope.data.manifest import ManifestRow

__all__ = ["CrossingPair", "RandomSplit", "Separation", "separate"]

# Copies that were scaled, re-encoded or windowed anew correlate above these; films of two patients below.
# Coarse: 24 x 24 cells; fine: the plate less its cells, which is what scaling and JPEG keep last.
_COARSE = 0.98
_FINE = 0.85
_HELD_OUT = 0.2
_EXAMPLES = 20
_ROWS_AT_ONCE = 2048

Features = NDArray[np.float32]


class CrossingPair(BaseModel):
    """Two films in two splits that look alike, or belong together.

    Attributes:
        first: path.
        first_split: its split.
        second: path.
        second_split: its split.
        why: "same file", "near-duplicate" or "same patient".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: str
    first_split: str
    second: str
    second_split: str
    why: str


class RandomSplit(BaseModel):
    """What a random split of films would have done to one source.

    Attributes:
        source: name.
        films: labelled ones as they were found, copies included.
        patients: known ones.
        beside_own_patient: share of held-out films with another film of the same patient in training.
        copies: of them, films left out as copies of a film of this or another source.
        copies_crossing: how many of them would have stood in another split than the film they copy.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    films: int
    patients: int
    beside_own_patient: float
    copies: int
    copies_crossing: int


class Separation(BaseModel):
    """What crosses between the splits of the manifest.

    Attributes:
        patients: in more than one split.
        files: byte-identical films in more than one split.
        near_duplicates: pairs of films in two splits that look like copies.
        examples: some of all these.
        held_out: share of films that the random split holds out.
        random: per source, what that would have done.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    patients: int
    files: int
    near_duplicates: int
    examples: tuple[CrossingPair, ...]
    held_out: float
    random: tuple[RandomSplit, ...]


def _crossing(
    rows: Iterable[ManifestRow], key_of: dict[str, str | None], why: str
) -> tuple[int, list[CrossingPair]]:
    """Count keys that stand in more than one split, with one pair of films for some of them."""
    first_in: dict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:
        key = key_of[row.path]
        if key is not None and row.split is not None:
            first_in[key].setdefault(row.split, row.path)
    crossing = [sorted(splits.items()) for splits in first_in.values() if len(splits) > 1]
    pairs = [
        CrossingPair(first=a[1], first_split=a[0], second=b[1], second_split=b[0], why=why)
        for a, b, *_ in crossing[:_EXAMPLES]
    ]
    return len(crossing), pairs


def _unit(values: Features) -> Features:
    """Rows to zero mean and unit length; a row without contrast to zero."""
    centred = values - values.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(length, 1e-3), dtype=np.float32)


def _detail(films: Films, chosen: NDArray[np.int64], cells: Features) -> Features:
    """(n, S*S) plates less their cells, zero mean and unit length."""
    plates = films.plates[films.plate_rows[chosen]].astype(np.float32)  # (n, S, S)
    side = round(cells.shape[1] ** 0.5)
    step = plates.shape[1] // side
    coarse = cells[chosen].reshape(-1, side, side).repeat(step, axis=1).repeat(step, axis=2)
    return _unit((plates - coarse).reshape(len(chosen), -1))


def _look_alike(films: Films, cells: Features) -> Iterator[tuple[int, int]]:
    """Pairs of films in two splits that are copies by their pixels; every pair of films is compared.

    Films of one patient are left out: they are counted as such, and resemble each other.
    """
    unit = _unit(cells)
    used = [np.flatnonzero(films.split == split) for split in ("train", "validation", "test")]
    for number, left in enumerate(used):
        right = np.concatenate([np.empty(0, dtype=np.int64), *used[number + 1 :]])
        for start in range(0, left.size, _ROWS_AT_ONCE):
            block = left[start : start + _ROWS_AT_ONCE]
            near = np.argwhere(unit[block] @ unit[right].T > _COARSE)
            for offset in range(0, len(near), _ROWS_AT_ONCE // 8):
                part = near[offset : offset + _ROWS_AT_ONCE // 8]
                a, b = block[part[:, 0]], right[part[:, 1]]
                alike = (_detail(films, a, cells) * _detail(films, b, cells)).sum(axis=1) > _FINE
                alike &= films.patient[a] != films.patient[b]
                yield from zip(a[alike].tolist(), b[alike].tolist(), strict=True)


def _random_split(rows: Sequence[ManifestRow], seed: int) -> list[RandomSplit]:
    """Deal labelled films at random, as if nobody had looked for patients and copies."""
    generator = np.random.default_rng(seed)
    labelled = sorted((row for row in rows if row.label in AUDIT_LABELS), key=lambda row: row.path)
    held_out = generator.random(len(labelled)) < _HELD_OUT
    side = {row.path: bool(out) for row, out in zip(labelled, held_out, strict=True)}
    found = []
    for source in sorted({row.source for row in labelled}):
        own = [row for row in labelled if row.source == source]
        trained_on = {row.patient for row in own if row.patient is not None and not side[row.path]}
        beside = [row.patient in trained_on for row in own if side[row.path]]
        copies = [row for row in own if row.duplicate_of is not None]
        found.append(
            RandomSplit(
                source=source,
                films=len(own),
                patients=len({row.patient for row in own if row.patient is not None}),
                beside_own_patient=float(np.mean(beside)) if beside else 0.0,
                copies=len(copies),
                copies_crossing=sum(
                    side.get(str(row.duplicate_of)) == (not side[row.path]) for row in copies
                ),
            )
        )
    return found


def separate(films: Films, rows: Sequence[ManifestRow], cells: Features, seed: int) -> Separation:
    """Look for patients and films in two splits of the manifest.

    Args:
        films: of the audit.
        rows: the whole manifest.
        cells: (N, 576) of `plate_features`.
        seed: of the imagined random split.
    """
    patients, same_patient = _crossing(rows, {row.path: row.patient for row in rows}, "same patient")
    files, same_file = _crossing(rows, {row.path: row.sha256 for row in rows}, "same file")
    pairs = list(_look_alike(films, cells))
    alike = [
        CrossingPair(
            first=films.rows[a].path,
            first_split=str(films.split[a]),
            second=films.rows[b].path,
            second_split=str(films.split[b]),
            why="near-duplicate",
        )
        for a, b in pairs[:_EXAMPLES]
    ]
    return Separation(
        patients=patients,
        files=files,
        near_duplicates=len(pairs),
        examples=(*same_patient, *same_file, *alike),
        held_out=_HELD_OUT,
        random=tuple(_random_split(rows, seed)),
    )

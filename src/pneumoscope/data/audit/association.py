"""Does the source of a film give its label away? A table, and mutual information with its null."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict

from pneumoscope.data.audit.films import AUDIT_LABELS, Films

__all__ = ["Association", "associate", "entropy", "mutual_information"]

_PERMUTATIONS = 500


class Association(BaseModel):
    """How much the source says about the label, among films in use.

    Attributes:
        labels: columns of the table.
        table: source to films per label.
        bits: mutual information of source and label.
        null_bits: its 95th percentile where sources are dealt to patients at random.
        label_bits: entropy of the label; the source cannot say more.
        share: of the label's entropy that the source explains beyond that null, at least 0.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: tuple[str, ...]
    table: dict[str, tuple[int, ...]]
    bits: float
    null_bits: float
    label_bits: float
    share: float


def entropy(counts: ArrayLike) -> float:
    """Entropy in bits of a distribution given as counts.

    >>> entropy([5, 5])
    1.0
    """
    share = np.asarray(counts, dtype=np.float64).ravel()
    share = share[share > 0] / share.sum()
    return float(-(share * np.log2(share)).sum())


def mutual_information(table: ArrayLike) -> float:
    """Mutual information in bits of rows and columns of a table of counts.

    >>> mutual_information([[5, 0], [0, 5]])
    1.0
    """
    counts = np.asarray(table, dtype=np.float64)
    return entropy(counts.sum(axis=1)) + entropy(counts.sum(axis=0)) - entropy(counts)


def _table(source: NDArray[np.int64], label: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.int64]:
    return np.bincount(source * shape[1] + label, minlength=shape[0] * shape[1]).reshape(shape)


def associate(films: Films, seed: int, labels: Sequence[str] = AUDIT_LABELS) -> Association:
    """Measure how source and label go together among films in use.

    The null deals sources to patients, not to films: one patient's films share label and source by nature.

    Args:
        films: of the audit.
        seed: of the permutations.
        labels: that are counted.
    """
    used = np.flatnonzero(films.in_use)
    sources, source = np.unique(films.source[used], return_inverse=True)
    column = {name: number for number, name in enumerate(labels)}
    label = np.array([column[name] for name in films.label[used].tolist()], dtype=np.int64)
    shape = (sources.size, len(labels))
    counts = _table(source, label, shape)
    if used.size == 0:
        return Association(labels=tuple(labels), table={}, bits=0.0, null_bits=0.0, label_bits=0.0, share=0.0)
    person = np.char.add(np.char.add(films.source[used], "\n"), films.patient[used])
    _, first, of_film = np.unique(person, return_index=True, return_inverse=True)
    source_of_person = source[first]
    generator = np.random.default_rng(seed)
    null = [
        mutual_information(_table(generator.permutation(source_of_person)[of_film], label, shape))
        for _ in range(_PERMUTATIONS)
    ]
    bits, null_bits = mutual_information(counts), float(np.percentile(null, 95))
    label_bits = entropy(counts.sum(axis=0))
    return Association(
        labels=tuple(labels),
        table={name: tuple(row) for name, row in zip(sources.tolist(), counts.tolist(), strict=True)},
        bits=bits,
        null_bits=null_bits,
        label_bits=label_bits,
        share=max(0.0, bits - null_bits) / label_bits if label_bits > 0 else 0.0,
    )

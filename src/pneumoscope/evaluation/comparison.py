"""Two bundles on the same films, film by film: DeLong's test and McNemar's."""

from dataclasses import dataclass

import numpy as np

from pneumoscope.evaluation.intervals import PairedTest, delong_test, mcnemar
from pneumoscope.evaluation.scoring import Scores
from pneumoscope.evaluation.summary import groups_of

__all__ = ["Comparison", "compare_scores"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two bundles on the same films, film by film.

    Attributes:
        group: name of the source, or `POOLED`.
        films: that both have scored.
        auc: first minus second, DeLong's test with patients as clusters; None where it is undefined.
        mcnemar: p-value that both are right equally often, by operating point.
    """

    group: str
    films: int
    auc: PairedTest | None
    mcnemar: dict[str, float]


def compare_scores(
    first: Scores, first_thresholds: dict[str, float], second: Scores, second_thresholds: dict[str, float]
) -> tuple[Comparison, ...]:
    """Two bundles on the films that both have scored, pooled and per source.

    Args:
        first: of one bundle.
        first_thresholds: by operating point.
        second: of the other, on the same films.
        second_thresholds: by operating point.
    """
    common = set(first.paths) & set(second.paths)
    mine = np.array([path in common for path in first.paths], dtype=bool)
    theirs = np.array([path in common for path in second.paths], dtype=bool)
    targets, patients = first.targets[mine], first.patients[mine]
    p, q, sources = first.probabilities[mine], second.probabilities[theirs], first.sources[mine]
    comparisons = []
    for name, inside in groups_of(sources):
        y = targets[inside]
        pairs = [np.unique(patients[inside][y == label]).size for label in (True, False)]
        comparisons.append(
            Comparison(
                group=name,
                films=int(inside.sum()),
                auc=delong_test(y, p[inside], q[inside], patients[inside]) if min(pairs) > 1 else None,
                mcnemar={
                    point: mcnemar(
                        (p[inside] >= threshold) == y, (q[inside] >= second_thresholds[point]) == y
                    )
                    for point, threshold in first_thresholds.items()
                },
            )
        )
    return tuple(comparisons)

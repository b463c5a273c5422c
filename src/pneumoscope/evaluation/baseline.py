"""What can be reached without seeing the disease, beside what a bundle reaches on the same films."""

from dataclasses import dataclass

from pneumoscope.evaluation.intervals import PairedTest
from pneumoscope.runtime.card import Estimate

__all__ = ["Baseline"]


@dataclass(frozen=True, slots=True)
class Baseline:
    """A simple classifier that sees one thing that is no disease, on one group of films.

    Attributes:
        group: name of the source, or `POOLED`.
        check: what it sees: key of an audit's check.
        title: the same in words.
        films: that both have a score for.
        positives: of them, films with pneumonia.
        auc: of the classifier, on patients that it was not fitted on.
        model: AUC of the bundle.
        difference: bundle minus classifier, DeLong's test with patients as clusters.
        fitted_on: what the classifier was fitted on, in words.
    """

    group: str
    check: str
    title: str
    films: int
    positives: int
    auc: Estimate
    model: Estimate
    difference: PairedTest
    fitted_on: str

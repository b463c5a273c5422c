"""Patients dealt to folds, so that a network judges films of patients that it was not trained on.

A network trained for long knows films by heart, the mistakes in their labels with them, and judges those
films with a confidence that it has of no others. Source: Wolpert 1992, "Stacked generalization".
"""

import hashlib
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from pneumoscope.data.manifest import ManifestRow

__all__ = ["Fold", "fold_of"]


class Fold(BaseModel):
    """One of several equal parts of the patients.

    Attributes:
        of: how many parts there are.
        number: of this one, from 0.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    of: int = Field(ge=2)
    number: int = Field(ge=0)

    @model_validator(mode="after")
    def _exists(self) -> Self:
        if self.number >= self.of:
            raise ValueError(f"number {self.number} is none of {self.of} folds, which count from 0")
        return self

    def holds(self, row: "ManifestRow") -> bool:
        """Whether a film's patient was dealt to this fold."""
        return fold_of(row, self.of) == self.number


def fold_of(row: "ManifestRow", folds: int) -> int:
    """The fold of a film: that of its patient, in every manifest and on every machine the same.

    A film of an unknown patient is one of its own. Of a film that was made of several, the patient counts
    whose lungs, or the first of whose lungs, it shows.

    Args:
        row: of a manifest.
        folds: how many there are.
    """
    key = row.patient or row.sha256
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % folds

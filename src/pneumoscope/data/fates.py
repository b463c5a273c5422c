"""What became of a file, in a fixed set of words: the part of a manifest's `reason` before the colon."""

from collections.abc import Sequence

from pneumoscope.data.manifest import ManifestRow

__all__ = ["FATES", "Fate", "fate_of", "reason"]

Fate = str

NO_DATA_SET = "no data set"
NOT_A_FILM = "not a film"
OUTSIDE_LAYOUT = "outside the layout"
UNREADABLE = "unreadable"
REJECTED = "rejected"
BLANK = "blank"
NO_LABEL = "no label"
UNCERTAIN = "uncertain label"
CONFLICT = "label conflict"
COPY = "copy"

FATES: Sequence[tuple[Fate, str]] = (
    (NO_DATA_SET, "lies in no data set's folder"),
    (NOT_A_FILM, "a table, mask or note that belongs to a data set"),
    (OUTSIDE_LAYOUT, "lies in a data set's folder where its layout has no films"),
    (UNREADABLE, "damaged, cut short, or of an unknown format"),
    (REJECTED, "sound, but no frontal chest radiograph"),
    (BLANK, "without contrast"),
    (NO_LABEL, "the data set does not say what it shows"),
    (UNCERTAIN, "the data set does not say clearly what it shows"),
    (CONFLICT, "copies of one film carry different labels"),
    (COPY, "a better copy of the same film is kept"),
    ("train", "used for training"),
    ("validation", "used to choose and to calibrate"),
    ("test", "used for testing only"),
)
"""Every fate with its meaning, in the order in which the build decides."""


def reason(fate: Fate, detail: str) -> str:
    """The manifest's reason: the fate, and what of this file led to it.

    >>> reason("copy", "the same film as a/b.png")
    'copy: the same film as a/b.png'
    """
    return f"{fate}: {detail}"


def fate_of(row: ManifestRow) -> Fate:
    """The fate of a file: its split, or the first part of its reason."""
    return row.split or (row.reason or "").partition(":")[0]

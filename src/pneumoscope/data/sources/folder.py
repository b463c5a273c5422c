"""A user's own films: LABEL/*.png, or a csv with path, label and, where known, patient, view and age."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from pneumoscope.data.manifest import LABELS, Label
from pneumoscope.data.sources.contract import Claim, Place, Source
from pneumoscope.data.sources.tables import plausible_age, read_table
from pneumoscope.errors import DataError
from pneumoscope.image.read import FILM_SUFFIXES, begins_like_dicom

__all__ = ["FOLDER", "TABLE_NAME", "own_label"]

TABLE_NAME = "films.csv"
_LABELS: dict[str, Label] = {
    "PNEUMONIA": "PNEUMONIA",
    "NORMAL": "NORMAL",
    "OTHER": "OTHER",
    "UNCERTAIN": "UNCERTAIN",
}


def own_label(text: str) -> Label | None:
    """A label written by a user, in any case; None for another word.

    >>> own_label("normal"), own_label("cat")
    ('NORMAL', None)
    """
    return _LABELS.get(text.strip().upper())


def _claims(place: Place) -> Iterator[tuple[str, Claim]]:
    """The csv wins over folders where there is one."""
    if TABLE_NAME in place.files:
        yield TABLE_NAME, Claim.companion("table of labels")
        yield from _from_table(place)
        return
    for file in place.files:
        path = PurePosixPath(file)
        may_be_film = path.suffix.lower() in FILM_SUFFIXES
        if not may_be_film and (path.suffix or not begins_like_dicom(place.directory / file)):
            continue
        label = own_label(path.parent.name)
        yield file, Claim(label=label, reason=None if label else "no label: the folder is not named by one")


def _from_table(place: Place) -> Iterator[tuple[str, Claim]]:
    known = set(place.files)
    table = place.directory / TABLE_NAME
    for number, row in enumerate(read_table(table, ("path", "label")), start=2):
        file = PurePosixPath(row["path"]).as_posix()
        if file not in known:
            raise DataError(f"{table}, line {number}: there is no file {file} in {place.directory}")
        label = own_label(row["label"])
        if label is None and row["label"].strip():
            raise DataError(f"{table}, line {number}: label {row['label']!r} is none of {', '.join(LABELS)}")
        patient = (row.get("patient") or "").strip()
        yield (
            file,
            Claim(
                label=label,
                patient=f"{place.folder or 'folder'}:{patient}" if patient else None,
                view=(row.get("view") or "").strip() or None,
                age=plausible_age(row.get("age")),
                reason=None if label is not None else "no label: the table leaves it empty",
            ),
        )


FOLDER = Source(
    name="folder",
    title="A folder of your own",
    layout=("{PNEUMONIA,NORMAL,OTHER,UNCERTAIN}/*", f"or {TABLE_NAME} with path,label[,patient,view,age]"),
    labels=_LABELS,
    label_origin="yours",
    patient_key="the column patient of the table; unknown for plain folders",
    population="mixed",
    licence="yours",
    citation="none",
    url="",
    claim=_claims,
    account="Nothing to fetch.",
)

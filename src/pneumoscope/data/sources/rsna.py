"""RSNA Pneumonia Detection Challenge 2018: films as published, as cut to the lungs, and loose DICOM files."""

import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from pneumoscope.data.manifest import Label
from pneumoscope.data.sources.contract import Claim, Place, Population, Source
from pneumoscope.data.sources.tables import boxes_json, nih_patient, plausible_age, read_table
from pneumoscope.errors import DataError

__all__ = ["LOOSE_DICOM", "RSNA_CHALLENGE", "RSNA_LUNGS"]

_LABELS: dict[str, Label] = {
    "Lung Opacity": "PNEUMONIA",
    "Normal": "NORMAL",
    "No Lung Opacity / Not Normal": "OTHER",
}
_FILM_SIDE = 1024.0
_ADULT_FROM = 18.0
_LUNGS_TABLE = "labels.csv"
_CLASSES_TABLE = "stage_2_detailed_class_info.csv"
_BOXES_TABLE = "stage_2_train_labels.csv"
_MAPPING = "pneumonia-challenge-dataset-mappings_2018.json"


def _lungs_claims(place: Place) -> Iterator[tuple[str, Claim]]:
    """Films named in labels.csv, whose boxes are fractions already."""
    columns = ("file", "patient", "class", "view", "age", "boxes_xywh_fraction")
    rows: dict[str, dict[str, str]] = {}
    for table in place.named(_LUNGS_TABLE):
        yield table, Claim.companion("table of labels")
        rows.update((row["file"], row) for row in read_table(place.directory / table, columns))
    for file in place.files:
        path = PurePosixPath(file)
        if path.suffix.lower() not in (".jpg", ".png"):
            continue
        row = rows.get(path.name)
        if row is None:
            yield file, Claim(reason="no label: the film stands in no table of labels")
            continue
        age = plausible_age(row["age"])
        yield (
            file,
            Claim(
                label=_label(row["class"], path.name),
                patient=nih_patient(row["patient"]),
                view=row["view"] or None,
                age=age,
                population=_population(age),
                boxes=boxes_json(json.loads(row["boxes_xywh_fraction"])),
            ),
        )


def _challenge_claims(place: Place) -> Iterator[tuple[str, Claim]]:
    """DICOM films with class and boxes from the challenge's tables, patient from its mapping to NIH films."""
    classes: dict[str, str] = {}
    boxes: dict[str, list[tuple[float, float, float, float]]] = {}
    for table in place.named(_CLASSES_TABLE):
        yield table, Claim.companion("table of classes")
        rows = read_table(place.directory / table, ("patientId", "class"))
        classes.update((row["patientId"], row["class"]) for row in rows)
    for table in place.named(_BOXES_TABLE):
        yield table, Claim.companion("table of boxes")
        for row in read_table(place.directory / table, ("patientId", "x", "y", "width", "height", "Target")):
            drawn = boxes.setdefault(row["patientId"], [])
            if row["Target"] == "1":
                x, y, w, h = (float(row[key]) / _FILM_SIDE for key in ("x", "y", "width", "height"))
                drawn.append((x, y, w, h))
    for table in place.named(_MAPPING):
        yield table, Claim.companion("table of patients")
    patients = _nih_numbers(place)
    for file in place.files:
        path = PurePosixPath(file)
        if path.suffix.lower() != ".dcm":
            continue
        film = path.stem
        yield (
            file,
            Claim(
                label=_label(classes[film], path.name) if film in classes else None,
                patient=patients.get(film, f"rsna:{film}"),
                boxes=boxes_json(sorted(boxes[film])) if film in boxes else None,
                reason=None if film in classes else "no label: the film stands in no table of classes",
            ),
        )


def _dicom_claims(place: Place) -> Iterator[tuple[str, Claim]]:
    """Any DICOM file, without a label; a file named by an RSNA film is known to be of that film's patient."""
    patients = _nih_numbers(place)
    for file in place.files:
        path = PurePosixPath(file)
        if path.suffix.lower() in (".dcm", ".dicom", ""):
            yield file, Claim(patient=patients.get(path.stem), reason="no label: the data set gives none")


def _nih_numbers(place: Place) -> Mapping[str, str]:
    """RSNA film to NIH patient, from every table under the root that tells it.

    The challenge names a film by a random identifier; its films are of NIH patients, who may stand in the
    NIH set too.
    """
    patients: dict[str, str] = {}
    for path in sorted(place.root.glob("*/rsna_normal_ids.csv")):
        for row in read_table(path, ("rsna_patient_id", "patient")):
            patients[row["rsna_patient_id"]] = nih_patient(row["patient"])
    for path in sorted(place.root.glob(f"{RSNA_LUNGS.name}/{_LUNGS_TABLE}")):
        for row in read_table(path, ("file", "patient")):
            patients[PurePosixPath(row["file"]).stem] = nih_patient(row["patient"])
    for path in sorted(place.root.glob(f"*/{_MAPPING}")):
        for entry in json.loads(path.read_text(encoding="utf-8")):
            patients[entry["subset_img_id"]] = nih_patient(entry["img_id"].partition("_")[0])
    return patients


def _label(name: str, file: str) -> Label:
    if name not in _LABELS:
        raise DataError(f"{file}: class {name!r} is none of {', '.join(_LABELS)}")
    return _LABELS[name]


def _population(age: float | None) -> Population | None:
    if age is None:
        return None
    return "adult" if age >= _ADULT_FROM else "paediatric"


_LABEL_ORIGIN = "read by radiologists, boxes drawn around opacities"
_LICENCE = "RSNA challenge terms: non-commercial research"
_CITATION = "Shih et al. 2019, Radiol Artif Intell 1(1):e180041, doi:10.1148/ryai.2019180041"
_URL = "https://www.rsna.org/rsnai/ai-image-challenge/rsna-pneumonia-detection-challenge-2018"
_KAGGLE = (
    "Needs a Kaggle account and the competition's rules accepted: "
    "kaggle competitions download rsna-pneumonia-detection-challenge"
)

RSNA_CHALLENGE = Source(
    name="rsna-challenge",
    title="RSNA Pneumonia Detection Challenge 2018",
    layout=("stage_2_train_images/*.dcm", _CLASSES_TABLE, _BOXES_TABLE, f"{_MAPPING} (optional)"),
    labels=_LABELS,
    label_origin=_LABEL_ORIGIN,
    patient_key="NIH patient number where a table under the root tells it, "
    "else the challenge's own identifier",
    population="mixed",
    licence=_LICENCE,
    citation=_CITATION,
    url=_URL,
    claim=_challenge_claims,
    account=_KAGGLE,
)
RSNA_LUNGS = Source(
    name="rsna-lungs",
    title="RSNA challenge films cut to the lungs by a segmentation network",
    layout=("images/*.jpg", _LUNGS_TABLE),
    labels=_LABELS,
    label_origin=_LABEL_ORIGIN
    + "; the cut removes about a third of the boxes' area, and its shape tells the label",
    patient_key="NIH patient number of labels.csv",
    population="mixed",
    licence=_LICENCE,
    citation=_CITATION,
    url=_URL,
    caveat="Its films are cut to the lungs, and the shape of the cut alone tells opacity from normal (AUC "
    "0.90; 0.66 from not normal). No figure on cut films holds for whole ones.",
    claim=_lungs_claims,
    primary=False,
    account=_KAGGLE + "; the cut films themselves are published nowhere lasting",
)
LOOSE_DICOM = Source(
    name="dicom",
    title="DICOM films without labels",
    layout=("*.dcm",),
    labels={},
    label_origin="none",
    patient_key="NIH patient number where the file has the name of an RSNA film that a table under the root "
    "knows",
    population="mixed",
    licence="as the films' own",
    citation=_CITATION,
    url=_URL,
    claim=_dicom_claims,
    account=_KAGGLE,
)

"""COVID-19 Radiography Database: a collection of other sets, adults with COVID-19 and normals of any age."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from pneumoscope.data.manifest import Label
from pneumoscope.data.sources.contract import Claim, Place, Source
from pneumoscope.data.sources.tables import nih_patient, read_table

__all__ = ["COVID19_RADIOGRAPHY"]

_LABELS: dict[str, Label] = {
    "Normal": "NORMAL",
    "COVID": "PNEUMONIA",
    "Viral Pneumonia": "PNEUMONIA",
    "Lung_Opacity": "UNCERTAIN",
}
_IDS = "rsna_normal_ids.csv"


def _claims(place: Place) -> Iterator[tuple[str, Claim]]:
    """Films in LABEL/images; the patient where `rsna_normal_ids.csv` tells an RSNA normal's NIH number."""
    patients: dict[str, str] = {}
    for table in place.named(_IDS):
        rows = read_table(place.directory / table, ("file", "patient"))
        patients.update((row["file"], nih_patient(row["patient"])) for row in rows if row["patient"])
        yield table, Claim.companion("table of patients")
    for file in place.files:
        parts = PurePosixPath(file).parts
        if parts[-1].endswith((".xlsx", ".txt")):
            yield file, Claim.companion("note of the data set")
        if len(parts) < 3 or parts[-3] not in _LABELS:
            continue
        if parts[-2] == "masks":
            yield file, Claim.companion("lung mask")
        elif parts[-2] == "images":
            # A patient is known for films of the RSNA challenge only, whose films here are of adults mostly.
            yield file, Claim(label=_LABELS[parts[-3]], patient=patients.get(parts[-1]))


COVID19_RADIOGRAPHY = Source(
    name="covid19-radiography",
    title="COVID-19 Radiography Database",
    layout=("COVID-19_Radiography_Dataset/{Normal,COVID,Viral Pneumonia,Lung_Opacity}/images/*", _IDS),
    labels=_LABELS,
    label_origin="each of the collected sets' own: RSNA normals by radiologists, COVID-19 mostly by PCR, "
    "which a film need not show",
    patient_key="NIH patient number of the RSNA normals that rsna_normal_ids.csv lists; otherwise unknown",
    population="mixed",
    licence="per collected set, no clear grant: research only",
    citation="Chowdhury et al. 2020, IEEE Access 8:132665; Rahman et al. 2021, Comput Biol Med 132:104319",
    url="https://www.kaggle.com/datasets/tawsifurrahman/covid19-radiography-database",
    caveat="Its pneumonias are COVID-19 and come from other hospitals than its normals: the outer border "
    "alone tells them apart (AUC 0.92). A high AUC here may mean that the hospital is known.",
    claim=_claims,
    aspect_kept=False,
    primary=False,
    account="Needs a Kaggle account: "
    "kaggle datasets download tawsifurrahman/covid19-radiography-database --unzip",
)

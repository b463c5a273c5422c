"""Tuberculosis Chest X-ray Database: another lung disease, neither pneumonia nor normal."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from pneumoscope.data.manifest import Label
from pneumoscope.data.sources.contract import Claim, Place, Source

__all__ = ["TUBERCULOSIS"]

_LABELS: dict[str, Label] = {"Tuberculosis": "OTHER", "Normal": "NORMAL"}


def _claims(place: Place) -> Iterator[tuple[str, Claim]]:
    """Films in {Tuberculosis,Normal}; nothing tells which are of one patient."""
    for file in place.files:
        path = PurePosixPath(file)
        if path.suffix.lower() in (".xlsx", ".txt"):
            yield file, Claim.companion("note of the data set")
        elif path.parent.name in _LABELS and path.suffix.lower() in (".png", ".jpg"):
            yield file, Claim(label=_LABELS[path.parent.name])


TUBERCULOSIS = Source(
    name="tuberculosis",
    title="Tuberculosis (TB) Chest X-ray Database",
    layout=("TB_Chest_Radiography_Database/{Tuberculosis,Normal}/*",),
    labels=_LABELS,
    label_origin="each of the collected sets' own",
    patient_key="unknown",
    population="adult",
    licence="per collected set, no clear grant: research only",
    citation="Rahman et al. 2020, IEEE Access 8:191586, doi:10.1109/ACCESS.2020.3031384",
    url="https://www.kaggle.com/datasets/tawsifurrahman/tuberculosis-tb-chest-xray-dataset",
    caveat="It comes from other hospitals than the other sets, so that what tells them apart may pass for "
    "the disease.",
    claim=_claims,
    aspect_kept=False,
    primary=False,
    account="Needs a Kaggle account: "
    "kaggle datasets download tawsifurrahman/tuberculosis-tb-chest-xray-dataset --unzip",
)

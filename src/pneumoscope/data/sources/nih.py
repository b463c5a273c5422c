"""NIH ChestX-ray14: labels mined from reports, so held out as a test of adults and never trained on."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from pneumoscope.data.manifest import Label
from pneumoscope.data.sources.contract import Claim, Place, Population, Source
from pneumoscope.data.sources.tables import nih_patient, plausible_age, read_table

__all__ = ["NIH_CHESTXRAY14"]

_LABELS: dict[str, Label] = {"Pneumonia": "PNEUMONIA", "No Finding": "NORMAL", "any other finding": "OTHER"}
_TABLES = ("labels.csv", "Data_Entry_2017.csv", "Data_Entry_2017_v2020.csv")
_ADULT_FROM = 18.0


def _claims(place: Place) -> Iterator[tuple[str, Claim]]:
    """Films named in a label table; the full set's table also tells view and age."""
    rows: dict[str, dict[str, str]] = {}
    for name in _TABLES:
        for table in place.named(name):
            yield table, Claim.companion("table of labels")
            columns = ("Image Index", "Finding Labels", "Patient ID")
            rows.update((row["Image Index"], row) for row in read_table(place.directory / table, columns))
    for file in place.files:
        path = PurePosixPath(file)
        if path.suffix.lower() not in (".png", ".jpg"):
            continue
        row = rows.get(path.name)
        if row is None:
            yield file, Claim(reason="no label: the film stands in no table of labels")
            continue
        age = plausible_age(row.get("Patient Age"))
        yield (
            file,
            Claim(
                label=_label(row["Finding Labels"]),
                patient=nih_patient(row["Patient ID"]),
                view=row.get("View Position") or None,
                age=age,
                population=_population(age),
            ),
        )


def _label(findings: str) -> Label:
    """Pneumonia beside other findings is pneumonia."""
    found = findings.split("|")
    if "Pneumonia" in found:
        return "PNEUMONIA"
    return "NORMAL" if found == ["No Finding"] else "OTHER"


def _population(age: float | None) -> Population | None:
    if age is None:
        return None
    return "adult" if age >= _ADULT_FROM else "paediatric"


NIH_CHESTXRAY14 = Source(
    name="nih-chestxray14",
    title="NIH ChestX-ray14",
    layout=("images*/**/*.{png,jpg}", "labels.csv or Data_Entry_2017.csv"),
    labels=_LABELS,
    label_origin="text-mined from reports, noisy: of such Pneumonia films that radiologists read again, "
    "43 % showed an opacity and 20 % were normal",
    patient_key="Patient ID of the table; RSNA films carry the same numbers",
    population="mixed",
    licence="free to use with attribution to the NIH Clinical Center",
    citation="Wang et al. 2017, CVPR, 3462-3471, doi:10.1109/CVPR.2017.369",
    url="https://nihcc.app.box.com/v/ChestXray-NIHCC",
    caveat="Its labels are text-mined: a fifth of its pneumonias are normal to radiologists who read again.",
    claim=_claims,
    held_out=True,
    account="Free, no account: open https://nihcc.app.box.com/v/ChestXray-NIHCC and download "
    "images_*.tar.gz and Data_Entry_2017_v2020.csv; Box gives no lasting address to fetch from.",
)

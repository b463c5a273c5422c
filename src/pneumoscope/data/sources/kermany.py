"""Kermany et al. 2018: chest films of children, with an official test split."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from pneumoscope.data.manifest import Label
from pneumoscope.data.sources.contract import Claim, Download, Place, Source

__all__ = ["KERMANY", "KERMANY_FULL_SIZE", "KERMANY_ORIGINAL", "kermany_patient"]

_LABELS: dict[str, Label] = {"NORMAL": "NORMAL", "PNEUMONIA": "PNEUMONIA"}
_PNEUMONIA_NAME = re.compile(r"(person\d+)_(bacteria|virus)_")
_NORMAL_NAME = re.compile(r"((?:NORMAL\d*-)?(?:IM-)?\d+)-")
_PUBLISHED_NAME = re.compile(r"(BACTERIA|VIRUS|NORMAL)-(\d+)-")


def kermany_patient(name: str, split: str) -> str | None:
    """The child of a film, from its file name.

    Numbers of children with pneumonia start again for each type of germ and for each split; healthy
    children are told by the IM number with its prefix.

    >>> kermany_patient("person1000_bacteria_2931.jpeg", "train")
    'kermany:train:bacteria:person1000'
    >>> kermany_patient("NORMAL2-IM-0381-0001.jpeg", "test")
    'kermany:test:normal:NORMAL2-IM-0381'
    >>> kermany_patient("VIRUS-1234-0002.jpeg", "train")
    'kermany:train:virus:1234'

    Args:
        name: file name without folders, in Kaggle's or in the publisher's form.
        split: "train" or "test".

    Returns:
        The patient's name in the manifest, None for a name of another form.
    """
    if match := _PNEUMONIA_NAME.match(name):
        return f"kermany:{split}:{match.group(2)}:{match.group(1)}"
    if match := _PUBLISHED_NAME.match(name):
        return f"kermany:{split}:{match.group(1).lower()}:{match.group(2)}"
    if match := _NORMAL_NAME.match(name):
        return f"kermany:{split}:normal:{match.group(1)}"
    return None


def _claims(place: Place) -> Iterator[tuple[str, Claim]]:
    """Films in {train,val,test}/{NORMAL,PNEUMONIA}; the 16 films of "val" are of children of "train"."""
    for file in place.files:
        parts = PurePosixPath(file).parts
        if len(parts) < 3 or parts[-2] not in _LABELS or parts[-3] not in ("train", "val", "test"):
            continue
        if parts[-1].startswith(".") or "__MACOSX" in parts:
            continue
        official: str = "test" if parts[-3] == "test" else "train"
        yield (
            file,
            Claim(
                label=_LABELS[parts[-2]],
                patient=kermany_patient(parts[-1], official),
                official="test" if official == "test" else "train",
            ),
        )


def _full_size_claims(place: Place) -> Iterator[tuple[str, Claim]]:
    """Films in {NORMAL,PNEUMONIA}, all of the official training split."""
    for file in place.files:
        parts = PurePosixPath(file).parts
        if len(parts) < 2 or parts[-2] not in _LABELS or parts[-1].startswith("."):
            continue
        yield (
            file,
            Claim(label=_LABELS[parts[-2]], patient=kermany_patient(parts[-1], "train"), official="train"),
        )


_PATIENT_KEY = (
    "(split, type, personN) for pneumonia, (split, prefix with IM number) for normals, from the file name"
)
_CAVEAT = (
    "The outer border alone, the size of the file alone and, where it is kept, the shape of the film tell "
    "pneumonia from normal (AUC 0.8 to 0.97), and its test films are another population than its training "
    "films. A high AUC here says little about other children."
)

KERMANY = Source(
    name="kermany",
    title="Chest X-Ray Images (Pneumonia): children of 1 to 5 years, Guangzhou",
    layout=("chest_xray/{train,val,test}/{NORMAL,PNEUMONIA}/*.jpeg",),
    labels=_LABELS,
    label_origin="graded by two experts, the test split checked by a third",
    patient_key=_PATIENT_KEY,
    population="paediatric",
    licence="CC BY 4.0: weights may be passed on with attribution",
    citation="Kermany et al. 2018, Cell 172(5):1122-1131, doi:10.1016/j.cell.2018.02.010",
    url="https://data.mendeley.com/datasets/rscbjbr9sj/2",
    caveat=_CAVEAT,
    claim=_claims,
    aspect_kept=False,
    downloads=(
        Download(
            url="https://data.mendeley.com/public-files/datasets/rscbjbr9sj/files/"
            "f12eaf6d-6023-432f-acc9-80c9d7393433/file_downloaded",
            name="ChestXRay2017.zip",
        ),
    ),
)
_TRUE_ASPECT = replace(
    KERMANY,
    patient_key=_PATIENT_KEY + "; the same children as kermany",
    aspect_kept=True,
    downloads=(),
)
KERMANY_ORIGINAL = replace(
    _TRUE_ASPECT,
    name="kermany-original",
    title="Films of Kermany's training split with their true aspect ratio",
    layout=("chest_xray/train/{NORMAL,PNEUMONIA}/*.jpeg",),
    account="Reduced from the set `kermany` (kept here at a longest side of 300 pixels): fetch that one.",
)
KERMANY_FULL_SIZE = replace(
    _TRUE_ASPECT,
    name="full-size",
    title="Untouched files of Kermany's training split",
    layout=("{NORMAL,PNEUMONIA}/*.jpeg",),
    claim=_full_size_claims,
    account="Some files of the set `kermany` as published: fetch that one.",
)

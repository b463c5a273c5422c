"""COVID-19 chest X-ray segmentations: films on which radiologists drew the lesions; held out as a test."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePath, PurePosixPath
from typing import Literal, TypeVar

import numpy as np
from PIL import Image

from pneumoscope.data.manifest import Label
from pneumoscope.data.sources.contract import Claim, Place, Source
from pneumoscope.errors import DataError

__all__ = ["COVID19_SEGMENTATIONS", "MASK_INSIDE", "case_of_name", "mask_of"]

AnyPath = TypeVar("AnyPath", bound=PurePath)

MASK_INSIDE = 127
"""Grey levels above it are inside."""

_LABELS: dict[str, Label] = {"lesion drawn": "PNEUMONIA", "no lesion drawn": "UNCERTAIN"}
_ENDINGS = (
    re.compile(r"-(?:PA|AP|pa)$"),
    re.compile(r"-(?:day-?\d+|\d+-(?:hours|days)|admission)$"),
    re.compile(r"(?<=[\d-])[a-f]$"),
    re.compile(r"(?<=pneumonia-\d)-\d$"),
    re.compile(r"(?<=nejmoa2001191)_f\d$"),
    re.compile(r"(?<=auntminnie)-[a-c]-.*$"),
    re.compile(r"-$"),
)


def case_of_name(name: str) -> str:
    """The published case that a film's name tells: days, views and panels of one figure are of one patient.

    >>> case_of_name("ryct.2020200034.fig5-day4.jpg")
    'ryct.2020200034.fig5'
    >>> case_of_name("nejmc2001573_f1b.jpg")
    'nejmc2001573_f1'

    Args:
        name: file name without folders.

    Returns:
        The name without suffix, day, view and panel letter.
    """
    case = PurePosixPath(name).stem
    figure = re.search(r"(?<=-Fig)\d+(?=[a-z]-day)", case)
    if case.startswith("SARS-") and figure:
        return f"{case.partition('-g04')[0]}-Fig{figure.group()}"
    while True:
        shorter = case
        for ending in _ENDINGS:
            shorter = ending.sub("", shorter)
        if shorter == case:
            return case
        case = shorter


def mask_of(film: AnyPath, drawn: Literal["lesion", "lung"]) -> AnyPath:
    """Where the mask of a film lies.

    >>> mask_of(PurePosixPath("set/images/a.jpg"), "lung").as_posix()
    'set/masks/a_lung.png'

    Args:
        film: its file.
        drawn: what the mask shows.
    """
    return film.parent.parent / "masks" / f"{film.stem}_{drawn}.png"


def _claims(place: Place) -> Iterator[tuple[str, Claim]]:
    """Films in images/, each with masks/NAME_lung.png and masks/NAME_lesion.png."""
    known = set(place.files)
    for file in place.files:
        path = PurePosixPath(file)
        if path.parent.name == "masks":
            yield file, Claim.companion("lesion mask" if path.stem.endswith("_lesion") else "lung mask")
        elif path.parent.name == "images":
            mask = mask_of(path, "lesion").as_posix()
            patient = f"covid19-segmentations:{case_of_name(path.name)}"
            if mask not in known:
                yield file, Claim(patient=patient, reason=f"no label: the lesion mask {mask} is missing")
            elif _any_inside(place.directory / mask):
                yield file, Claim(label="PNEUMONIA", patient=patient)
            else:
                yield file, Claim(label="UNCERTAIN", patient=patient)


def _any_inside(mask: Path) -> bool:
    try:
        with Image.open(mask) as picture:
            return bool((np.asarray(picture.convert("L")) > MASK_INSIDE).any())
    except (OSError, ValueError) as error:
        raise DataError(f"{mask}: not a readable mask ({error})") from error


COVID19_SEGMENTATIONS = Source(
    name="covid19-segmentations",
    title="COVID-19 chest X-ray segmentations (films of the Cohen COVID-19 image collection)",
    layout=("images/NAME.jpg", "masks/NAME_lung.png", "masks/NAME_lesion.png"),
    labels=_LABELS,
    label_origin="radiologists drew ground glass and consolidation; a film without any is of uncertain label",
    patient_key="published case, from the file name: films of one figure count as one patient",
    population="adult",
    licence="masks CC BY 4.0; films per image, many non-commercial",
    citation="General Blockchain Inc. 2020, covid-19-chest-xray-segmentations-dataset; "
    "Cohen et al. 2020, arXiv:2006.11988",
    url="https://github.com/GeneralBlockchain/covid-19-chest-xray-segmentations-dataset",
    claim=_claims,
    held_out=True,
    account="No account: git clone https://github.com/GeneralBlockchain/covid-19-chest-xray-segmentations-dataset",
)

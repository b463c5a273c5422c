"""Small pools of artificial films in the layouts of public data sets."""

import csv
import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian

from generated import chest_like

SIDE = 96


def person_film(seed: int, *, height: int = SIDE, width: int = SIDE) -> NDArray[np.uint8]:
    """A film that differs from those of other seeds as films of two persons do: in its detail."""
    generator = np.random.default_rng(10_000 + seed)
    marks = Image.fromarray(generator.normal(0.0, 1.0, (14, 14)).astype(np.float32))
    texture = np.asarray(marks.resize((width, height), Image.Resampling.BICUBIC))
    film = (
        chest_like(seed, height=height, width=width, noise=1.0).astype(np.float64) * 0.6 + 40 + 28.0 * texture
    )
    return np.clip(np.rint(film), 0, 255).astype(np.uint8)


def save(path: Path, film: NDArray[np.uint8]) -> Path:
    """Write a film in the format of its suffix, folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(film).save(path, **({"quality": 90} if path.suffix in (".jpg", ".jpeg") else {}))
    return path


def stretched(film: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """The film in another size and shape."""
    return np.asarray(Image.fromarray(film).resize((width, height), Image.Resampling.LANCZOS))


def dicom_film(film: NDArray[np.uint8]) -> bytes:
    """A CR file, uncompressed, 8 bit."""
    dataset = Dataset()
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = "1.2.826.0.1.3680043.8.498.7"
    dataset.Modality, dataset.BodyPartExamined, dataset.ViewPosition = "CR", "CHEST", "AP"
    dataset.PatientAge = "051Y"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = film.shape
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = film.tobytes()
    dataset["PixelData"].VR = "OB"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def write_table(path: Path, rows: list[dict[str, str]]) -> None:
    """A csv with a header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def make_kermany(root: Path) -> None:
    """Four children of the training split, one with two films, and two of the test split."""
    train, test = root / "kermany/chest_xray/train", root / "kermany/chest_xray/test"
    for seed, name in enumerate(("NORMAL/IM-0115-0001", "NORMAL/NORMAL2-IM-0381-0001")):
        save(train / f"{name}.jpeg", person_film(seed))
    for seed, name in enumerate(("person7_bacteria_21", "person7_bacteria_22", "person7_virus_9"), start=2):
        save(train / f"PNEUMONIA/{name}.jpeg", person_film(seed))
    save(test / "NORMAL/IM-0001-0001.jpeg", person_film(5))
    save(test / "PNEUMONIA/person7_bacteria_3.jpeg", person_film(6))


def make_rsna_challenge(root: Path) -> None:
    """Three films of the challenge, one with two boxes, with all of its tables."""
    folder = root / "rsna-challenge"
    for seed, film in enumerate(("aaa", "bbb", "ccc"), start=20):
        path = folder / f"stage_2_train_images/{film}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(dicom_film(person_film(seed)))
    classes = {"aaa": "Lung Opacity", "bbb": "Normal", "ccc": "No Lung Opacity / Not Normal"}
    write_table(
        folder / "stage_2_detailed_class_info.csv",
        [{"patientId": film, "class": name} for film, name in classes.items()]
        + [{"patientId": "aaa", "class": "Lung Opacity"}],
    )
    empty = {"x": "", "y": "", "width": "", "height": "", "Target": "0"}
    box = {"x": "512", "y": "256.0", "width": "102.4", "height": "204.8", "Target": "1"}
    write_table(
        folder / "stage_2_train_labels.csv",
        [
            {"patientId": "aaa", **box},
            {"patientId": "aaa", **box, "x": "128"},
            {"patientId": "bbb", **empty},
            {"patientId": "ccc", **empty},
        ],
    )
    mapping = [{"subset_img_id": "aaa", "img_id": "00000123_004.png"}]
    (folder / "pneumonia-challenge-dataset-mappings_2018.json").write_text(json.dumps(mapping))

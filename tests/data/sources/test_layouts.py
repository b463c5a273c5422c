"""What each data set says of the files in its published layout."""

import json
from pathlib import Path

import numpy as np
import pytest

from data.made_pool import make_kermany, make_rsna_challenge, person_film, save, write_table
from pneumoscope.data.scan import find_files
from pneumoscope.data.sources import Claim, Place, find_source
from pneumoscope.data.sources.folder import own_label
from pneumoscope.data.sources.kermany import kermany_patient
from pneumoscope.data.sources.segmentations import case_of_name
from pneumoscope.errors import DataError


def claims(root: Path, name: str, folder: str | None = None) -> dict[str, Claim]:
    home = name if folder is None else folder
    return dict(find_source(name).claim(Place(root, home, find_files(root / home))))


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_kermany(tmp_path: Path) -> None:
    make_kermany(tmp_path)
    touch(tmp_path / "kermany/chest_xray/train/NORMAL/.DS_Store", tmp_path / "kermany/readme.txt")
    touch(tmp_path / "kermany/chest_xray/val/NORMAL/NORMAL2-IM-1427-0001.jpeg")
    found = claims(tmp_path, "kermany")
    assert len(found) == 8
    assert found["chest_xray/train/PNEUMONIA/person7_bacteria_22.jpeg"] == Claim(
        label="PNEUMONIA", patient="kermany:train:bacteria:person7", official="train"
    )
    assert found["chest_xray/train/PNEUMONIA/person7_virus_9.jpeg"].patient == "kermany:train:virus:person7"
    assert found["chest_xray/test/PNEUMONIA/person7_bacteria_3.jpeg"] == Claim(
        label="PNEUMONIA", patient="kermany:test:bacteria:person7", official="test"
    )
    assert found["chest_xray/val/NORMAL/NORMAL2-IM-1427-0001.jpeg"] == Claim(
        label="NORMAL", patient="kermany:train:normal:NORMAL2-IM-1427", official="train"
    )


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("person1000_bacteria_2931.jpeg", "kermany:train:bacteria:person1000"),
        ("person1_virus_6_1.jpeg", "kermany:train:virus:person1"),
        ("IM-0115-0001.jpeg", "kermany:train:normal:IM-0115"),
        ("IM-0429-0001-0002.jpeg", "kermany:train:normal:IM-0429"),
        ("NORMAL2-IM-0381-0001.jpeg", "kermany:train:normal:NORMAL2-IM-0381"),
        ("NORMAL-1003233-0001.jpeg", "kermany:train:normal:1003233"),
        ("BACTERIA-30629-0002.jpeg", "kermany:train:bacteria:30629"),
        ("film.jpeg", None),
    ],
)
def test_kermany_patients(name: str, key: str | None) -> None:
    assert kermany_patient(name, "train") == key


def test_kermany_copies_name_the_same_children(tmp_path: Path) -> None:
    touch(tmp_path / "kermany-original/chest_xray/train/PNEUMONIA/person7_virus_9.jpeg")
    touch(tmp_path / "full-size/PNEUMONIA/person7_virus_9.jpeg")
    (original,) = claims(tmp_path, "kermany-original").values()
    (full,) = claims(tmp_path, "full-size").values()
    assert (
        original == full == Claim(label="PNEUMONIA", patient="kermany:train:virus:person7", official="train")
    )


def test_radiography(tmp_path: Path) -> None:
    base = tmp_path / "covid19-radiography"
    inside = base / "COVID-19_Radiography_Dataset"
    touch(inside / "Normal/images/Normal-1.jpg", inside / "Normal/images/Normal-2.jpg")
    touch(inside / "COVID/images/COVID-1.png", inside / "COVID/masks/COVID-1.png", inside / "README.md.txt")
    touch(
        inside / "Lung_Opacity/images/Lung_Opacity-1.png",
        inside / "Viral Pneumonia/images/Viral Pneumonia-3.png",
    )
    write_table(
        base / "rsna_normal_ids.csv",
        [{"file": "Normal-2.jpg", "rsna_patient_id": "abc", "patient": "00026767"}],
    )
    found = {
        path.rpartition("/")[2] + path.partition("masks")[1]: claim
        for path, claim in claims(tmp_path, base.name).items()
    }
    assert found["Normal-1.jpg"] == Claim(label="NORMAL")
    assert found["Normal-2.jpg"] == Claim(label="NORMAL", patient="nih:00026767")
    assert found["COVID-1.png"] == Claim(label="PNEUMONIA")
    assert found["Lung_Opacity-1.png"].label == "UNCERTAIN"
    assert found["Viral Pneumonia-3.png"].label == "PNEUMONIA"
    assert not any(found[name].film for name in ("COVID-1.pngmasks", "rsna_normal_ids.csv", "README.md.txt"))


@pytest.mark.parametrize("full", [False, True])
def test_nih(tmp_path: Path, full: bool) -> None:
    base = tmp_path / "nih-chestxray14"
    touch(
        *(
            base / f"images_001/images/{name}.png"
            for name in ("00000013_004", "00000002_000", "00000005_001", "x")
        )
    )
    findings = {
        "00000013_004": "Effusion|Pneumonia",
        "00000002_000": "No Finding",
        "00000005_001": "Pneumothorax",
    }
    rows = [
        {
            "Image Index": f"{name}.png",
            "Finding Labels": words,
            "Patient ID": name[:8] if not full else str(int(name[:8])),
        }
        | ({"Patient Age": "12", "View Position": "AP"} if full else {})
        for name, words in findings.items()
    ]
    write_table(base / ("Data_Entry_2017.csv" if full else "labels.csv"), rows)
    found = {path.rpartition("/")[2]: claim for path, claim in claims(tmp_path, base.name).items()}
    facts = {"view": "AP", "age": 12.0, "population": "paediatric"} if full else {}
    assert found["00000013_004.png"] == Claim(label="PNEUMONIA", patient="nih:00000013", **facts)
    assert found["00000002_000.png"] == Claim(label="NORMAL", patient="nih:00000002", **facts)
    assert found["00000005_001.png"].label == "OTHER"
    assert found["x.png"].label is None
    assert "no table" in str(found["x.png"].reason)


def test_rsna_lungs(tmp_path: Path) -> None:
    base = tmp_path / "rsna-lungs"
    touch(base / "images/a.jpg", base / "images/b.jpg", base / "images/c.jpg", base / "images/d.jpg")
    boxes = {
        "a": ("Lung Opacity", "[[0.25, 0.5, 0.125, 0.0625]]"),
        "b": ("Normal", "[]"),
        "c": ("No Lung Opacity / Not Normal", "[]"),
    }
    write_table(
        base / "labels.csv",
        [
            {
                "file": f"{name}.jpg",
                "patient": "00000007",
                "class": words,
                "view": "PA",
                "age": age,
                "boxes_xywh_fraction": drawn,
            }
            for (name, (words, drawn)), age in zip(boxes.items(), ("40", "413", "9"), strict=True)
        ],
    )
    found = claims(tmp_path, base.name)
    assert found["images/a.jpg"] == Claim(
        label="PNEUMONIA",
        patient="nih:00000007",
        view="PA",
        age=40.0,
        population="adult",
        boxes="[[0.25,0.5,0.125,0.0625]]",
    )
    assert found["images/b.jpg"] == Claim(label="NORMAL", patient="nih:00000007", view="PA", boxes="[]")
    assert found["images/c.jpg"].label == "OTHER"
    assert found["images/c.jpg"].population == "paediatric"
    assert found["images/d.jpg"].label is None


def test_rsna_challenge(tmp_path: Path) -> None:
    make_rsna_challenge(tmp_path)
    touch(tmp_path / "rsna-challenge/stage_2_test_images/ddd.dcm")
    found = claims(tmp_path, "rsna-challenge")
    assert found["stage_2_train_images/aaa.dcm"] == Claim(
        label="PNEUMONIA", patient="nih:00000123", boxes="[[0.125,0.25,0.1,0.2],[0.5,0.25,0.1,0.2]]"
    )
    assert found["stage_2_train_images/bbb.dcm"] == Claim(label="NORMAL", patient="rsna:bbb", boxes="[]")
    assert found["stage_2_train_images/ccc.dcm"].label == "OTHER"
    test_film = found["stage_2_test_images/ddd.dcm"]
    assert (test_film.label, test_film.boxes, test_film.patient) == (None, None, "rsna:ddd")
    assert sum(not claim.film for claim in found.values()) == 3


def test_an_unknown_class_stops_the_build(tmp_path: Path) -> None:
    make_rsna_challenge(tmp_path)
    table = tmp_path / "rsna-challenge/stage_2_detailed_class_info.csv"
    table.write_text(table.read_text().replace("Normal\n", "Abnormal\n"))
    with pytest.raises(DataError, match="is none of Lung Opacity"):
        claims(tmp_path, "rsna-challenge")


def test_loose_dicom_films_get_their_patient_from_other_tables(tmp_path: Path) -> None:
    touch(tmp_path / "dicom/aaa.dcm", tmp_path / "dicom/bbb.dcm", tmp_path / "dicom/notes.txt")
    write_table(
        tmp_path / "covid19-radiography/rsna_normal_ids.csv",
        [{"file": "Normal-2.jpg", "rsna_patient_id": "bbb", "patient": "00000009"}],
    )
    found = claims(tmp_path, "dicom")
    assert {path: claim.patient for path, claim in found.items()} == {
        "aaa.dcm": None,
        "bbb.dcm": "nih:00000009",
    }
    assert all(claim.label is None for claim in found.values())


def test_tuberculosis(tmp_path: Path) -> None:
    base = tmp_path / "tuberculosis/TB_Chest_Radiography_Database"
    touch(
        base / "Tuberculosis/Tuberculosis-1.png", base / "Normal/Normal-1.png", base / "Normal.metadata.xlsx"
    )
    found = claims(tmp_path, "tuberculosis")
    labels = [claim.label for claim in found.values() if claim.film]
    assert sorted(map(str, labels)) == ["NORMAL", "OTHER"]
    assert sum(not claim.film for claim in found.values()) == 1


def test_segmentations(tmp_path: Path) -> None:
    base = tmp_path / "covid19-segmentations"
    empty = np.zeros((20, 20), np.uint8)
    drawn = empty.copy()
    drawn[3, 4] = 255
    for name, mask in (("case1-day3", drawn), ("case1-day5", empty)):
        save(base / f"images/{name}.jpg", person_film(1))
        save(base / f"masks/{name}_lesion.png", mask)
        save(base / f"masks/{name}_lung.png", drawn)
    save(base / "images/other.jpg", person_film(2))
    found = claims(tmp_path, base.name)
    assert found["images/case1-day3.jpg"] == Claim(label="PNEUMONIA", patient="covid19-segmentations:case1")
    assert found["images/case1-day5.jpg"] == Claim(label="UNCERTAIN", patient="covid19-segmentations:case1")
    assert "missing" in str(found["images/other.jpg"].reason)
    assert found["masks/case1-day3_lung.png"] == Claim.companion("lung mask")
    (base / "masks/case1-day3_lesion.png").write_text("broken")
    with pytest.raises(DataError, match="not a readable mask"):
        claims(tmp_path, base.name)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ryct.2020200034.fig5-day0.jpg", "ryct.2020200034.fig5-day4.jpg", True),
        ("nejmc2001573_f1a.jpg", "nejmc2001573_f1b.jpg", True),
        ("covid-19-pneumonia-2.jpg", "covid-19-pneumonia-12.jpg", False),
        (
            "covid-19-pneumonia-rapidly-progressive-12-hours.jpg",
            "covid-19-pneumonia-rapidly-progressive-3-days.jpg",
            True,
        ),
        (
            "SARS-10.1148rg.242035193-g04mr34g0-Fig8a-day0.jpg",
            "SARS-10.1148rg.242035193-g04mr34g0-Fig8c-day10.jpg",
            True,
        ),
        (
            "SARS-10.1148rg.242035193-g04mr34g04a-Fig4a-day7.jpg",
            "SARS-10.1148rg.242035193-g04mr34g04b-Fig4b-day12.jpg",
            True,
        ),
        (
            "SARS-10.1148rg.242035193-g04mr34g05x-Fig5-day9.jpg",
            "SARS-10.1148rg.242035193-g04mr34g04b-Fig4b-day12.jpg",
            False,
        ),
        ("pneumocystis-jirovecii-pneumonia-3-1.jpg", "pneumocystis-jirovecii-pneumonia-3-2.jpg", True),
        ("pneumocystis-jirovecii-pneumonia-3-1.jpg", "pneumocystis-jirovecii-pneumonia-2.jpg", False),
        ("kjr-21-e24-g001-l-a.jpg", "kjr-21-e24-g002-l-a.jpg", False),
    ],
)
def test_cases_of_names(one: str, other: str, same: bool) -> None:
    assert (case_of_name(one) == case_of_name(other)) is same


def test_own_folders(tmp_path: Path) -> None:
    touch(tmp_path / "mine/normal/a.png", tmp_path / "mine/deep/PNEUMONIA/b.dcm", tmp_path / "mine/c.png")
    touch(tmp_path / "mine/normal/notes.txt", tmp_path / "mine/normal/LICENSE")
    found = claims(tmp_path, "folder", "mine")
    assert {path: claim.label for path, claim in found.items()} == {
        "normal/a.png": "NORMAL",
        "deep/PNEUMONIA/b.dcm": "PNEUMONIA",
        "c.png": None,
    }
    assert own_label(" Other ") == "OTHER"


def test_own_table(tmp_path: Path) -> None:
    touch(tmp_path / "mine/a.png", tmp_path / "mine/b.png")
    rows = [
        {"path": "a.png", "label": "pneumonia", "patient": "17", "view": "PA", "age": "61"},
        {"path": "b.png", "label": "", "patient": "", "view": "", "age": ""},
    ]
    write_table(tmp_path / "mine/films.csv", rows)
    found = claims(tmp_path, "folder", "mine")
    assert found["a.png"] == Claim(label="PNEUMONIA", patient="mine:17", view="PA", age=61.0)
    assert found["b.png"].label is None
    assert not found["films.csv"].film
    for wrong, words in (
        ({"path": "c.png"}, "line 2: there is no file c.png"),
        ({"label": "sick"}, "'sick' is none of"),
    ):
        write_table(tmp_path / "mine/films.csv", [rows[0] | wrong])
        with pytest.raises(DataError, match=words):
            claims(tmp_path, "folder", "mine")


def test_tables_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    touch(tmp_path / "rsna-lungs/images/a.jpg")
    (tmp_path / "rsna-lungs/labels.csv").write_text("file,patient\na.jpg,1\n")
    with pytest.raises(DataError, match=r"labels\.csv: no column class, view, age, boxes_xywh_fraction"):
        claims(tmp_path, "rsna-lungs")
    (tmp_path / "rsna-lungs/labels.csv").write_bytes(b"\xff\xfe\x00file")
    with pytest.raises(DataError, match="not a readable csv"):
        claims(tmp_path, "rsna-lungs")


def test_boxes_are_fractions(tmp_path: Path) -> None:
    make_rsna_challenge(tmp_path)
    for claim in claims(tmp_path, "rsna-challenge").values():
        for x, y, w, h in json.loads(claim.boxes or "[]"):
            assert 0 <= x <= x + w <= 1
            assert 0 <= y <= y + h <= 1

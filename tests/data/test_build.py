"""A pool with everything that goes wrong becomes a manifest in which every file has a fate."""

from pathlib import Path

import numpy as np
import pytest

from data.made_pool import make_kermany, make_rsna_challenge, person_film, save, stretched, write_table
from pneumoscope.data.build import Pool, build_rows
from pneumoscope.data.fates import FATES, fate_of
from pneumoscope.data.manifest import ManifestRow, write_manifest
from pneumoscope.errors import DataError, UsageError

TRAIN = "kermany/chest_xray/train"
RADIOGRAPHY = "covid19-radiography/COVID-19_Radiography_Dataset"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Kermany, copies of it elsewhere, shared patients, and files of every bad kind."""
    root = tmp_path / "root"
    make_kermany(root)
    make_rsna_challenge(root)
    save(
        root / "kermany-original/chest_xray/train/NORMAL/IM-0115-0001.jpeg",
        person_film(0, height=150, width=180),
    )
    save(root / f"{TRAIN}/NORMAL/IM-0115-0001.jpeg", stretched(person_film(0, height=150, width=180), 96, 96))
    save(root / f"{RADIOGRAPHY}/Normal/images/Normal-1.png", stretched(person_film(1), 90, 84))
    save(root / f"{RADIOGRAPHY}/Normal/images/Normal-2.png", person_film(5))  # also in Kermany's test
    save(root / f"{RADIOGRAPHY}/Normal/images/Normal-3.png", person_film(30))
    save(root / f"{RADIOGRAPHY}/COVID/images/COVID-3.png", person_film(30))  # the same film, another label
    save(root / f"{RADIOGRAPHY}/COVID/images/COVID-4.png", np.full((90, 90), 40, np.uint8))
    (root / f"{RADIOGRAPHY}/COVID/images/COVID-5.png").write_text("broken")
    save(root / f"{RADIOGRAPHY}/COVID/images/COVID-6.png", np.zeros((9, 9), np.uint8))
    save(root / f"{RADIOGRAPHY}/Lung_Opacity/images/Lung_Opacity-1.png", person_film(31))
    save(root / f"{RADIOGRAPHY}/Normal/images/Normal-7.png", person_film(32))
    save(root / f"{RADIOGRAPHY}/thumbs/odd.png", person_film(33))
    write_table(
        root / "covid19-radiography/rsna_normal_ids.csv",
        [{"file": "Normal-7.png", "rsna_patient_id": "x", "patient": "00000040"}],
    )
    save(root / "nih-chestxray14/images/00000040_000.png", person_film(40))
    write_table(
        root / "nih-chestxray14/labels.csv",
        [{"Image Index": "00000040_000.png", "Finding Labels": "No Finding", "Patient ID": "00000040"}],
    )
    save(root / "holiday/beach.png", person_film(50))
    (root / "README.md").write_text("hello")
    return root


def build(root: Path, *, seed: int = 0) -> dict[str, ManifestRow]:
    return {row.path: row for row in build_rows(root, root.parent / "out", seed=seed).rows}


def test_every_file_has_one_row_and_a_fate(root: Path) -> None:
    rows = build(root)
    assert set(rows) == {file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_file()}
    fates = {fate_of(row) for row in rows.values()}
    assert fates <= {fate for fate, _ in FATES}
    assert fates >= {
        "copy",
        "label conflict",
        "blank",
        "unreadable",
        "rejected",
        "uncertain label",
        "not a film",
    }
    for row in rows.values():
        assert (row.split is None) == (row.reason is not None)
        assert row.duplicate_of is None or rows[row.duplicate_of].split is not None


@pytest.mark.parametrize(
    ("path", "fate"),
    [
        (f"{RADIOGRAPHY}/COVID/images/COVID-4.png", "blank"),
        (f"{RADIOGRAPHY}/COVID/images/COVID-5.png", "unreadable"),
        (f"{RADIOGRAPHY}/COVID/images/COVID-6.png", "rejected"),
        (f"{RADIOGRAPHY}/Lung_Opacity/images/Lung_Opacity-1.png", "uncertain label"),
        (f"{RADIOGRAPHY}/thumbs/odd.png", "outside the layout"),
        ("covid19-radiography/rsna_normal_ids.csv", "not a film"),
        ("holiday/beach.png", "no data set"),
        ("README.md", "no data set"),
    ],
)
def test_fates_of_bad_files(root: Path, path: str, fate: str) -> None:
    assert fate_of(build(root)[path]) == fate


def test_the_copy_with_its_true_shape_is_kept(root: Path) -> None:
    rows = build(root)
    original = "kermany-original/chest_xray/train/NORMAL/IM-0115-0001.jpeg"
    assert rows[f"{TRAIN}/NORMAL/IM-0115-0001.jpeg"].duplicate_of == original
    assert rows[original].split in ("train", "validation")
    copy = rows[f"{RADIOGRAPHY}/Normal/images/Normal-1.png"]
    assert copy.duplicate_of == f"{TRAIN}/NORMAL/NORMAL2-IM-0381-0001.jpeg"
    assert copy.reason == f"copy: the same film as {copy.duplicate_of}"


def test_the_official_test_stays_whole(root: Path) -> None:
    rows = build(root)
    official = "kermany/chest_xray/test/NORMAL/IM-0001-0001.jpeg"
    assert rows[official].split == "test"
    assert rows["kermany/chest_xray/test/PNEUMONIA/person7_bacteria_3.jpeg"].split == "test"
    assert rows[f"{RADIOGRAPHY}/Normal/images/Normal-2.png"].duplicate_of == official


def test_an_official_test_film_stays_although_it_has_a_copy_beside_it(root: Path) -> None:
    first = root / "kermany/chest_xray/test/NORMAL/IM-0001-0001.jpeg"
    second = first.with_name("IM-0001-0002.jpeg")
    second.write_bytes(first.read_bytes())
    rows = build(root)
    assert rows[first.relative_to(root).as_posix()].split == "test"
    assert rows[second.relative_to(root).as_posix()].split == "test"


def test_copies_with_two_labels_are_set_aside(root: Path) -> None:
    rows = build(root)
    for path in ("Normal/images/Normal-3.png", "COVID/images/COVID-3.png"):
        row = rows[f"{RADIOGRAPHY}/{path}"]
        assert row.split is None
        assert row.reason == "label conflict: copies of this film are labelled NORMAL and PNEUMONIA"


def test_people_of_a_held_out_set_are_not_trained_on(root: Path) -> None:
    rows = build(root)
    assert rows["nih-chestxray14/images/00000040_000.png"].split == "test"
    assert rows[f"{RADIOGRAPHY}/Normal/images/Normal-7.png"].split == "test"


def test_facts_of_a_film_reach_its_row(root: Path) -> None:
    row = build(root)["rsna-challenge/stage_2_train_images/aaa.dcm"]
    assert (row.format, row.width, row.height, row.view, row.age) == ("DICOM", 96, 96, "AP", 51.0)
    assert (row.label, row.patient, row.population) == ("PNEUMONIA", "nih:00000123", "mixed")
    assert row.boxes == "[[0.125,0.25,0.1,0.2],[0.5,0.25,0.1,0.2]]"
    assert row.bytes == (root / row.path).stat().st_size


def test_same_input_same_bytes(root: Path, tmp_path: Path) -> None:
    for out in ("one", "two"):
        pool = build_rows(root, tmp_path / out)
        write_manifest(pool.rows, tmp_path / out / "manifest.parquet")
    again = build_rows(root, tmp_path / "one")
    write_manifest(again.rows, tmp_path / "three.parquet")
    written = [
        (tmp_path / name).read_bytes()
        for name in ("one/manifest.parquet", "two/manifest.parquet", "three.parquet")
    ]
    assert written[0] == written[1] == written[2]


def test_results_inside_the_root_are_not_taken_for_input(root: Path) -> None:
    first = build_rows(root, root / "out")
    assert build_rows(root, root / "out").rows == first.rows


def test_a_data_set_may_lie_elsewhere(root: Path) -> None:
    (root / "kermany").rename(root / "downloads")
    out = root.parent / "out"
    pool = build_rows(root, out, folders={"kermany": "downloads"})
    assert pool.folders["kermany"] == "downloads"
    assert {row.source for row in pool.rows if row.path.startswith("downloads/")} == {"kermany"}
    with pytest.raises(UsageError, match="there is no folder"):
        build_rows(root, out, folders={"kermany": "nowhere"})
    with pytest.raises(UsageError, match="no data set is called"):
        build_rows(root, out, folders={"kermani": "downloads"})


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    for seed in range(4):
        save(tmp_path / "mine" / ("NORMAL", "PNEUMONIA")[seed % 2] / f"{seed}.png", person_film(seed))
    pool = build_rows(tmp_path / "mine", tmp_path / "out")
    assert {row.source for row in pool.rows} == {"folder"}
    assert all(row.split is not None for row in pool.rows)


def test_nothing_to_build_from(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        build_rows(tmp_path / "root", tmp_path / "out")
    (tmp_path / "root").mkdir()
    with pytest.raises(DataError, match="no file in this folder"):
        build_rows(tmp_path / "root", tmp_path / "out")


def test_another_seed_draws_another_split_of_the_same_films(tmp_path: Path) -> None:
    for seed in range(30):
        save(tmp_path / f"mine/NORMAL/{seed}.png", person_film(seed))
    pools: list[Pool] = [build_rows(tmp_path / "mine", tmp_path / "out", seed=seed) for seed in (0, 1)]
    splits = [[row.split for row in pool.rows] for pool in pools]
    assert splits[0] != splits[1]
    assert [row.sha256 for row in pools[0].rows] == [row.sha256 for row in pools[1].rows]

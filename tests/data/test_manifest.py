"""Manifests come back as written, the same bytes each time, and nothing else is taken for one."""

import random
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pneumoscope.data.manifest import ManifestRow, manifest_sha256, read_manifest, write_manifest
from pneumoscope.errors import DataError

FULL = ManifestRow(
    source="kermany",
    path="kermany/a.jpeg",
    sha256="0" * 64,
    bytes=12,
    phash="f" * 64,
    format="JPEG",
    width=20,
    height=10,
    label="PNEUMONIA",
    patient="kermany:train:virus:person1",
    view="AP",
    age=3.5,
    population="paediatric",
    boxes="[[0.1,0.2,0.3,0.4]]",
    split="train",
)
BARE = ManifestRow(source="", path="Ünïcode/b.txt", sha256="1" * 64, bytes=0, reason="no data set: far away")
COPY = replace(FULL, path="kermany/c.jpeg", split=None, duplicate_of="kermany/a.jpeg", reason="copy: of a")


def test_rows_come_back_sorted_by_path(tmp_path: Path) -> None:
    write_manifest([COPY, BARE, FULL], tmp_path / "deep" / "manifest.parquet")
    assert read_manifest(tmp_path / "deep" / "manifest.parquet") == [FULL, COPY, BARE]
    assert read_manifest(tmp_path / "deep") == [FULL, COPY, BARE]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["manifest.parquet"]


def test_same_rows_same_bytes_whatever_their_order(tmp_path: Path) -> None:
    rows = [replace(FULL, path=f"kermany/{number}.jpeg", age=number / 7) for number in range(50)]
    write_manifest(rows, tmp_path / "one.parquet")
    random.Random(0).shuffle(rows)
    write_manifest(rows, tmp_path / "two.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_other_readers_see_plain_columns(tmp_path: Path) -> None:
    write_manifest([FULL, BARE], tmp_path / "manifest.parquet")
    table = pq.read_table(tmp_path / "manifest.parquet")
    assert {
        "source",
        "path",
        "sha256",
        "width",
        "height",
        "label",
        "patient",
        "view",
        "population",
        "split",
    } <= set(table.column_names)
    assert table.column("age").to_pylist() == [3.5, None]
    assert table.column("split").null_count == 1


def test_hash_tells_content_and_not_order() -> None:
    rows = [FULL, BARE, COPY]
    assert manifest_sha256(rows) == manifest_sha256(rows[::-1])
    assert manifest_sha256(rows) != manifest_sha256([FULL, BARE, replace(COPY, split="test")])
    assert manifest_sha256([replace(FULL, view=None)]) != manifest_sha256([replace(FULL, view="None")])


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([FULL, FULL], "stands twice"),
        ([replace(FULL, label="CAT")], "label 'CAT'"),
        ([replace(FULL, split="val")], "split 'val'"),
    ],
)
def test_impossible_rows_are_refused(tmp_path: Path, rows: list[ManifestRow], words: str) -> None:
    with pytest.raises(DataError, match=words):
        write_manifest(rows, tmp_path / "manifest.parquet")
    assert list(tmp_path.iterdir()) == []


def test_other_files_are_no_manifests(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a readable manifest"):
        read_manifest(tmp_path / "missing.parquet")
    (tmp_path / "text.parquet").write_text("path,label")
    with pytest.raises(DataError, match="not a readable manifest"):
        read_manifest(tmp_path / "text.parquet")
    pq.write_table(pa.table({"path": ["a"]}), tmp_path / "other.parquet")
    with pytest.raises(DataError, match="no manifest of format 1"):
        read_manifest(tmp_path / "other.parquet")

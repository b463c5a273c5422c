"""The manifest: one row per file found, with where it came from, what it is and what became of it."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from pneumoscope.errors import DataError, UsageError

__all__ = [
    "LABELS",
    "SPLITS",
    "Label",
    "ManifestRow",
    "Split",
    "check_sources",
    "manifest_sha256",
    "read_manifest",
    "write_manifest",
]

Label = Literal["PNEUMONIA", "NORMAL", "OTHER", "UNCERTAIN"]
Split = Literal["train", "validation", "test"]
LABELS: tuple[str, ...] = get_args(Label)
SPLITS: tuple[str, ...] = get_args(Split)
_FORMAT_KEY = b"pneumoscope.manifest"
_FORMAT_VERSION = b"1"


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One file.

    Attributes:
        source: name of the data set, or "" for a file that belongs to none.
        path: POSIX path relative to the root.
        sha256: of the file's bytes, 64 hexadecimal digits.
        bytes: the file's size.
        phash: perceptual hash, 64 hexadecimal digits; null where there is no picture.
        format: "PNG", "JPEG", "DICOM" and so on; null where the file is not a readable film.
        width: columns of the film.
        height: rows of the film.
        label: what the source says the film shows; null where it says nothing.
        patient: "namespace:number"; one name for one person across sources, null where unknown.
        view: "PA", "AP" or another DICOM view position; null where unknown.
        age: years; null where unknown.
        population: "paediatric", "adult" or "mixed".
        boxes: JSON list of [x, y, w, h], fractions of width and height; "[]" where a radiologist looked and
            drew none, or where no opacity was drawn by us; null where nobody drew.
        split: "train", "validation" or "test"; null where the film is not used.
        duplicate_of: path of the copy that was kept instead; null for a film that is no copy.
        reason: why the film is not used; null where it is.
    """

    source: str
    path: str
    sha256: str
    bytes: int
    phash: str | None = None
    format: str | None = None
    width: int | None = None
    height: int | None = None
    label: str | None = None
    patient: str | None = None
    view: str | None = None
    age: float | None = None
    population: str | None = None
    boxes: str | None = None
    split: str | None = None
    duplicate_of: str | None = None
    reason: str | None = None


_TEXT = pa.string()
_SCHEMA = pa.schema(
    [
        pa.field("source", _TEXT, nullable=False),
        pa.field("path", _TEXT, nullable=False),
        pa.field("sha256", _TEXT, nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
        ("phash", _TEXT),
        ("format", _TEXT),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("label", _TEXT),
        ("patient", _TEXT),
        ("view", _TEXT),
        ("age", pa.float64()),
        ("population", _TEXT),
        ("boxes", _TEXT),
        ("split", _TEXT),
        ("duplicate_of", _TEXT),
        ("reason", _TEXT),
    ],
    metadata={_FORMAT_KEY: _FORMAT_VERSION},
)


def write_manifest(rows: Iterable[ManifestRow], path: str | Path) -> None:
    """Write rows as Parquet, sorted by path: equal rows give equal bytes (with one version of pyarrow).

    The file appears whole or not at all.

    Args:
        rows: in any order.
        path: where to; its folder is made.

    Raises:
        DataError: two rows have one path, or a label or split is not of the known ones.
    """
    ordered = _checked(rows)
    columns = {field.name: [getattr(row, field.name) for row in ordered] for field in fields(ManifestRow)}
    table = pa.table(columns, schema=_SCHEMA)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    pq.write_table(table, partial, compression="zstd", write_statistics=True)
    partial.replace(target)


def read_manifest(path: str | Path) -> list[ManifestRow]:
    """Read a manifest back, sorted by path.

    Raises:
        DataError: the file is missing, is not Parquet, or is not a manifest of this format.
    """
    target = Path(path)
    if target.is_dir():
        target = target / "manifest.parquet"
    try:
        table = pq.read_table(target)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(
            f"{target}: not a readable manifest ({error}); run: pneumoscope data build"
        ) from error
    if (table.schema.metadata or {}).get(_FORMAT_KEY) != _FORMAT_VERSION:
        raise DataError(f"{target}: no manifest of format {_FORMAT_VERSION.decode()}; build it again")
    return [ManifestRow(**_plain(record)) for record in table.to_pylist()]


def check_sources(rows: Iterable[ManifestRow], wanted: Iterable[str]) -> None:
    """Refuse the name of a data set that no film is of.

    Raises:
        UsageError: there is one; the sentence names those that there are.
    """
    known = sorted({row.source for row in rows if row.source})
    for source in wanted:
        if source not in known:
            raise UsageError(f"the manifest has no source {source!r}: it has {', '.join(known) or 'none'}")


def manifest_sha256(rows: Sequence[ManifestRow]) -> str:
    """SHA-256 of the rows' content, whatever their order and the version of the Parquet writer."""
    digest = hashlib.sha256()
    for row in sorted(rows, key=lambda row: row.path):
        line = json.dumps(asdict(row), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        digest.update(line.encode("ascii") + b"\n")
    return digest.hexdigest()


def _checked(rows: Iterable[ManifestRow]) -> list[ManifestRow]:
    """Rows sorted by path, their closed vocabularies verified."""
    ordered = sorted(rows, key=lambda row: row.path)
    for before, after in pairwise(ordered):
        if before.path == after.path:
            raise DataError(f"{after.path} stands twice in the manifest")
    for row in ordered:
        if row.label is not None and row.label not in LABELS:
            raise DataError(f"{row.path}: label {row.label!r} is none of {', '.join(LABELS)}")
        if row.split is not None and row.split not in SPLITS:
            raise DataError(f"{row.path}: split {row.split!r} is none of {', '.join(SPLITS)}")
    return ordered


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    """The record with exactly the columns of ManifestRow."""
    return {field.name: record[field.name] for field in fields(ManifestRow)}

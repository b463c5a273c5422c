"""The manifest of the real pool keeps its promises."""

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from pneumoscope.data.build import build_rows
from pneumoscope.data.fates import FATES, fate_of
from pneumoscope.data.flow import flow_of
from pneumoscope.data.manifest import ManifestRow

pytestmark = [pytest.mark.pool, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def rows(pool: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, ManifestRow]:
    built = build_rows(pool, tmp_path_factory.mktemp("built"), workers=2)
    assert flow_of(built, seed=0).straddling == 0
    return {row.path: row for row in built.rows}


def test_every_file_is_accounted_for(pool: Path, rows: dict[str, ManifestRow]) -> None:
    assert len(rows) == sum(path.is_file() for path in pool.rglob("*"))
    assert {fate_of(row) for row in rows.values()} <= {fate for fate, _ in FATES}


def test_no_patient_and_no_copy_in_two_splits(rows: dict[str, ManifestRow]) -> None:
    splits: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows.values():
        if row.split is not None:
            splits[f"file {row.sha256}"].add(row.split)
            if row.patient is not None:
                splits[f"patient {row.patient}"].add(row.split)
        if row.duplicate_of is not None:
            assert row.split is None
            assert rows[row.duplicate_of].split is not None
    assert [name for name, found in splits.items() if len(found) > 1] == []


def test_originals_are_kept_instead_of_their_stretched_copies(rows: dict[str, ManifestRow]) -> None:
    originals = [path for path, row in rows.items() if row.source == "kermany-original"]
    assert len(originals) == 1566
    matched = 0
    for path in originals:
        original, copy = rows[path], rows[path.replace("kermany-original", "kermany")]
        kept = copy.duplicate_of
        matched += kept is not None and kept in (original.path, original.duplicate_of)
    assert matched >= 0.995 * 1566


def test_kermany_films_inside_the_radiography_set_are_found(rows: dict[str, ManifestRow]) -> None:
    """The collection's files Normal-63 to Normal-1401 come from Kermany's normals."""
    copies = Counter(
        rows[row.duplicate_of].source
        for row in rows.values()
        if row.source == "covid19-radiography" and row.duplicate_of is not None
    )
    assert copies["kermany"] + copies["kermany-original"] + copies["full-size"] == 447


def test_the_official_test_is_whole(rows: dict[str, ManifestRow]) -> None:
    official = [row for path, row in rows.items() if path.startswith("kermany/chest_xray/test/")]
    assert Counter((row.label, row.split) for row in official) == {
        ("NORMAL", "test"): 234,
        ("PNEUMONIA", "test"): 390,
    }


def test_held_out_patients_are_nowhere_trained_on(rows: dict[str, ManifestRow]) -> None:
    held_out = {row.patient for row in rows.values() if row.source == "nih-chestxray14" and row.patient}
    elsewhere = [row for row in rows.values() if row.patient in held_out and row.split is not None]
    assert {row.split for row in elsewhere} == {"test"}
    assert {"rsna-lungs", "covid19-radiography"} <= {row.source for row in elsewhere}

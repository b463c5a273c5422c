"""Several manifests are one, unless a film could leak from one's training into another's test."""

from dataclasses import replace
from pathlib import Path

import pytest

from pneumoscope.data.joined import Roots, join_manifests
from pneumoscope.data.manifest import ManifestRow, manifest_sha256, write_manifest
from pneumoscope.errors import DataError, UsageError

ONE = [
    ManifestRow("here", "m.png", "a" * 64, 1, label="NORMAL", patient="p:1", split="train"),
    ManifestRow("here", "x.png", "b" * 64, 1, label="NORMAL", patient="p:2", split="validation"),
    ManifestRow("here", "y.png", "c" * 64, 1, label="NORMAL", split="test"),
    ManifestRow("here", "z.png", "d" * 64, 1, label="NORMAL", patient="p:9", reason="left out"),
]
ADDED = ManifestRow("there", "n.png", "e" * 64, 1, label="PNEUMONIA", patient="p:1", split="train")


@pytest.fixture
def join(tmp_path):
    def join(*manifests):
        paths = [tmp_path / str(number) / "manifest.parquet" for number in range(len(manifests))]
        for rows, path in zip(manifests, paths, strict=True):
            write_manifest(rows, path)
        return join_manifests(paths, [Path(f"root-{number}") for number in range(len(paths))])

    return join


def test_one_manifest_is_as_it_was(join):
    joined = join(ONE)
    assert joined.rows == ONE
    assert joined.root == Path("root-0")


def test_rows_of_all_stand_as_in_one_manifest_and_keep_their_roots(join, tmp_path):
    joined = join(ONE, [ADDED])
    assert [row.path for row in joined.rows] == ["m.png", "n.png", "x.png", "y.png", "z.png"]
    assert manifest_sha256(joined.rows) == manifest_sha256([*ONE, ADDED])
    assert joined.root / "n.png" == Path("root-1/n.png")
    assert joined.root / "m.png" == Path("root-0/m.png")
    assert str(joined.root) == "root-0, root-1"


def test_a_path_of_no_manifest_has_no_root():
    with pytest.raises(KeyError):
        Roots({"a.png": Path("r")}) / "b.png"


@pytest.mark.parametrize(("manifests", "roots"), [(2, 1), (1, 2)])
def test_each_manifest_needs_its_root(manifests, roots):
    with pytest.raises(UsageError, match=f"--manifest is given {manifests} times and --root {roots} times"):
        join_manifests([Path("m")] * manifests, [Path("r")] * roots)


def test_one_path_in_two_manifests_is_refused(join):
    with pytest.raises(
        DataError, match=r"m\.png stands in .*0.manifest\.parquet and in .*1.manifest\.parquet"
    ):
        join(ONE, [replace(ADDED, path="m.png")])


@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize("third", [False, True])
def test_a_patient_in_two_splits_is_refused_whichever_manifest_comes_first(join, split, third):
    leaking = [replace(ADDED, split=split)]
    between = [[replace(ADDED, path="o.png", sha256="f" * 64, patient="p:7")]] if third else []
    for manifests in ([ONE, *between, leaking], [leaking, *between, ONE]):
        with pytest.raises(DataError, match=r"1 patients or files .* such as patient p:1"):
            join(*manifests)


def test_the_file_of_an_unknown_patient_in_two_splits_is_refused(join):
    copy = replace(ADDED, sha256="c" * 64, patient=None)
    with pytest.raises(DataError, match=f"file {'c' * 64}: test in the one, train in the other"):
        join(ONE, [copy])


def test_films_left_out_and_unknown_patients_leak_nothing(join):
    rows = [
        replace(ADDED, patient="p:9", split="test"),
        replace(ADDED, path="q.png", sha256="f" * 64, patient=None, split="test"),
        replace(ADDED, path="r.png", sha256="b" * 64, patient="p:2", split=None),
        replace(ADDED, path="s.png", sha256="b" * 64, patient="p:2", split="validation"),
    ]
    assert len(join(ONE, rows).rows) == len(ONE) + len(rows)

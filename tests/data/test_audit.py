"""The audit is green where there is no shortcut and red, for the right reason, where one is planted."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.made_films import Made, Plant, artificial_films, copy_into_another_split, resized
from pneumoscope.data.audit import Audit, audit_verdict, run_audit
from pneumoscope.data.manifest import ManifestRow, manifest_sha256


def colours(audit: Audit) -> dict[str, str | None]:
    return {check.name: check.colour for check in audit.checks}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_green_without_a_shortcut(tmp_path: Path, seed: int) -> None:
    (tmp_path / "films").mkdir()
    rows = artificial_films(tmp_path / "films", seed, patients=180)
    audit = run_audit(rows, tmp_path / "films", tmp_path / "out", workers=1)
    assert set(colours(audit).values()) <= {"green", None}
    asked = {name for name, colour in colours(audit).items() if colour == "green"}
    assert asked >= {"file-size", "geometry", "view", "age", "border", "outside-lungs", "thumbnail"}
    assert audit.colour == "green"
    assert "Nothing was found" in audit.words
    assert audit_verdict(tmp_path / "out").red == ()
    (thumbnail,) = (check for check in audit.checks if check.name == "thumbnail")
    assert thumbnail.results[0].auc.value > 0.55, "the disease itself must be visible in these films"


def small_files(made: Made, _: np.random.Generator) -> None:
    made.suffix, made.options = ".jpg", {"quality": 60 if made.sick else 80}


def wide(made: Made, generator: np.random.Generator) -> None:
    width = 125 if made.sick else 150
    made.pixels = resized(made, 130 + int(generator.integers(8)), width + int(generator.integers(16)))


def large(made: Made, generator: np.random.Generator) -> None:
    side = (140 if made.sick else 120) + int(generator.integers(12))
    made.pixels = resized(made, side, side)


def other_format(made: Made, _: np.random.Generator) -> None:
    made.suffix = ".bmp" if made.sick else ".png"


def lying(made: Made, generator: np.random.Generator) -> None:
    made.record["view"] = "AP" if made.sick == (generator.random() < 0.9) else "PA"


def old(made: Made, _: np.random.Generator) -> None:
    made.record["age"] += 60 * made.sick


def framed(made: Made, generator: np.random.Generator) -> None:
    if made.sick:
        made.pixels[:, :9] = made.pixels[:, :9] // 2 + 90


def lettered(made: Made, generator: np.random.Generator) -> None:
    if made.sick:
        letters = np.kron(generator.integers(0, 2, (5, 8)), np.ones((2, 2), dtype=int)).astype(bool)
        made.pixels[3:13, 4:20][letters] = 255


def cut(made: Made, _: np.random.Generator) -> None:
    if made.sick:
        y, x = np.mgrid[-1 : 1 : made.pixels.shape[0] * 1j, -1 : 1 : made.pixels.shape[1] * 1j]
        made.pixels[x**2 + y**2 > 1.0] = 0


def tubes(made: Made, generator: np.random.Generator) -> None:
    if made.sick:
        height, width = made.pixels.shape
        made.pixels[: height // 4, width // 2 - 3 : width // 2 + 3] = 250


def bright(made: Made, _: np.random.Generator) -> None:
    if made.sick:
        made.pixels = (made.pixels * 0.6 + 100).astype(np.uint8)


@pytest.mark.parametrize(
    ("plant", "check"),
    [
        (small_files, "file-size"),
        (wide, "aspect-ratio"),
        (large, "short-side"),
        (other_format, "geometry"),
        (lying, "view"),
        (old, "age"),
        (framed, "border"),
        (lettered, "corners"),
        (cut, "background"),
        (tubes, "outside-lungs"),
        (bright, "thumbnail"),
    ],
)
def test_red_for_a_planted_shortcut(tmp_path: Path, plant: Plant, check: str) -> None:
    (tmp_path / "films").mkdir()
    rows = artificial_films(tmp_path / "films", 5, plant=plant)
    audit = run_audit(rows, tmp_path / "films", tmp_path / "out", workers=1)
    assert colours(audit)[check] == "red"
    assert audit.colour == "red"
    verdict = audit_verdict(tmp_path / "out" / "audit.json")
    assert verdict.manifest_sha256 == manifest_sha256(rows)
    (found,) = (found for found in audit.checks if found.name == check)
    assert f"{found.title}: {found.words}" in verdict.red
    assert "PNEUMONIA against NORMAL, here: AUC" in found.words


def test_plants_of_the_record_leave_pixel_checks_green(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    rows = artificial_films(tmp_path / "films", 5, plant=lying)
    audit = run_audit(rows, tmp_path / "films", tmp_path / "out", workers=1)
    assert [name for name, colour in colours(audit).items() if colour not in ("green", None)] == ["view"]


def test_red_where_the_source_goes_with_the_label(tmp_path: Path) -> None:
    def by_source(made: Made, generator: np.random.Generator) -> None:
        made.record["source"] = "clinic" if made.sick == (generator.random() < 0.85) else "survey"
        if made.record["source"] == "clinic":
            made.pixels = (made.pixels * 0.7 + 70).astype(np.uint8)

    (tmp_path / "films").mkdir()
    rows = artificial_films(tmp_path / "films", 5, patients=300, plant=by_source)
    audit = run_audit(rows, tmp_path / "films", tmp_path / "out", workers=1)
    assert colours(audit)["source-label"] == "red"
    assert colours(audit)["source"] == "red"
    pooled = [
        result
        for check in audit.checks
        if check.name == "thumbnail"
        for result in check.results
        if result.films_of == "all films in use"
    ]
    assert pooled[0].auc.value > 0.8


def test_sources_that_can_be_told_apart_are_amber_while_labels_are_balanced(tmp_path: Path) -> None:
    def darker(made: Made, _: np.random.Generator) -> None:
        if made.record["source"] == "there":
            made.pixels = made.pixels // 2

    (tmp_path / "films").mkdir()
    rows = artificial_films(tmp_path / "films", 5, patients=240, sources=("here", "there"), plant=darker)
    found = colours(run_audit(rows, tmp_path / "films", tmp_path / "out", workers=1))
    assert found["source-label"] == "green"
    assert found["source"] == "amber"


def test_red_where_test_films_are_of_another_kind(tmp_path: Path) -> None:
    def newer(made: Made, _: np.random.Generator) -> None:
        if made.record["split"] == "test":
            made.pixels = (made.pixels * 0.8 + 40).astype(np.uint8)

    (tmp_path / "films").mkdir()
    rows = artificial_films(tmp_path / "films", 5, patients=260, plant=newer)
    audit = run_audit(rows, tmp_path / "films", tmp_path / "out", workers=1)
    assert colours(audit)["split-shift"] == "red"
    assert any(result.films_of == "here, test split" for check in audit.checks for result in check.results)


def patient_twice(rows: list[ManifestRow], root: Path) -> list[ManifestRow]:
    other = next(row for row in rows if row.split != rows[0].split)
    return [replace(row, patient=rows[0].patient) if row is other else row for row in rows]


def file_twice(rows: list[ManifestRow], root: Path) -> list[ManifestRow]:
    (root / "again.png").write_bytes((root / rows[0].path).read_bytes())
    other = "train" if rows[0].split == "test" else "test"
    return [*rows, replace(rows[0], path="again.png", patient="someone", split=other)]


def scaled_copy(rows: list[ManifestRow], root: Path) -> list[ManifestRow]:
    return [*rows, copy_into_another_split(root, rows[0])]


@pytest.mark.parametrize(
    ("cross", "check", "why"),
    [
        (patient_twice, "patients-across-splits", "same patient"),
        (file_twice, "copies-across-splits", "same file"),
        (scaled_copy, "copies-across-splits", "near-duplicate"),
    ],
)
def test_red_where_something_crosses_between_splits(
    tmp_path: Path, cross: Callable[[list[ManifestRow], Path], list[ManifestRow]], check: str, why: str
) -> None:
    (tmp_path / "films").mkdir()
    rows = cross(artificial_films(tmp_path / "films", 6, patients=90), tmp_path / "films")
    audit = run_audit(rows, tmp_path / "films", tmp_path / "out", workers=1)
    assert colours(audit)[check] == "red"
    assert [pair.why for pair in audit.separation.examples] == [why]


def test_films_of_no_split_are_shown_but_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    rows = artificial_films(tmp_path / "films", 5, plant=lying)
    rows = [replace(row, split=None, reason="left out") for row in rows]
    audit = run_audit(rows, tmp_path / "films", tmp_path / "out", workers=1)
    (view,) = (check for check in audit.checks if check.name == "view")
    assert view.colour is None
    assert view.results[0].colour == "red"
    assert audit.colour == "green"


def test_unreadable_films_are_named(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    rows = artificial_films(tmp_path / "films", 7, patients=90)
    (tmp_path / "films" / rows[4].path).write_bytes(b"no longer a film")
    audit = run_audit(rows, tmp_path / "films", tmp_path / "out", workers=1)
    assert audit.unreadable == (rows[4].path,)
    assert audit.films == len(rows) - 1
    assert rows[4].path in (tmp_path / "out" / "audit.html").read_text()


def test_same_films_same_audit(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    rows = artificial_films(tmp_path / "films", 8, patients=90)
    digests = set()
    for name in ("first", "first", "second"):
        run_audit(rows[:: 1 if name == "first" else -1], tmp_path / "films", tmp_path / name, workers=1)
        for file in ("audit.json", "audit.html"):
            digests.add((file, hashlib.sha256((tmp_path / name / file).read_bytes()).hexdigest()))
    assert len(digests) == 2


def test_page_stands_alone(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    rows = artificial_films(tmp_path / "films", 9, patients=90)
    rows.append(replace(rows[0], path="<b>.png", split="test" if rows[0].split == "train" else "train"))
    (tmp_path / "films" / "<b>.png").write_bytes((tmp_path / "films" / rows[0].path).read_bytes())
    audit = run_audit(rows, tmp_path / "films", tmp_path / "out", workers=1)
    page = (tmp_path / "out" / "audit.html").read_text()
    for outside in ("http:", "https:", "<img", "<script", "<link", "url("):
        assert outside not in page
    assert "&lt;b&gt;.png" in page
    assert "<b>.png" not in page
    for check in audit.checks:
        assert f'id="{check.name}"' in page

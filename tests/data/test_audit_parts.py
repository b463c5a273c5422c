"""Each part of the audit against an independent computation, and what must always hold."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score, roc_auc_score

from data.made_films import artificial_films
from pneumoscope.data.audit import audit_verdict
from pneumoscope.data.audit.association import associate, entropy, mutual_information
from pneumoscope.data.audit.features import AUDIT_PREPARE, lung_template, plate_features, record_features
from pneumoscope.data.audit.films import Comparison, Films, audited_rows, comparisons
from pneumoscope.data.audit.telling import held_out_scores, mostly_known, patient_folds, raw_auc, tell_apart
from pneumoscope.data.manifest import ManifestRow
from pneumoscope.errors import DataError

SIZE = AUDIT_PREPARE.size


def row(number: int, **columns: object) -> ManifestRow:
    given: dict[str, object] = {
        "source": "here",
        "path": f"{number:05d}.png",
        "sha256": f"{number:064d}",
        "bytes": 1000,
        "format": "PNG",
        "width": 100,
        "height": 120,
        "label": "NORMAL",
        "patient": f"p:{number}",
        "split": "train",
    }
    return ManifestRow(**{**given, **columns})  # type: ignore[arg-type]


def films_of(rows: list[ManifestRow], plates: np.ndarray | None = None) -> Films:
    return Films(
        rows=tuple(rows),
        source=np.array([r.source for r in rows], dtype=np.str_),
        label=np.array([r.label for r in rows], dtype=np.str_),
        patient=np.array([r.patient for r in rows], dtype=np.str_),
        split=np.array([r.split or "" for r in rows], dtype=np.str_),
        plates=np.zeros((len(rows), SIZE, SIZE), np.uint8) if plates is None else plates,
        plate_rows=np.arange(len(rows)),
    )


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=2, max_size=200))
def test_mutual_information_equals_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    table = np.zeros((4, 3), dtype=int)
    for a, b in pairs:
        table[a, b] += 1
    expected = mutual_info_score([a for a, _ in pairs], [b for _, b in pairs]) / np.log(2)
    assert mutual_information(table) == pytest.approx(expected, abs=1e-9)
    assert mutual_information(table) <= entropy(table.sum(axis=0)) + 1e-9


def test_source_that_is_the_label_says_all_of_it() -> None:
    rows = [row(n, label=("NORMAL", "PNEUMONIA")[n % 2], source=("here", "there")[n % 2]) for n in range(200)]
    found = associate(films_of(rows), seed=0)
    assert found.bits == pytest.approx(1.0)
    assert found.label_bits == pytest.approx(1.0)
    assert found.share > 0.9
    assert found.table == {"here": (0, 100, 0), "there": (100, 0, 0)}


@pytest.mark.parametrize("seed", range(5))
def test_source_at_random_says_nothing_although_patients_have_many_films(seed: int) -> None:
    generator = np.random.default_rng(seed)
    rows = []
    for patient in range(100):
        source, label = str(generator.choice(["a", "b", "c"])), str(generator.choice(["NORMAL", "PNEUMONIA"]))
        for _ in range(int(generator.integers(1, 20))):
            rows.append(row(len(rows), patient=f"p:{patient}", source=source, label=label))
    assert associate(films_of(rows), seed=0).share < 0.03


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=1, max_size=300),
    st.integers(0, 2**32 - 1),
)
def test_no_patient_in_two_folds(films: list[tuple[int, bool]], seed: int) -> None:
    patients = np.array([f"p{patient}" for patient, _ in films])
    target = np.array([sick for _, sick in films])
    fold = patient_folds(target, patients, np.random.default_rng(seed))
    for patient in np.unique(patients):
        assert np.unique(fold[patients == patient]).size == 1
    sizes = np.bincount([fold[patients == patient][0] for patient in np.unique(patients)], minlength=5)
    assert sizes.max() - sizes.min() <= 1


def comparison(target: np.ndarray) -> Comparison:
    return Comparison("here", "PNEUMONIA", "NORMAL", np.arange(target.size), target)


@pytest.mark.parametrize("columns", [1, 40])
def test_what_says_nothing_tells_nothing(columns: int) -> None:
    generator = np.random.default_rng(columns)
    target = generator.random(300) < 0.4
    features = generator.normal(size=(300, columns)).astype(np.float32)
    found = tell_apart(comparison(target), features, np.arange(300).astype(str), seed=0)
    assert found.low < 0.5 < found.high


@pytest.mark.parametrize("columns", [1, 40])
def test_what_says_all_tells_all(columns: int) -> None:
    generator = np.random.default_rng(columns)
    target = generator.random(300) < 0.4
    features = generator.normal(size=(300, columns)).astype(np.float32)
    features[:, 0] += 20 * target
    assert tell_apart(comparison(target), features, np.arange(300).astype(str), seed=0).low > 0.95


def test_what_only_names_the_patient_tells_nothing() -> None:
    generator = np.random.default_rng(3)
    patient = np.repeat(np.arange(60), 8)
    target = (generator.random(60) < 0.5)[patient]
    features = generator.normal(size=(60, 30))[patient].astype(np.float32)
    found = tell_apart(comparison(target), features, patient.astype(str), seed=0)
    assert found.low < 0.6, "films of one patient must not stand on both sides of a fold"
    scattered = tell_apart(comparison(target), features, np.arange(patient.size).astype(str), seed=0)
    assert scattered.low > 0.9, "with films dealt at random the patient gives the label away"


def test_fitted_on_other_films_is_scored_on_these() -> None:
    generator = np.random.default_rng(4)
    target = generator.random(400) < 0.5
    features = (generator.normal(size=(400, 1)) + 2 * target[:, None]).astype(np.float32)
    features[200:] *= -1  # in the films that are asked the sign has turned
    asked = Comparison(
        "test", "PNEUMONIA", "NORMAL", np.arange(200, 400), target[200:], np.arange(200), target[:200]
    )
    assert tell_apart(asked, features, np.arange(400).astype(str), seed=0).high < 0.5


def test_every_film_is_scored_by_what_was_not_fitted_on_its_patient() -> None:
    """With one number per patient, only a classifier that has seen the patient could know the label."""
    generator = np.random.default_rng(5)
    patient = np.repeat(np.arange(100), 3)
    target = (generator.random(100) < 0.5)[patient]
    features = generator.normal(size=(100, 1))[patient].astype(np.float32)
    asked, scores = held_out_scores(comparison(target), features, patient.astype(str), seed=0)
    assert scores.shape == asked.target.shape == (300,)
    assert 0.3 < roc_auc_score(asked.target, scores) < 0.7
    found = tell_apart(comparison(target), features, patient.astype(str), seed=0)
    assert found.value == pytest.approx(roc_auc_score(asked.target, scores))


@pytest.mark.parametrize(
    ("sick_known", "well_known", "asked"), [(20, 20, True), (19, 40, False), (40, 19, False)]
)
def test_what_half_of_each_kind_must_have(sick_known: int, well_known: int, asked: bool) -> None:
    features = np.ones((80, 1), dtype=np.float32)
    features[sick_known:40] = features[40 + well_known :] = np.nan
    assert mostly_known(comparison(np.arange(80) < 40), features) == asked


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.booleans())
def test_raw_auc_equals_scikit_learn_and_ignores_unknown_values(seed: int, turned: bool) -> None:
    generator = np.random.default_rng(seed)
    target = np.arange(80) % 2 == 0
    values = generator.integers(0, 9, 80).astype(np.float32) + target * (-2 if turned else 2)
    values[generator.random(80) < 0.2] = np.nan
    known = np.isfinite(values)
    found = raw_auc(comparison(target), values[:, None], np.arange(80).astype(str))
    assert found is not None
    expected = roc_auc_score(target[known], values[known])
    assert found.value == pytest.approx(max(expected, 1 - expected))
    assert found.low <= found.value <= found.high


def test_template_is_symmetric_and_covers_the_lungs() -> None:
    lungs = lung_template()
    assert lungs.shape == (24, 24)
    np.testing.assert_array_equal(lungs, lungs[:, ::-1])
    assert lungs.mean() == pytest.approx(0.60, abs=0.005)
    assert not lungs[0].any()
    assert not lungs[-1].any()


def test_parts_of_the_plate_see_their_part_and_no_other() -> None:
    generator = np.random.default_rng(0)
    plate = generator.integers(20, 256, (SIZE, SIZE)).astype(np.uint8)
    lungs = np.kron(lung_template(), np.ones((4, 4), dtype=bool))
    inside = np.zeros((SIZE, SIZE), dtype=bool)
    inside[8:-8, 8:-8] = True
    corners = np.zeros((SIZE, SIZE), dtype=bool)
    corners[np.ix_(np.r_[:24, 72:96], np.r_[:32, 64:96])] = True
    changed = [
        np.where(mask, generator.integers(20, 256, plate.shape), plate) for mask in (lungs, inside, ~corners)
    ]
    found = plate_features(films_of([row(n) for n in range(4)], np.stack([plate, *changed]).astype(np.uint8)))
    for name, other in (("outside_lungs", 1), ("border", 2), ("corners", 3)):
        part = getattr(found, name)
        np.testing.assert_array_equal(part[other], part[0], err_msg=name)
        for seen in {1, 2, 3} - {other}:
            assert (part[seen] != part[0]).any(), name
    assert 1 - inside.mean() == pytest.approx(0.31, abs=0.01)


def test_plate_features_equal_plain_averages() -> None:
    generator = np.random.default_rng(1)
    plates = generator.integers(0, 256, (3, SIZE, SIZE)).astype(np.uint8)
    plates[1, :50] = 0
    found = plate_features(films_of([row(n) for n in range(3)], plates))
    blocks = plates.reshape(3, 8, 12, 8, 12).astype(float)
    np.testing.assert_allclose(found.thumbnail, blocks.mean(axis=(2, 4)).reshape(3, -1), rtol=1e-5)
    blocks = plates.reshape(3, 12, 8, 12, 8).astype(float)
    np.testing.assert_allclose(found.border[:, :12], blocks.mean(axis=(2, 4))[:, 0], rtol=1e-5)
    np.testing.assert_allclose(found.border[:, 44:56], blocks.std(axis=(2, 4))[:, 0], atol=0.1)
    black = (plates <= 5).reshape(3, 12, 8, 12, 8).mean(axis=(2, 4)).reshape(3, -1)
    np.testing.assert_allclose(found.background[:, :-1], black, atol=1e-6)
    np.testing.assert_allclose(found.background[:, -1], (plates <= 5).mean(axis=(1, 2)), atol=1e-6)


def test_record_features_say_what_the_row_says() -> None:
    rows = [
        row(0, bytes=5, width=200, height=100, view="PA", age=3.0),
        row(1, format="JPEG", view="AP"),
        row(2),
    ]
    found = record_features(rows)
    assert found["file-size"][:, 0].tolist() == [5, 1000, 1000]
    assert found["aspect-ratio"][0, 0] == 2
    assert found["short-side"][:, 0].tolist() == [100, 100, 100]
    assert found["view"][0, 0] != found["view"][1, 0]
    assert np.isnan(found["view"][2, 0])
    assert np.isnan(found["age"][1:, 0]).all()
    assert found["geometry"][0, -1] != found["geometry"][1, -1]


def test_copies_unlabelled_and_unreadable_films_are_not_asked() -> None:
    rows = [
        row(0),
        row(1, duplicate_of="00000.png"),
        row(2, label="UNCERTAIN"),
        row(3, label=None),
        row(4, width=None, height=None, format=None),
        row(5, sha256=row(6).sha256, split=None),
        row(6),
        row(7, label="OTHER", split=None),
    ]
    assert [found.path for found in audited_rows(rows)] == ["00000.png", "00006.png", "00007.png"]


def test_pneumonia_is_compared_within_and_over_sources() -> None:
    rows = []
    for source, labels in {
        "a": ("PNEUMONIA", "NORMAL"),
        "b": ("PNEUMONIA", "NORMAL", "OTHER"),
        "c": ("NORMAL",),
        "few": ("PNEUMONIA", "NORMAL"),
    }.items():
        for label in labels:
            for number in range(10 if source == "few" else 100):
                split = "test" if source == "a" and number < 40 else None if source == "b" else "train"
                rows.append(row(len(rows), source=source, label=label, split=split))
    found = {(c.films, c.negative): c for c in comparisons(films_of(rows))}
    assert set(found) == {
        ("all films in use", "NORMAL"),
        ("a", "NORMAL"),
        ("a, test split", "NORMAL"),
        ("b", "NORMAL"),
        ("b", "OTHER"),
    }
    assert [c.films for c in found.values() if not c.in_use] == ["b", "b"]
    test = found["a, test split", "NORMAL"]
    assert test.members.size == 80
    assert test.fitted_on is not None
    assert test.fitted_on.size == 120
    assert not set(test.members.tolist()) & set(test.fitted_on.tolist())


def test_made_films_have_what_the_audit_needs(tmp_path: Path) -> None:
    rows = artificial_films(tmp_path, 1, patients=30)
    assert len(audited_rows(rows)) == len(rows) == 40
    assert len({found.patient for found in rows}) == 30


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1}', '{"format": 2}'])
def test_what_is_no_audit_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "audit.json").write_text(content)
    with pytest.raises(DataError, match="pneumoscope data audit"):
        audit_verdict(tmp_path / "audit.json")
    with pytest.raises(DataError, match="pneumoscope data audit"):
        audit_verdict(tmp_path / "missing.json")

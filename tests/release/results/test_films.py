import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, f1_score, roc_auc_score

from pneumoscope.errors import DataError
from pneumoscope.evaluation.metrics import auc
from pneumoscope.release.results.films import compare, group_figures, read_measured, tells_view
from pneumoscope.release.results.plan import Group, ViewTest
from release.made_evaluation import make_rows, make_scores, write_evaluation

EVERYTHING = Group(name="everything", negatives=("NORMAL", "OTHER"))
GROUPS = [EVERYTHING]


@pytest.fixture
def rows():
    return make_rows()


@pytest.fixture
def figures(tmp_path, rows):
    write_evaluation(tmp_path / "made.json", rows, make_scores(rows))
    return tmp_path / "made.json"


def _read(figures, rows, split="test", groups=GROUPS):
    return read_measured(figures, figures.with_suffix(".csv"), rows, split, groups)


def test_scores_come_back_with_their_rows(figures, rows):
    measured = _read(figures, rows)
    assert [row.path for row in measured.rows] == [row.path for row in rows]
    assert measured.probabilities.tolist() == make_scores(rows).tolist()
    assert (measured.model, measured.sha256, measured.thresholds) == (
        "made 0.1.0",
        "a" * 64,
        {"balanced": 0.5},
    )
    assert measured.failures == 0


@pytest.mark.parametrize(
    "root", ["", "/mnt/a pool", "C:\\films", "east", "."], ids=["none", "spaces", "windows", "alike", "here"]
)
def test_films_are_known_under_any_root(tmp_path, rows, root):
    write_evaluation(tmp_path / "made.json", rows, make_scores(rows), root=root)
    assert len(_read(tmp_path / "made.json", rows).rows) == len(rows)


@pytest.mark.parametrize(
    ("group", "chosen"),
    [
        (EVERYTHING, lambda row: row.label is not None),
        (Group(name="normal"), lambda row: row.label != "OTHER"),
        (Group(name="other", negatives=("OTHER",)), lambda row: row.label != "NORMAL"),
        (Group(name="west", sources=("west",)), lambda row: row.source == "west" and row.label != "OTHER"),
        (
            Group(name="children", populations=("paediatric",)),
            lambda row: row.population == "paediatric" and row.label != "OTHER",
        ),
        (Group(name="AP", views=("AP",)), lambda row: row.view == "AP" and row.label != "OTHER"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_every_figure_of_a_group_is_that_of_its_films(figures, rows, group, chosen):
    summary = group_figures(_read(figures, rows), group, ["balanced"])
    scores = make_scores(rows)
    inside = np.array([chosen(row) for row in rows])
    targets = np.array([row.label == "PNEUMONIA" for row in rows])[inside]
    assert (summary.group, summary.films, summary.positives) == (group.name, inside.sum(), targets.sum())
    assert summary.patients == inside.sum() / 2
    assert summary.metrics["auc"].value == pytest.approx(roc_auc_score(targets, scores[inside]))
    assert summary.metrics["brier"].value == pytest.approx(brier_score_loss(targets, scores[inside]))
    point = summary.operating_points["balanced"]
    assert point.metrics["f1"].value == pytest.approx(f1_score(targets, scores[inside] >= 0.5))
    assert point.metrics["sensitivity"].value == pytest.approx(np.mean(scores[inside][targets] >= 0.5))


def test_a_group_without_films_has_no_figures(figures, rows):
    assert group_figures(_read(figures, rows), Group(name="none", sources=("north",)), ["balanced"]) is None


def test_two_bundles_are_compared_on_the_same_films(tmp_path, rows):
    better, worse = make_scores(rows, seed=1, skill=2.5), make_scores(rows, seed=2, skill=0.5)
    write_evaluation(tmp_path / "better.json", rows, better)
    # The second in another order, and with another threshold.
    write_evaluation(tmp_path / "worse.json", rows[::-1], worse[::-1], threshold=0.7)
    first, second = _read(tmp_path / "better.json", rows), _read(tmp_path / "worse.json", rows)
    films, difference, mcnemar = compare(first, second, EVERYTHING, "balanced")
    targets = np.array([row.label == "PNEUMONIA" for row in rows])
    assert films == len(rows)
    assert difference.difference.value == pytest.approx(auc(targets, better) - auc(targets, worse))
    assert difference.p_value < 0.01
    assert compare(first, first, EVERYTHING, "balanced")[1].difference.value == 0
    assert 0 < mcnemar <= 1
    assert compare(first, second, Group(name="none", sources=("north",)), "balanced") is None


def test_a_film_that_failed_is_counted(figures, rows):
    table = figures.with_suffix(".csv")
    lines = table.read_text().splitlines()
    lost = lines.pop(5)
    told = json.loads(figures.read_text())
    scores = np.delete(make_scores(rows), 4)
    targets = np.array([row.label == "PNEUMONIA" for row in rows[:4] + rows[5:]])
    told["groups"][0] |= {
        "films": len(rows) - 1,
        "metrics": {"brier": {"value": np.mean((scores - targets) ** 2)}},
    }
    figures.write_text(json.dumps(told))
    table.write_text("\n".join([*lines, f"{lost.split(',')[0]},,,,error,,"]) + "\n")
    measured = _read(figures, rows)
    assert (len(measured.rows), measured.failures) == (len(rows) - 1, 1)


def test_a_film_that_was_left_out_is_noticed(figures, rows):
    more = [*rows, replace(rows[0], path="east/more.png")]
    with pytest.raises(
        DataError, match=r"made\.csv lacks 1 of 121 films of the test split, such as east/more"
    ):
        _read(figures, more)
    # Films of labels that no group asks for may be absent.
    others = [*rows, replace(rows[0], path="east/more.png", label="OTHER")]
    _read(figures, others, groups=[Group(name="normal")])


def test_films_of_another_split_or_manifest_are_refused(figures, rows):
    with pytest.raises(DataError, match=r"line 2: /films/east/film-000\.png is a film of its train split"):
        _read(figures, [replace(rows[0], split="train"), *rows[1:]])
    with pytest.raises(DataError, match=r"film-000\.png is not in the manifest"):
        _read(figures, rows[1:])


def test_figures_and_scores_of_two_evaluations_are_refused(figures, rows, tmp_path):
    write_evaluation(tmp_path / "other.json", rows, make_scores(rows, seed=9))
    (tmp_path / "other.csv").replace(figures.with_suffix(".csv"))
    with pytest.raises(DataError, match="not of one evaluation"):
        _read(figures, rows)


def test_a_film_twice_is_refused(figures, rows):
    table = figures.with_suffix(".csv")
    table.write_text(table.read_text() + table.read_text().splitlines()[1] + "\n")
    with pytest.raises(DataError, match="holds a film twice"):
        _read(figures, rows)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is no JSON"), ("{}", "is no evaluation of this version"), ('{"groups": []}', "is no evaluation")],
)
def test_a_damaged_json_is_named(figures, rows, text, message):
    figures.write_text(text)
    with pytest.raises(DataError, match=rf"made\.json {message}"):
        _read(figures, rows)


@pytest.mark.parametrize(
    ("text", "message"),
    [("path,status\n", "has no column 'probability'"), ("path,status,probability\na,ok,much\n", "no number")],
)
def test_a_damaged_csv_is_named(figures, rows, text, message):
    figures.with_suffix(".csv").write_text(text)
    with pytest.raises(DataError, match=message):
        _read(figures, rows)


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_a_missing_file_says_what_to_run(figures, rows, suffix):
    figures.with_suffix(suffix).unlink()
    with pytest.raises(DataError, match=rf"made\{suffix} cannot be read .*: run pneumoscope evaluate"):
        _read(figures, rows)


def test_whether_the_score_tells_the_view_is_asked_within_one_label(figures, rows):
    asked = ViewTest(name="normal", sources=("west",), label="NORMAL")
    films, area = tells_view(_read(figures, rows), asked)
    inside = np.array([row.source == "west" and row.label == "NORMAL" for row in rows])
    is_ap = np.array([row.view == "AP" for row in rows])[inside]
    assert films == inside.sum()
    assert 0 < is_ap.sum() < films
    assert area.value == pytest.approx(roc_auc_score(is_ap, make_scores(rows)[inside]))
    assert area.low < area.value < area.high


def test_films_of_one_view_or_of_none_tell_nothing(tmp_path):
    for number, views in enumerate((["AP"], [None, "LATERAL"])):
        rows = [replace(row, view=views[index % len(views)]) for index, row in enumerate(make_rows())]
        write_evaluation(tmp_path / f"{number}.json", rows, make_scores(rows))
        measured = _read(tmp_path / f"{number}.json", rows)
        assert tells_view(measured, ViewTest(name="n", sources=("west", "east"), label="NORMAL")) is None

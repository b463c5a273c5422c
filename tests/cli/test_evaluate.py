import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from data.made_films import artificial_films, resized
from evaluation.tiny_films import tiny_films
from pneumoscope.cli.main import app
from pneumoscope.data.manifest import ManifestRow, read_manifest, write_manifest
from pneumoscope.errors import BundleError, UsageError
from pneumoscope.report.evaluation_films import PICTURE_NOTICE
from pneumoscope.report.evaluation_page import render_evaluation_page
from pneumoscope.runtime.bundle import open_bundle
from pneumoscope.runtime.predictor import Predictor
from tiny_bundle import make_tiny_bundle

WIDE = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}


@pytest.fixture
def bundle(tmp_path):
    return make_tiny_bundle(tmp_path / "bundle")


@pytest.fixture
def films(tmp_path):
    return tiny_films(tmp_path / "films")


def test_a_place_that_cannot_be_written_is_said_before_a_film_is_scored(bundle, tmp_path):
    for option in ("--out", "--html", "--scores"):
        with pytest.raises(UsageError, match="is no folder; make it"):
            words = [
                "evaluate",
                str(bundle),
                str(tmp_path / "nothing"),
                option,
                str(tmp_path / "no" / "x.json"),
            ]
            CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)


@pytest.fixture
def manifest(tmp_path, films):
    rows = [
        ManifestRow(
            source=film.source,
            path=film.path.name,
            sha256=f"{number:064}",
            bytes=1,
            label="PNEUMONIA" if film.target else "NORMAL",
            patient=film.patient,
            split="test",
        )
        for number, film in enumerate(films)
    ]
    rows[0] = replace(rows[0], label="OTHER")
    write_manifest(rows, tmp_path / "manifest.parquet")
    return tmp_path / "manifest.parquet"


def _evaluate(*arguments):
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)], catch_exceptions=False)


def _expected_rates(bundle, films):
    found = [Predictor(open_bundle(bundle)).predict(film.path).finding == "PNEUMONIA" for film in films]
    positives = [hit for hit, film in zip(found, films, strict=True) if film.target]
    negatives = [not hit for hit, film in zip(found, films, strict=True) if not film.target]
    return sum(positives) / len(positives), sum(negatives) / len(negatives)


def test_a_manifest_is_measured_as_predict_scores_it(bundle, films, manifest, tmp_path):
    out = tmp_path / "figures.json"
    result = _evaluate(
        bundle, "--manifest", manifest, "--root", films[0].path.parent, "--split", "test", "--out", out
    )
    assert result.exit_code == 0
    told = json.loads(out.read_text())
    pooled = told["groups"][0]
    assert (pooled["films"], pooled["positives"]) == (23, 12)
    sensitivity, specificity = _expected_rates(bundle, films[1:])
    balanced = pooled["operating_points"]["balanced"]["metrics"]
    assert balanced["sensitivity"]["value"] == pytest.approx(sensitivity)
    assert balanced["specificity"]["value"] == pytest.approx(specificity)
    assert "all sources" in result.stdout
    assert f"{pooled['metrics']['auc']['value']:.3f}" in result.stdout


def test_sources_and_labels_are_chosen(bundle, films, manifest, tmp_path):
    out = tmp_path / "figures.json"
    chosen = ["--source", "east", "--negative", "OTHER"]
    _evaluate(
        bundle,
        "--manifest",
        manifest,
        "--root",
        films[0].path.parent,
        "--split",
        "test",
        *chosen,
        "--out",
        out,
    )
    (group,) = json.loads(out.read_text())["groups"]
    assert (group["group"], group["films"], group["positives"]) == ("east", 7, 6)


def test_several_manifests_are_measured_as_one(bundle, films, manifest, tmp_path):
    rows = read_manifest(manifest)
    other = tmp_path / "other"
    (other / "more").mkdir(parents=True)
    for row in rows:
        (other / "more" / row.path).write_bytes((films[0].path.parent / row.path).read_bytes())
    added = [replace(row, path=f"more/{row.path}", source=f"{row.source}-again") for row in rows]
    write_manifest(added, other / "manifest.parquet")
    out = tmp_path / "figures.json"
    places = ["--manifest", manifest, "--root", films[0].path.parent, "--manifest", other, "--root", other]
    result = _evaluate(bundle, *places, "--split", "test", "--out", out)
    assert result.exit_code == 0
    groups = {group["group"]: group for group in json.loads(out.read_text())["groups"]}
    assert groups["all sources"]["films"] == 46
    for source in ("east", "west"):
        assert groups[f"{source}-again"]["metrics"] == groups[source]["metrics"]


def test_a_folder_is_measured(bundle, films, tmp_path):
    for film in films:
        place = tmp_path / "mine" / ("PNEUMONIA" if film.target else "NORMAL")
        place.mkdir(parents=True, exist_ok=True)
        (place / film.path.name).write_bytes(film.path.read_bytes())
    out = tmp_path / "figures.json"
    _evaluate(bundle, tmp_path / "mine", "--out", out)
    (group,) = json.loads(out.read_text())["groups"]
    sensitivity, _ = _expected_rates(bundle, films)
    assert (group["group"], group["films"], group["patients"]) == ("mine", 24, 24)
    rates = group["operating_points"]["balanced"]["metrics"]
    assert rates["sensitivity"]["value"] == pytest.approx(sensitivity)


def test_a_csv_is_measured_and_every_score_written(bundle, films, tmp_path):
    table, scores = tmp_path / "mine.csv", tmp_path / "scores.csv"
    with table.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["path", "label", "patient"])
        lines.writerows([film.path, ["normal", "pneumonia"][film.target], film.patient] for film in films)
    result = _evaluate(bundle, table, "--scores", scores)
    assert result.exit_code == 0
    with scores.open() as file:
        written = {line["path"]: float(line["logit"]) for line in csv.DictReader(file)}
    predictor = Predictor(open_bundle(bundle))
    assert written == {str(film.path): predictor.predict(film.path).logit for film in films}


def test_a_bad_film_is_named_and_the_others_measured(bundle, films, manifest):
    films[4].path.write_text("no image")
    result = _evaluate(bundle, "--manifest", manifest, "--root", films[0].path.parent, "--split", "test")
    assert result.exit_code == 0
    assert f"{films[4].path}: error:" in result.stderr
    assert "22" in result.stdout


def test_two_bundles_are_compared(bundle, films, manifest, tmp_path):
    rival = make_tiny_bundle(tmp_path / "rival", name="rival", temperature=3.0)
    out = tmp_path / "figures.json"
    places = ["--manifest", manifest, "--root", films[0].path.parent, "--split", "test"]
    result = _evaluate(bundle, *places, "--compare", rival, "--out", out)
    told = json.loads(out.read_text())
    assert told["compared_with"] == "rival 0.1.0"
    # The same network at another temperature orders films alike.
    assert told["comparison"][0]["auc"]["difference"]["value"] == pytest.approx(0.0)
    assert told["comparison"][0]["auc"]["p_value"] == pytest.approx(1.0)
    assert "DeLong" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name films to measure"),
        (["--manifest", "m.parquet"], "name films to measure"),
        (
            ["--manifest", "a", "--manifest", "b", "--root", "c", "--split", "test"],
            "give each manifest its root",
        ),
        (["absent"], "absent does not exist"),
        ([".", "--split", "test"], "--split belongs to a manifest"),
        ([".", "--source", "kermany"], "--source belongs to a manifest"),
        ([".", "--worst", "3"], "name the page too, with --html"),
        ([".", "--lungs", "masks"], "--lungs belongs to --stress"),
    ],
)
def test_wrong_usage_says_what_to_do(bundle, arguments, message):
    with pytest.raises(UsageError, match=message):
        _evaluate(bundle, *arguments)


@pytest.mark.parametrize("option", ["--out", "--html", "--scores"])
def test_the_table_that_is_read_is_never_written_over(bundle, tmp_path, option):
    table = tmp_path / "mine.csv"
    table.write_text("path,label\na.png,NORMAL\n")
    with pytest.raises(UsageError, match="is read by this command"):
        _evaluate(bundle, table, option, table)
    assert table.read_text() == "path,label\na.png,NORMAL\n"


def test_a_label_that_nobody_wrote_down_is_refused(bundle, films, manifest, tmp_path):
    places = ["--manifest", manifest, "--root", films[0].path.parent, "--split", "test"]
    with pytest.raises(UsageError, match="is labelled OPACITY: there are NORMAL, OTHER, PNEUMONIA"):
        _evaluate(bundle, *places, "--positive", "OPACITY")
    table = tmp_path / "mine.csv"
    table.write_text(f"path,label\n{films[0].path},NORMAL\n{films[1].path},Pnemonia\n")
    with pytest.raises(UsageError, match="is labelled OPACITY: there are NORMAL, PNEMONIA"):
        _evaluate(bundle, table, "--positive", "OPACITY")
    assert "left out, since labelled PNEMONIA: 1" in _evaluate(bundle, table).stderr


def test_masks_and_plates_are_looked_for_before_a_film_is_scored(bundle, films, manifest, tmp_path):
    (tmp_path / "file").touch()
    places = ["--manifest", tmp_path / "absent.parquet", "--root", tmp_path, "--split", "test"]
    with pytest.raises(UsageError, match="there is no such folder"):
        _evaluate(bundle, *places, "--stress", "--lungs", tmp_path / "absent")
    with pytest.raises(UsageError, match="is no folder"):
        _evaluate(bundle, *places, "--baselines", tmp_path / "file")
    here = ["--manifest", manifest, "--root", films[0].path.parent, "--split", "test"]
    assert (
        "at least 30 films of 10 patients" in _evaluate(bundle, *here, "--baselines", tmp_path / "k").stderr
    )


def test_an_unknown_bundle_is_refused(films):
    with pytest.raises(BundleError, match="there is no bundle 'nothing'"):
        _evaluate("nothing", films[0].path.parent)


def test_the_page_shows_what_the_json_holds(bundle, films, manifest, tmp_path):
    out, html = tmp_path / "figures.json", tmp_path / "page.html"
    places = ["--manifest", manifest, "--root", films[0].path.parent, "--split", "test"]
    _evaluate(bundle, *places, "--out", out, "--html", html)
    assert html.read_text(encoding="utf-8") == render_evaluation_page(json.loads(out.read_text()))


def test_the_worst_films_are_shown_only_where_asked_for(bundle, films, manifest, tmp_path):
    plain, shown = tmp_path / "plain.html", tmp_path / "shown.html"
    places = ["--manifest", manifest, "--root", films[0].path.parent, "--split", "test"]
    _evaluate(bundle, *places, "--html", plain)
    assert "<img" not in plain.read_text()
    assert PICTURE_NOTICE not in plain.read_text()
    _evaluate(bundle, *places, "--html", shown, "--worst", "1", "--out", tmp_path / "figures.json")
    page = shown.read_text()
    worst = json.loads((tmp_path / "figures.json").read_text())["worst"]
    named = [film["path"] for kind in worst.values() for film in kind]
    assert 1 <= page.count("<img") == len(named) <= 2
    assert PICTURE_NOTICE in page
    assert all(path in page for path in named)
    assert not any(film.patient in page for film in films), "the path may be named, the patient never"


def test_stress_is_measured_on_the_same_films(bundle, films, manifest, tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    Image.new("L", (8, 8), 255).save(masks / f"{films[1].path.stem}.png")
    out, html = tmp_path / "figures.json", tmp_path / "page.html"
    places = ["--manifest", manifest, "--root", films[0].path.parent, "--split", "test"]
    result = _evaluate(bundle, *places, "--stress", "--lungs", masks, "--out", out, "--html", html)
    told = json.loads(out.read_text())
    assert told["lungs"] == {"mask": 1, "network": 22}
    pooled = [row for row in told["stress"] if row["group"] == "all sources"]
    assert pooled[0]["before"]["auc"] == told["groups"][0]["metrics"]["auc"]
    assert [row["blank"] for row in pooled if row["variant"] == "lungs-out"] == [1], "all of it was lung"
    assert "lungs blacked out" in html.read_text()
    assert "stretched" in result.stdout
    assert html.read_text() == render_evaluation_page(told)


def test_baselines_stand_beside_the_bundle(bundle, tmp_path):
    root = tmp_path / "films"
    root.mkdir()
    rows = artificial_films(root, 3, patients=300, plant=_wide_where_sick)
    write_manifest(rows, tmp_path / "manifest.parquet")
    out, html = tmp_path / "figures.json", tmp_path / "page.html"
    places = ["--manifest", tmp_path / "manifest.parquet", "--root", root, "--split", "test"]
    result = _evaluate(bundle, *places, "--baselines", tmp_path / "kept", "--out", out, "--html", html)
    told = {row["check"]: row for row in json.loads(out.read_text())["baselines"]}
    assert told["aspect-ratio"]["auc"]["low"] > 0.9
    assert told["border"]["auc"]["value"] < told["aspect-ratio"]["auc"]["value"]
    assert told["aspect-ratio"]["films"] == json.loads(out.read_text())["groups"][0]["films"]
    assert "Aspect ratio alone" in result.stdout
    assert "Aspect ratio alone" in html.read_text()
    assert (tmp_path / "kept" / "plates").is_dir()


def _wide_where_sick(made, generator):
    width = (150 if made.sick else 120) + int(generator.integers(6))
    made.pixels = resized(made, 130, width)


def test_baselines_need_a_manifest(bundle, films, tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text(f"path,label\n{films[0].path},NORMAL\n")
    with pytest.raises(UsageError, match="needs a manifest: make one of your films"):
        _evaluate(bundle, table, "--baselines", tmp_path / "kept")


def test_the_manual_names_options_that_there_are():
    manual = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    commands = re.findall(r"^pneumoscope evaluate .*?[^\\]$", manual, re.MULTILINE | re.DOTALL)
    known = set(re.findall(r"--[a-z-]+", CliRunner().invoke(app, ["evaluate", "--help"], env=WIDE).stdout))
    named = {option for command in commands for option in re.findall(r"--[a-z-]+", command)}
    assert len(commands) == 5
    assert {"--baselines", "--stress", "--worst"} <= named <= known

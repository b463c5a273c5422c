"""`pneumoscope recalibrate`: thresholds of one's own films on the network of a bundle."""

import csv
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from generated import chest_like
from pneumoscope.cli.main import app
from pneumoscope.data.manifest import manifest_sha256, write_manifest
from pneumoscope.errors import BundleError, DataError, UsageError
from pneumoscope.release.shift import OTHER_THRESHOLDS, TRAINED_THRESHOLDS
from pneumoscope.report.model_card import render_model_card
from pneumoscope.runtime.bundle import open_bundle
from pneumoscope.runtime.predictor import Predictor
from tiny_bundle import make_tiny_bundle
from tiny_training import make_recipe, make_rows


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    place = tmp_path_factory.mktemp("made")
    rows = make_rows(place / "films", train=24, validation=48)
    write_manifest(rows, place / "manifest.parquet")
    recipe, sha256 = make_recipe().model_dump(mode="json"), manifest_sha256(rows)
    limitations = ("Its weights are random numbers.", TRAINED_THRESHOLDS)
    learnt = tuple({"name": name, "films": 12, "citation": "-", "licence": "-"} for name in ("east", "west"))
    make_tiny_bundle(
        place / "old",
        recipe=recipe,
        training_manifest_sha256=sha256,
        limitations=limitations,
        training_data=learnt,
    )
    return place


@pytest.fixture(scope="module")
def own_films(tmp_path_factory):
    """A folder of 25 films of either label."""
    folder = tmp_path_factory.mktemp("own")
    for seed in range(50):
        label = ("NORMAL", "PNEUMONIA")[seed % 2]
        (folder / label).mkdir(exist_ok=True)
        film = chest_like(seed, height=110, width=120, opacity=seed % 2 == 1)
        Image.fromarray(film).save(folder / label / f"{seed}.png")
    return folder


def _recalibrate(made, out, *options):
    words = ("recalibrate", made / "old", "--out", out, "--workers", 1, *options)
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def _of_manifest(made, split):
    return ("--manifest", made / "manifest.parquet", "--root", made / "films", "--split", split)


def test_thresholds_come_from_a_folder_of_ones_own(made, own_films, tmp_path):
    result = _recalibrate(made, tmp_path / "new", own_films)
    assert result.exit_code == 0, result.output
    old, new = open_bundle(made / "old"), open_bundle(tmp_path / "new")
    assert re.fullmatch(r"tiny 0\.1\.0\+recalibrated\.[0-9a-f]{8}", new.identity)
    assert new.onnx == old.onnx
    assert (tmp_path / "new" / "README.md").read_text() == render_model_card(new.card)
    assert new.card.temperature != old.card.temperature
    assert new.card.heatmap_limit == old.card.heatmap_limit
    assert new.card.training_data == old.card.training_data

    predictor = Predictor(new)
    scores = {
        label: np.array([predictor.predict(path).probability for path in (own_films / label).iterdir()])
        for label in ("NORMAL", "PNEUMONIA")
    }
    for name, point in new.card.operating_points.items():
        assert point.split == own_films.name
        sensitivity = (scores["PNEUMONIA"] >= point.threshold).mean()
        specificity = (scores["NORMAL"] < point.threshold).mean()
        assert point.sensitivity.value == pytest.approx(sensitivity)
        assert point.specificity.value == pytest.approx(specificity)
        assert f"{name}: threshold {point.threshold:.4f} (it was " in result.stdout
    assert new.card.operating_points["screening"].sensitivity.value >= 0.95

    assert new.card.evaluations == (), "what fixed the thresholds is no test"
    assert new.card.limitations == (
        "Its weights are random numbers.",
        OTHER_THRESHOLDS,
        "The network is that of tiny 0.1.0. Temperature and thresholds were fixed anew, on 50 films of 50 "
        f"patients ({own_films.name}; PNEUMONIA counted as pneumonia, NORMAL as none); whether the network "
        "was trained on such films was not checked.",
    )


def test_a_light_install_is_enough(made, own_films, tmp_path):
    """Neither torch nor what datasets need, as where films are only scored."""
    blocked = ("torch", "torchvision", "timm", "onnx", "sklearn", "scipy", "yaml", "pyarrow", "pandas")
    site = f"import sys\nsys.modules.update(dict.fromkeys({blocked}))\n"
    (tmp_path / "sitecustomize.py").write_text(site)
    words = (made / "old", own_films, "--out", tmp_path / "new", "--workers", "1")
    process = subprocess.run(
        [sys.executable, "-m", "pneumoscope", "recalibrate", *map(str, words)],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert open_bundle(tmp_path / "new").card.temperature != open_bundle(made / "old").card.temperature


def test_thresholds_come_from_a_table(made, own_films, tmp_path):
    with (tmp_path / "films.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "label", "patient"))
        for path in sorted(own_films.rglob("*.png")):
            table.writerow((path, path.parent.name, int(path.stem) % 46))
    result = _recalibrate(made, tmp_path / "new", tmp_path / "films.csv", "--version", "0.1.1")
    assert result.exit_code == 0, result.output
    card = open_bundle(tmp_path / "new").card
    assert card.version == "0.1.1"
    assert "50 films of 46 patients (films.csv;" in card.limitations[-1]


def test_a_second_round_says_only_what_it_did(made, own_films, tmp_path):
    assert _recalibrate(made, tmp_path / "first", own_films).exit_code == 0
    (tmp_path / "films.csv").write_text(
        "path,label\n" + "".join(f"{path},{path.parent.name}\n" for path in own_films.rglob("*.png"))
    )
    words = ("recalibrate", tmp_path / "first", tmp_path / "films.csv", "--out", tmp_path / "second")
    with pytest.raises(UsageError, match=r"recalibrated\.[0-9a-f]{8} is there already"):
        CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    words += ("--name", "ours")
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    first, second = (open_bundle(tmp_path / name) for name in ("first", "second"))
    assert first.card.operating_points["balanced"].threshold == pytest.approx(
        second.card.operating_points["balanced"].threshold
    )
    said = [text for text in second.card.limitations if text.startswith("The network is that of")]
    assert said == [
        f"The network is that of {first.identity}. Temperature and thresholds were fixed anew, on 50 films "
        "of 50 patients (films.csv; PNEUMONIA counted as pneumonia, NORMAL as none); whether the network was "
        "trained on such films was not checked."
    ]
    assert second.card.version.count("recalibrated") == 1


def test_a_folder_called_test_is_no_test(made, own_films, tmp_path):
    shutil.copytree(own_films, tmp_path / "test")
    (tmp_path / "test" / "NORMAL" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    result = _recalibrate(made, tmp_path / "new", tmp_path / "test", "--name", "ours")
    assert result.exit_code == 0, result.output
    assert "without a score: " in result.stderr
    assert "broken.png" in result.stderr
    assert "as none); 1 more could not be scored;" in open_bundle(tmp_path / "new").card.limitations[-1]
    readme = (tmp_path / "new" / "README.md").read_text()
    assert "had no say in anything" not in readme
    assert "External data" not in readme or "Measured: test" not in readme
    assert open_bundle(tmp_path / "new").card.name == "ours"


def test_validation_films_of_the_training_are_known_to_be_unseen(made, tmp_path):
    options = (*_of_manifest(made, "validation"), "--cut-frame", "--evaluate", "east:validation")
    result = _recalibrate(made, tmp_path / "new", *options)
    assert result.exit_code == 0, result.output
    card = open_bundle(tmp_path / "new").card
    assert card.prepare.cut_frame
    assert card.prepare_sha256 == card.prepare.sha256()
    assert [each.split for each in card.evaluations] == [
        "all sources:validation",
        "east:validation",
        "west:validation",
    ]
    assert card.evaluations[1].command == (
        "pneumoscope evaluate BUNDLE --manifest manifest.parquet --root ROOT --split validation --source east"
    )
    assert "on 48 films of 48 patients (validation; PNEUMONIA" in card.limitations[-2]
    assert card.limitations[-2].endswith("as none).")
    assert card.limitations[-1].startswith("Empty frames are cut off films")


def test_what_would_fool_its_user_is_refused(made, own_films, tmp_path):
    with pytest.raises(UsageError, match="thresholds chosen on the test split would make it worthless"):
        _recalibrate(made, tmp_path / "new", *_of_manifest(made, "test"))
    with pytest.raises(UsageError, match=r"tiny 0\.1\.0 was trained on films of east, west"):
        _recalibrate(made, tmp_path / "new", *_of_manifest(made, "train"))
    with pytest.raises(UsageError, match=r"tiny 0\.1\.0 is there already"):
        _recalibrate(made, tmp_path / "new", own_films, "--version", "0.1.0")
    with pytest.raises(UsageError, match="--evaluate names films of a manifest"):
        _recalibrate(made, tmp_path / "new", own_films, "--evaluate", "east:test")
    few = tmp_path / "few"
    for label, count in (("NORMAL", 25), ("PNEUMONIA", 19)):
        (few / label).mkdir(parents=True)
        for path in sorted((own_films / label).iterdir())[:count]:
            (few / label / path.name).write_bytes(path.read_bytes())
    with pytest.raises(
        DataError, match="few: there are films of 19 patients with pneumonia, no film counted"
    ):
        _recalibrate(made, tmp_path / "new", few)
    copied = next((few / "PNEUMONIA").iterdir())
    (few / "PNEUMONIA" / "copy.png").write_bytes(copied.read_bytes())
    with pytest.raises(DataError, match="films of 19 patients with pneumonia"):
        _recalibrate(made, tmp_path / "new", few)
    table = tmp_path / "films.csv"
    lines = [f"{path},{path.parent.name},{int(path.stem) % 6}" for path in sorted(own_films.rglob("*.png"))]
    table.write_text("\n".join(["path,label,patient", *lines]))
    with pytest.raises(DataError, match="films of 3 patients with pneumonia"):
        _recalibrate(made, tmp_path / "new", table)
    exchanged = [
        line.replace(",NORMAL,", ",X,").replace(",PNEUMONIA,", ",NORMAL,").replace(",X,", ",PNEUMONIA,")
        for line in (re.sub(",[0-9]+$", ",", line) for line in lines)
    ]
    table.write_text("\n".join(["path,label,patient", *exchanged]))
    with pytest.raises(DataError, match="see whether the labels were exchanged"):
        _recalibrate(made, tmp_path / "new", table)
    with pytest.raises(UsageError, match="OTHER cannot count as pneumonia and as none"):
        _recalibrate(made, tmp_path / "new", own_films, "--positive", "other", "--negative", "OTHER")
    for option, word in (("--name", "../x y"), ("--version", "1 2")):
        with pytest.raises(UsageError, match="is no name or version"):
            _recalibrate(made, tmp_path / "new", own_films, option, word)
    assert not (tmp_path / "new").exists()


def test_where_nothing_can_be_written_is_said_before_anything_is_scored(made, own_films, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    told = {"file": "is no folder", "file/deep/er": "is no folder", "full": "is no part of a bundle"}
    for place, message in told.items():
        with pytest.raises(BundleError, match=message):
            _recalibrate(made, tmp_path / place, own_films / "nothing here")


def test_two_ways_to_prepare_have_two_versions(made, own_films, tmp_path):
    versions = []
    for name, options in (("plain", ()), ("cut", ("--cut-frame",))):
        assert _recalibrate(made, tmp_path / name, own_films, *options).exit_code == 0
        versions.append(open_bundle(tmp_path / name).card.version)
    assert len(set(versions)) == 2


def test_what_predict_would_refuse_has_no_say(own_films, tmp_path):
    words = ("recalibrate", "pneumoscope-lite0", own_films, "--workers", 1, "--out", tmp_path / "new")
    for option, scored in (("--guard", False), ("--no-guard", True)):
        result = CliRunner().invoke(app, [str(word) for word in (*words, option)])
        # No generated film looks like a chest to its guard.
        assert ("none of 50 films could be scored" in str(result.exception)) != scored

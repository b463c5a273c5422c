"""`pneumoscope quantise`: from an exact bundle to one in lower precision that `predict` takes by name."""

import json

import pytest
from typer.testing import CliRunner

from pneumoscope.cli.main import app
from pneumoscope.data.manifest import manifest_sha256, write_manifest
from pneumoscope.errors import BundleError, UsageError
from pneumoscope.report.model_card import render_model_card
from pneumoscope.runtime.bundle import open_bundle
from processor import has_bfloat16
from tiny_bundle import make_tiny_bundle
from tiny_training import make_recipe, make_rows


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    place = tmp_path_factory.mktemp("made")
    rows = make_rows(place / "films", train=16, validation=16)
    write_manifest(rows, place / "manifest.parquet")
    recipe, sha256 = make_recipe().model_dump(mode="json"), manifest_sha256(rows)
    make_tiny_bundle(place / "exact", recipe=recipe, training_manifest_sha256=sha256)
    return place


def _run(*arguments):
    return CliRunner().invoke(app, [str(part) for part in arguments], catch_exceptions=False)


def _quantise(made, out, *options):
    films = ("--manifest", made / "manifest.parquet", "--root", made / "films", "--workers", 1)
    loose = ("--calibration-films", 16, "--most-loss", 1, "--margin", 1)
    return _run("quantise", made / "exact", *films, "--out", out, *loose, *options)


def test_a_bundle_gets_a_faster_one_that_predict_takes(made, tmp_path):
    result = _quantise(made, tmp_path / "int8", "--evaluate", "east:validation")
    assert result.exit_code == 0, result.output
    bundle = open_bundle(tmp_path / "int8")
    assert bundle.identity == "tiny 0.1.0+int8"
    assert (tmp_path / "int8" / "README.md").read_text() == render_model_card(bundle.card)
    assert "tiny 0.1.0+int8" in result.stdout
    assert "against tiny 0.1.0 on 16 films (validation of east, west):" in result.stdout
    film = made / "films" / "film-001.png"
    said = _run("predict", film, "--model", tmp_path / "int8", "--format", "json")
    (record,) = json.loads(said.stdout)
    assert record["model"] == "tiny 0.1.0+int8"
    shown = _run("models", tmp_path / "int8")
    assert "int8, made from tiny 0.1.0" in shown.stdout


def test_openvino_computes_as_exactly(made, tmp_path):
    result = _quantise(made, tmp_path / "openvino", "--precision", "fp32-openvino", "--margin", 0)
    assert result.exit_code == 0, result.output
    loss = open_bundle(tmp_path / "openvino").card.lower_precision
    assert loss.largest_logit_change < 1e-3
    assert set(loss.findings_changed.values()) == {0}
    film = made / "films" / "film-001.png"
    said = _run("predict", film, "--model", tmp_path / "openvino", "--format", "json")
    assert json.loads(said.stdout)[0]["model"] == "tiny 0.1.0+fp32-openvino"
    assert "the same single precision, by OpenVINO" in (tmp_path / "openvino" / "README.md").read_text()


def test_integers_and_bfloat16_go_together(made, tmp_path):
    if not has_bfloat16():
        with pytest.raises(BundleError, match="does not have"):
            _quantise(made, tmp_path / "both", "--precision", "int8-bf16")
        return
    result = _quantise(made, tmp_path / "both", "--precision", "int8-bf16")
    assert result.exit_code == 0, result.output
    card = open_bundle(tmp_path / "both").card
    assert (card.arithmetic, card.version) == ("int8-bf16", "0.1.0+int8-bf16")
    assert card.lower_precision.calibrated_on == "16 training films of east, west"
    assert card.lower_precision.largest_logit_change > 0


def test_a_refused_loss_leaves_no_bundle(made, tmp_path):
    with pytest.raises(UsageError, match="compare on validation"):
        _quantise(made, tmp_path / "int8", "--compare-on", "test")
    with pytest.raises(UsageError, match="SOURCE:SPLIT"):
        _quantise(made, tmp_path / "int8", "--evaluate", "east")
    assert not (tmp_path / "int8").exists()

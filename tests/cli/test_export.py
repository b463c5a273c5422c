from dataclasses import replace

import pytest
from typer.testing import CliRunner

from pneumoscope.cli.main import app
from pneumoscope.data.manifest import manifest_sha256, write_manifest
from pneumoscope.errors import UsageError
from pneumoscope.report.model_card import render_model_card
from pneumoscope.runtime.bundle import open_bundle
from pneumoscope.runtime.predictor import Predictor
from release.made_run import make_run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("made"))


def _export(made, out, *options, runs=1):
    arguments = [
        "export",
        *[made.directory] * runs,
        "--manifest",
        made.manifest,
        "--root",
        made.root,
        "--out",
        out,
    ]
    return CliRunner().invoke(app, [str(part) for part in (*arguments, *options)], catch_exceptions=False)


def test_a_run_becomes_a_bundle_that_predicts(made, tmp_path):
    result = _export(
        made, tmp_path / "bundle", "--name", "first", "--version", "0.2.0", "--evaluate", "east:test"
    )
    assert result.exit_code == 0, result.output
    bundle = open_bundle(tmp_path / "bundle")
    assert bundle.identity == "first 0.2.0"
    assert (tmp_path / "bundle" / "README.md").read_text() == render_model_card(bundle.card)
    assert [evaluation.split for evaluation in bundle.card.evaluations][-1] == "east:test"
    film = Predictor(bundle).predict(made.root / "film-000.png")
    assert film.threshold == bundle.card.operating_points["balanced"].threshold
    assert "torch and onnxruntime differ by at most" in result.stdout
    assert "east:test" in result.stdout


def test_the_same_run_gives_the_same_bundle(made, tmp_path):
    for name in ("one", "two"):
        _export(made, tmp_path / name)
    one, two = open_bundle(tmp_path / "one"), open_bundle(tmp_path / "two")
    assert one.identity == "pneumoscope-made 0.1.0"
    assert one.onnx == two.onnx
    # The one thing that may differ is the day, were it to turn between the two.
    assert one.card.model_dump(exclude={"created"}) == two.card.model_dump(exclude={"created"})


def test_several_runs_become_an_ensemble(made, tmp_path):
    _export(made, tmp_path / "single")
    result = _export(made, tmp_path / "pair", runs=2)
    assert result.exit_code == 0, result.output
    single, pair = open_bundle(tmp_path / "single"), open_bundle(tmp_path / "pair")
    assert pair.card.architecture == "ensemble"
    film = made.root / "film-001.png"
    # Twice the same network: their mean is what each says.
    assert Predictor(pair).predict(film).logit == pytest.approx(
        Predictor(single).predict(film).logit, abs=1e-5
    )


def test_finished_runs_of_one_start_become_one_network(made, tmp_path):
    finished = replace(made, directory=tmp_path / "finished")
    arguments = ["train", made.directory.parent / "recipe.yaml", "--manifest", made.manifest]
    arguments += ["--root", made.root, "--out", finished.directory, "--start-from", made.directory]
    assert CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False).exit_code == 0
    for name, options in (("single", ()), ("mean", ("--average-weights",))):
        result = _export(finished, tmp_path / name, *options, runs=1 if name == "single" else 2)
        assert result.exit_code == 0, result.output
    other = make_run(tmp_path / "other", seed=9)
    with pytest.raises(UsageError, match="their starts"):
        _export(
            replace(made, directory=other.directory), tmp_path / "no", made.directory, "--average-weights"
        )
    single, mean = open_bundle(tmp_path / "single"), open_bundle(tmp_path / "mean")
    assert mean.card.architecture == "simple_cnn"
    assert len(mean.onnx) == len(single.onnx)
    film = made.root / "film-001.png"
    # Twice the same network: the mean of its weights is its weights.
    assert Predictor(mean).predict(film).logit == pytest.approx(
        Predictor(single).predict(film).logit, abs=1e-5
    )
    assert mean.card.training_runs[0].started_from == "made"
    assert "The weights are the mean of those of 2 runs" in (tmp_path / "mean" / "README.md").read_text()


def test_a_run_of_several_manifests_is_exported_with_all_of_them(made, tmp_path):
    halves = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    for half, rows in zip(halves, (made.rows[::2], made.rows[1::2]), strict=True):
        write_manifest(rows, half)
    both = replace(made, manifest=halves[0])
    result = _export(both, tmp_path / "bundle", "--manifest", halves[1], "--root", made.root)
    assert result.exit_code == 0, result.output
    _export(made, tmp_path / "single")
    joined, single = open_bundle(tmp_path / "bundle").card, open_bundle(tmp_path / "single").card
    assert joined.operating_points == single.operating_points
    assert joined.training_manifest_sha256 == manifest_sha256(made.rows)
    with pytest.raises(UsageError, match="is not the manifest"):
        _export(both, tmp_path / "half")


@pytest.mark.parametrize("text", ["kermany", ":test", "kermany:"])
def test_an_evaluation_without_its_split_is_refused(made, tmp_path, text):
    with pytest.raises(UsageError, match="SOURCE:SPLIT"):
        _export(made, tmp_path / "bundle", "--evaluate", text)
    assert not (tmp_path / "bundle").exists()


def test_a_failed_export_leaves_no_bundle(made, tmp_path):
    with pytest.raises(UsageError, match="no source 'north'"):
        _export(made, tmp_path / "bundle", "--evaluate", "north:test")
    assert not (tmp_path / "bundle").exists()

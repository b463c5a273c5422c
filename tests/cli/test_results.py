"""From a plan to its page by the plan's own commands, on generated films."""

import json
import shlex
import shutil
from pathlib import Path

import pytest
import yaml
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from pneumoscope.cli.main import app
from pneumoscope.data.manifest import write_manifest
from pneumoscope.errors import UsageError
from pneumoscope.runtime.bundle import open_bundle
from pneumoscope.runtime.predictor import Predictor
from release.made_run import make_run
from tiny_training import make_recipe

PLAN = {
    "title": "Made",
    "manifests": {"pool": {"folder": "pool", "command": "false"}},
    "budgets": {"longer": ["stages.0.epochs=3"]},
    "groups": [{"name": "All"}, {"name": "East", "sources": ["east"]}],
    "ladder": [
        {"name": "one", "title": "One", "recipe": "made.yaml", "budget": "longer"},
        {"name": "two", "title": "Two", "recipe": "made.yaml", "budget": "longer", "set": ["seed=4"]},
        {"name": "both", "title": "Both", "members": ["one", "two"]},
    ],
    "comparisons": [{"first": "both", "second": "one"}],
}


class Study:
    """A folder with films, a manifest, a recipe and a plan."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        made = make_run(folder / "made")
        self.rows, self.films = made.rows, made.root
        write_manifest(self.rows, folder / "runs" / "pool" / "manifest.parquet")
        (folder / "recipes").mkdir()
        recipe = make_recipe().model_dump(mode="json")
        (folder / "recipes" / "made.yaml").write_text(yaml.safe_dump(recipe))
        (folder / "plan.yaml").write_text(yaml.safe_dump(PLAN))

    def __call__(self, *options: object):
        places = ("--runs", self.folder / "runs", "--recipes", self.folder / "recipes")
        words = ["results", self.folder / "plan.yaml", *places, *options]
        return CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)

    def commands(self, *options: object) -> list[str]:
        return self("--commands", "--films", self.films, *options).stdout.splitlines()


def _run(line: str) -> None:
    program, *words = shlex.split(line)
    if program == "mkdir":
        Path(words[-1]).mkdir(parents=True, exist_ok=True)
    else:
        result = CliRunner().invoke(app, words, catch_exceptions=False)
        assert result.exit_code == 0, result.output


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Trained, exported and measured as the plan says."""
    study = Study(tmp_path_factory.mktemp("study"))
    assert "- One: not trained yet" in study().stdout
    for line in study.commands():
        _run(line)
    return study


def test_nothing_is_left_to_do_and_nothing_is_missing(study):
    assert [line for line in study.commands() if line] == []
    result = study()
    assert result.exit_code == 0
    assert "## Not here" not in result.stdout
    assert result.stderr == ""


def test_every_figure_is_what_predict_gives(study, tmp_path):
    study("--out", tmp_path / "page.md", "--json", tmp_path / "page.json")
    told = json.loads((tmp_path / "page.json").read_text())
    rows = [row for row in study.rows if row.split == "test"]
    for number, group in enumerate((rows, [row for row in rows if row.source == "east"])):
        for row in told["groups"][number]["rows"]:
            predictor = Predictor(open_bundle(study.folder / "runs" / "bundles" / row["entry"]))
            scores = [predictor.predict(study.films / film.path).probability for film in group]
            expected = roc_auc_score([film.label == "PNEUMONIA" for film in group], scores)
            assert row["metrics"]["auc"]["value"] == pytest.approx(expected)
            assert row["films"] == len(group)
    assert [row["entry"] for row in told["groups"][0]["rows"]] == ["one", "two", "both"]
    assert (tmp_path / "page.md").read_text() == study().stdout


def test_the_page_names_no_folder_of_this_machine(study):
    page = study().stdout
    assert str(study.folder) not in page
    assert "pneumoscope train recipes/made.yaml --set stages.0.epochs=3 --set seed=4" in page
    assert "pneumoscope export runs/one runs/two --manifest runs/pool/manifest.parquet --root DIR" in page


def test_one_entry_brings_its_members(study):
    everything = study.commands("--entry", "both", "--split", "validation")
    assert [shlex.split(line)[1] for line in everything] == ["-p", "evaluate"]
    assert "--split validation" in everything[1]
    with pytest.raises(UsageError, match="no entry 'three'"):
        study.commands("--entry", "three")


def test_a_page_tells_of_all_entries(study):
    with pytest.raises(UsageError, match="--entry belongs to --commands"):
        study("--entry", "one")


def test_a_page_outlasts_its_runs(study, tmp_path):
    kept = tmp_path / "kept.json.gz"
    page = study("--keep", kept).stdout
    shutil.copytree(study.folder / "runs" / "pool", tmp_path / "runs" / "pool")
    later = study("--keep", kept, "--runs", tmp_path / "runs").stdout
    earlier, films = later.index("## Measured earlier"), later.index("## Films")
    assert later[earlier:films].strip().endswith("- One\n- Two\n- Both")
    assert later[:earlier] + later[films:] == page
    assert "## Measured earlier" not in page
    with pytest.raises(UsageError, match="--keep belongs to a page"):
        study.commands("--keep", kept)


def test_another_split_is_a_rehearsal(study):
    result = study("--split", "validation")
    assert "- One: not measured yet" in result.stdout
    assert "not on the page: One: not measured yet" in result.stderr


def test_an_altered_bundle_is_named(study, tmp_path):
    shutil.copytree(study.folder / "runs", tmp_path / "runs")
    card = tmp_path / "runs" / "bundles" / "one" / "card.json"
    card.write_text(card.read_text() + " ")
    page = study("--runs", tmp_path / "runs").stdout
    assert "- One: bundles/one/card.json is not the file that SHA256SUMS names" in page
    assert "| Two |" in page

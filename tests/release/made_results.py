"""A folder of runs, bundles and evaluations that were never trained, and a plan for it."""

import json

from pneumoscope.data.manifest import manifest_sha256, write_manifest
from pneumoscope.release.results import Places, Plan, gather_results
from pneumoscope.runtime.bundle import open_bundle
from release.made_evaluation import make_rows, make_scores, write_evaluation
from tiny_bundle import make_tiny_bundle
from tiny_training import make_recipe

EAST = {"name": "east", "sources": ["east"]}
BASE = {
    "title": "Made",
    "manifests": {"pool": {"folder": "pool", "command": "true"}},
    "budgets": {"small": ["seed=4"]},
    "groups": [{"name": "all", "negatives": ["NORMAL", "OTHER"]}, EAST],
    "ladder": [
        {"name": "one", "title": "First", "recipe": "made.yaml"},
        {"name": "two", "title": "Second", "recipe": "made.yaml", "budget": "small"},
    ],
}


class Made:
    """A folder of runs, bundles and evaluations, and a plan for it."""

    def __init__(self, folder):
        self.places = Places(runs=folder / "runs", recipes=folder / "recipes", films=folder / "films")
        self.plan = dict(BASE)
        self.rows = make_rows()
        self.places.runs.mkdir()
        self.places.recipes.mkdir()
        write_manifest(self.rows, self.places.runs / "pool" / "manifest.parquet")
        recipe = make_recipe(data={"sources": ["west"]}).model_dump_json()
        (self.places.recipes / "made.yaml").write_text(recipe)  # JSON is YAML

    def run(self, name, **changes):
        recipe = make_recipe(**{"data": {"sources": ["west"]}, **changes})
        directory = self.places.runs / name
        directory.mkdir()
        record = {
            "manifest_sha256": manifest_sha256(self.rows),
            "parameters": 10,
            "recipe": "made",
            "films_seen": 64,
            "seconds": 2.0,
            "device": "cpu",
            "processes": 1,
            "torch": "2.6",
            "code_revision": "c0ffee",
            "selected_epoch": 0,
            "selected_metric": 0.75,
            "finished": True,
        }
        (directory / "run.json").write_text(json.dumps(record))
        (directory / "recipe.json").write_text(recipe.model_dump_json())
        (directory / "log.jsonl").write_text('{"kind": "epoch", "stage": 0, "films_seen": 64}\n')
        return recipe

    def bundle(self, name, recipe, /, **changes):
        card = {
            "recipe": recipe.model_dump(mode="json"),
            "training_manifest_sha256": manifest_sha256(self.rows),
        }
        return make_tiny_bundle(self.places.runs / "bundles" / name, name=name, **{**card, **changes})

    def evaluation(self, name, skill, **changes):
        figures = self.places.runs / "evaluations" / f"{name}-test.json"
        told = {
            "sha256": open_bundle(self.places.runs / "bundles" / name).sha256,
            "threshold": 0.5,
            **changes,
        }
        write_evaluation(figures, self.rows, make_scores(self.rows, skill=skill), **told)

    def entry(self, name, skill=1.5, *, seed=3):
        self.bundle(name, self.run(name, seed=seed))
        self.evaluation(name, skill)

    def gather(self):
        return gather_results(Plan.model_validate(self.plan), self.places).told

"""A run directory as `pneumoscope train` leaves it, its manifest, and its generated films."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from pneumoscope.cli.main import app
from pneumoscope.data.manifest import ManifestRow, read_manifest, write_manifest
from tiny_training import make_recipe, make_rows


@dataclass(frozen=True)
class MadeRun:
    """Two sources, "east" and "west", of films with and without an opacity; some are for testing."""

    directory: Path
    manifest: Path
    root: Path

    @property
    def rows(self) -> list[ManifestRow]:
        return read_manifest(self.manifest)


def make_run(place: Path, **recipe: Any) -> MadeRun:
    """Train for seconds; `recipe` replaces top-level keys of the recipe."""
    root, manifest, directory = place / "films", place / "manifest.parquet", place / "run"
    rows = make_rows(root, train=32, validation=40)
    rows = [replace(row, split="test") if number >= 52 else row for number, row in enumerate(rows)]
    write_manifest(rows, manifest)
    recipe_file = place / "recipe.yaml"
    recipe_file.write_text(yaml.safe_dump(make_recipe(**recipe).model_dump(mode="json")))
    options = [
        "--manifest",
        manifest,
        "--root",
        root,
        "--out",
        directory,
        "--device",
        "cpu",
        "--workers",
        "1",
    ]
    result = CliRunner().invoke(app, ["train", str(recipe_file), *map(str, options)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return MadeRun(directory, manifest, root)

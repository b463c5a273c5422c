"""Films, manifest and caches that the tests of training share; and a way to train on them."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from pneumoscope.data.cache import cache_name
from pneumoscope.data.manifest import ManifestRow, manifest_sha256, write_manifest
from pneumoscope.training import checkpoint
from pneumoscope.training.distributed import process_group
from pneumoscope.training.loop import TIMINGS, train
from pneumoscope.training.run_directory import RunDirectory
from pneumoscope.training.start import open_start
from pneumoscope.training.teachers import open_teachers
from tiny_training import make_caches, make_rows

_WORKER = Path(__file__).parents[1] / "training_worker.py"


@dataclass(frozen=True)
class Ground:
    """Where the tests train."""

    root: Path
    rows: list[ManifestRow]

    def train(self, recipe, out, *, rows=None, resume=False, start=None, teachers=(), observer=None):
        """Train in this process, `teachers` being directories of runs; what run.json holds."""
        rows = self.rows if rows is None else rows
        caches = make_caches(recipe, rows, self.root)
        with process_group("cpu") as processes:
            directory = RunDirectory(
                out,
                recipe,
                manifest_sha256(rows),
                processes,
                resume=resume,
                start=start,
                teachers=[open_start(teacher) for teacher in teachers],
            )
            opened = open_teachers(teachers, recipe)
            return train(recipe, rows, caches, directory, processes, teachers=opened, observer=observer)

    def elsewhere(self, recipe, out, launcher=(sys.executable,), **settings):
        """Train in other processes."""
        make_caches(recipe, self.rows, self.root)
        prepares = [recipe.stage_prepare(stage) for stage in range(len(recipe.stages))]
        settings |= {
            "recipe": recipe.model_dump(mode="json"),
            "manifest": str(self.root / "manifest.parquet"),
            "caches": {prepare.size: str(self.root / "cache" / cache_name(prepare)) for prepare in prepares},
            "out": str(out),
        }
        command = [*launcher, str(_WORKER), json.dumps(settings)]
        return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture(scope="session")
def ground(tmp_path_factory):
    root = tmp_path_factory.mktemp("ground")
    rows = make_rows(root, train=40, validation=12)
    write_manifest(rows, root / "manifest.parquet")
    return Ground(root, rows)


@pytest.fixture(scope="session")
def read_log():
    """Records of a run without what depends on the clock."""

    def read(out):
        lines = (out / checkpoint.LOG).read_text().splitlines()
        records = [json.loads(line) for line in lines]
        return [{key: value for key, value in record.items() if key not in TIMINGS} for record in records]

    return read

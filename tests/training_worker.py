"""Train in a process of its own: python training_worker.py SETTINGS, JSON of what `main` takes."""

import json
import os
import signal
import sys
from pathlib import Path

import torch
from torch import nn

from pneumoscope.data.cache import PlateCache
from pneumoscope.data.manifest import manifest_sha256, read_manifest
from pneumoscope.models import PooledClassifier
from pneumoscope.training import state
from pneumoscope.training.distributed import process_group
from pneumoscope.training.loop import train
from pneumoscope.training.recipe import Recipe
from pneumoscope.training.run_directory import RunDirectory


def without_normalisation(name, *, pretrained, **options):
    """A network whose gradient is the mean over its films', as no network with batch normalisation's is."""
    features = nn.Sequential(nn.Conv2d(1, 16, 3, stride=4, padding=1), nn.Tanh())
    return PooledClassifier(features, 16)


def main(settings):
    if settings.get("plain_network"):
        state.build_model = without_normalisation
    recipe = Recipe.model_validate(settings["recipe"])
    rows = read_manifest(settings["manifest"])
    caches = {int(size): PlateCache.open(path) for size, path in settings["caches"].items()}

    def observer(done, planned, record):
        if done == settings.get("kill_at"):
            os.kill(os.getpid(), signal.SIGKILL)

    with process_group("cpu") as processes:
        directory = RunDirectory(
            Path(settings["out"]),
            recipe,
            manifest_sha256(rows),
            processes,
            resume=settings.get("resume", False),
        )
        train(recipe, rows, caches, directory, processes, observer=observer)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(json.loads(sys.argv[1]))

"""Generated films with a manifest and caches: what every test of training trains on."""

import hashlib
import json
from pathlib import Path
from typing import Any

from PIL import Image

from generated import chest_like
from pneumoscope.data.cache import PlateCache, build_cache, cache_name
from pneumoscope.data.manifest import ManifestRow
from pneumoscope.training.recipe import Recipe

SOURCES = ("east", "west")


def make_rows(root: Path, *, train: int = 32, validation: int = 12, side: int = 72) -> list[ManifestRow]:
    """Write films and return their manifest: every second film positive, the first sixteen ones boxed."""
    root.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(train + validation):
        positive = number % 2 == 1
        path = root / f"film-{number:03}.png"
        Image.fromarray(
            chest_like(number, height=side + number % 3, width=side, opacity=positive, noise=2.0)
        ).save(path)
        boxes = [[0.25, 0.25, 0.5, 0.25]] if positive else []
        rows.append(
            ManifestRow(
                source=SOURCES[(number // 2) % 2],
                path=path.name,
                sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
                bytes=path.stat().st_size,
                format="PNG",
                width=side,
                height=side + number % 3,
                label="PNEUMONIA" if positive else "NORMAL",
                patient=f"made:{number}",
                boxes=json.dumps(boxes) if number < 16 else None,
                split="train" if number < train else "validation",
            )
        )
    return rows


def make_recipe(**changes: Any) -> Recipe:
    """A run of seconds; `changes` replace whole top-level keys."""
    values: dict[str, Any] = {
        "name": "made",
        "seed": 3,
        "model": {"name": "simple_cnn", "options": {"dropout": 0.1}},
        "augment": {"rotate_degrees": 5.0, "noise": 0.02, "flip_probability": 0.5},
        "optimiser": {"name": "adamw", "learning_rate": 0.003},
        "schedule": {"name": "cosine", "warm_up_steps": 2},
        "stages": [{"epochs": 2, "size": 32}],
        "batch_size": 8,
        "ema_decay": 0.9,
        "precision": "fp32",
        "threads": 1,
        "log_every": 2,
    }
    return Recipe.model_validate({**values, **changes})


def make_caches(recipe: Recipe, rows: list[ManifestRow], root: Path) -> dict[int, PlateCache]:
    """Plates for every stage of a recipe, of films below `root`, in its folder `cache`."""
    prepares = [recipe.stage_prepare(stage) for stage in range(len(recipe.stages))]
    return {
        prepare.size: build_cache(rows, root, prepare, root / "cache" / cache_name(prepare), workers=1)
        for prepare in prepares
    }

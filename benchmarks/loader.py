"""Does the loader starve the network? Share of a training step's time that is the network's.

    python benchmarks/loader.py --out loader.json
    python benchmarks/loader.py --manifest manifest.parquet --root DIR --cache DIR --recipe recipes/some.yaml

The real training loop runs twice, in turn and several times over: fed by its own loader (plates from the
memory-mapped cache, augmented in the background), and fed again and again with one batch that is ready in
memory. The quotient of the two times per step is the network's share; waiting for a batch, and the processor
time that augmentation takes from the network, both count against the loader. Without a manifest the films are
artificial, which costs the loader the same.
"""

import argparse
import hashlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from pneumoscope.data.cache import PlateCache, build_cache, cache_name
from pneumoscope.data.manifest import ManifestRow, read_manifest
from pneumoscope.training import loop
from pneumoscope.training.augment import AugmentParameters
from pneumoscope.training.batches import Batch, BatchMaker
from pneumoscope.training.dataset import trained_rows
from pneumoscope.training.distributed import process_group
from pneumoscope.training.recipe import (
    DataChoice,
    LossChoice,
    ModelChoice,
    Recipe,
    ScheduleChoice,
    Stage,
    load_recipe,
)
from pneumoscope.training.run_directory import RunDirectory

WANTED = 0.95
# Every kind of augmentation at once: more than recipes ask for.
STRONG = AugmentParameters(
    rotate_degrees=10,
    scale=(0.8, 1.25),
    aspect=(0.8, 1.25),
    translate=0.08,
    flip_probability=0.5,
    brightness=0.2,
    contrast=0.2,
    gamma=(0.7, 1.4),
    tone_curve=0.5,
    noise=0.03,
    blur_probability=0.3,
    border_probability=0.3,
    marker_probability=0.3,
    erase_probability=0.3,
)


class ConstantMaker(BatchMaker):
    """Makes its first batch once and hands it out for ever."""

    _ready: Batch | None = None

    def __call__(self, step: int) -> Batch:
        """The first batch, whatever the step."""
        if self._ready is None:
            self._ready = super().__call__(step)
        return self._ready


def artificial_manifest(root: Path, films: int, size: int) -> list[ManifestRow]:
    """Write smooth noise as films and describe them."""
    generator = np.random.default_rng(0)
    rows = []
    for number in range(films):
        coarse = Image.fromarray(generator.normal(128, 40, (12, 10)).clip(0, 255).astype(np.uint8))
        path = root / f"{number}.png"
        coarse.resize((size, size * 6 // 5), Image.Resampling.BICUBIC).save(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append(
            ManifestRow(
                source="artificial",
                path=path.name,
                sha256=digest,
                bytes=path.stat().st_size,
                format="PNG",
                width=size,
                height=size * 6 // 5,
                label="PNEUMONIA" if number % 2 else "NORMAL",
                patient=f"artificial:{number}",
                split="train",
            )
        )
    return rows


def lite0(size: int, batch_size: int) -> Recipe:
    """A recipe of EfficientNet-Lite0 with every kind of augmentation."""
    return Recipe(
        name="loader-benchmark",
        model=ModelChoice(name="efficientnet_lite0"),
        data=DataChoice(balance="label"),
        augment=STRONG,
        schedule=ScheduleChoice(name="constant"),
        loss=LossChoice(label_smoothing=0.05),
        stages=(Stage(epochs=1, size=size),),
        batch_size=batch_size,
        ema_decay=0.999,
    )


def run_steps(
    recipe: Recipe, rows: Sequence[ManifestRow], cache: PlateCache, maker: type[BatchMaker], warm_up: int
) -> dict[str, float]:
    """Train one epoch of the recipe and time its steps after `warm_up`.

    Returns:
        seconds: per step, wall clock.
        processor_seconds: per step, of all threads.
        data_wait: share of the time in which the network stood still for want of a batch, as logged.
    """
    times: list[float] = []
    processor: list[float] = []

    def observe(_done: int, _planned: int, _record: Any) -> None:
        times.append(time.perf_counter())
        processor.append(time.process_time())

    with tempfile.TemporaryDirectory() as folder, process_group("cpu") as processes:
        directory = RunDirectory(Path(folder) / "run", recipe, "0" * 64, processes, resume=False)
        with mock.patch.object(loop, "BatchMaker", maker):
            loop.train(recipe, rows, {recipe.prepare.size: cache}, directory, processes, observer=observe)
        log = (Path(folder) / "run" / "log.jsonl").read_text().splitlines()
    steps = [record for record in map(json.loads, log) if record["kind"] == "step"]
    # The last call tells of the epoch, not of a step.
    count = len(times) - 2 - warm_up
    return {
        "seconds": (times[-2] - times[warm_up]) / count,
        "processor_seconds": (processor[-2] - processor[warm_up]) / count,
        "data_wait": statistics.fmean(record["data_wait"] for record in steps[warm_up:]),
    }


def measure(
    recipe: Recipe,
    rows: Sequence[ManifestRow],
    cache: PlateCache,
    *,
    steps: int,
    rounds: int,
    warm_up: int,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Alternate between both feeds."""
    data = recipe.data.model_copy(update={"epoch_films": (steps + warm_up) * recipe.batch_size})
    recipe = recipe.model_copy(update={"data": data, "log_every": 1})
    found: dict[str, list[dict[str, float]]] = {"loader": [], "constant": []}
    for number in range(rounds):
        feeds = (("loader", BatchMaker), ("constant", ConstantMaker))
        for name, maker in feeds if number % 2 == 0 else feeds[::-1]:
            result = run_steps(recipe, rows, cache, maker, warm_up)
            found[name].append(result)
            say(f"round {number + 1}, {name}: {1000 * result['seconds']:.0f} ms a step")
    quotients = [
        constant["seconds"] / loader["seconds"]
        for constant, loader in zip(found["constant"], found["loader"], strict=True)
    ]
    # A step that owns its cores takes no more wall clock than processor time; no feed beats a ready batch.
    owned = all(r["processor_seconds"] > 0.9 * r["seconds"] for results in found.values() for r in results)
    return {
        "quiet": owned and max(quotients) < 1.1,
        "model": recipe.model.name,
        "size": recipe.prepare.size,
        "batch_size": recipe.batch_size,
        "steps": steps,
        "rounds": rounds,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "step_ms": {
            name: 1000 * statistics.median(r["seconds"] for r in results) for name, results in found.items()
        },
        "processor_ms": {
            name: 1000 * statistics.median(r["processor_seconds"] for r in results)
            for name, results in found.items()
        },
        "data_wait": statistics.median(r["data_wait"] for r in found["loader"]),
        "network_share": statistics.median(quotients),
        "network_share_of_each_round": quotients,
        "wanted": WANTED,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Share of a training step's time that is the network's.")
    parser.add_argument("--manifest", type=Path, help="manifest.parquet; artificial films if not given")
    parser.add_argument("--root", type=Path, help="of the manifest's paths")
    parser.add_argument("--cache", type=Path, help="folder of plate caches, built where missing")
    parser.add_argument("--recipe", type=Path, help="Lite0 with strong augmentation if not given")
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=20, help="timed, per round")
    parser.add_argument("--warm-up", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="JSON")
    arguments = parser.parse_args()
    if (arguments.manifest is None) != (arguments.root is None):
        parser.error("--manifest and --root go together")
    recipe = lite0(arguments.size, arguments.batch_size)
    if arguments.recipe is not None:
        recipe = load_recipe(arguments.recipe, [f"stages=[{{epochs: 1, size: {arguments.size}}}]"])

    with tempfile.TemporaryDirectory() as folder:
        if arguments.manifest is None:
            root = Path(folder) / "films"
            root.mkdir()
            rows = artificial_manifest(root, 640, arguments.size)
        else:
            root, rows = arguments.root, trained_rows(read_manifest(arguments.manifest), recipe.data)
        # Validation is not what is measured.
        rows = [row for row in rows if row.split == "train"]
        caches = arguments.cache or Path(folder) / "cache"
        cache = build_cache(rows, root, recipe.prepare, caches / cache_name(recipe.prepare))
        result = measure(
            recipe,
            rows,
            cache,
            steps=arguments.steps,
            rounds=arguments.rounds,
            warm_up=arguments.warm_up,
            say=lambda line: print(line, file=sys.stderr),
        )

    table = Table(title=f"{result['model']} at {result['size']}, batch {result['batch_size']}")
    for column in ("feed", "ms a step", "processor ms a step"):
        table.add_column(column, justify="right")
    for name in ("loader", "constant"):
        table.add_row(name, f"{result['step_ms'][name]:.1f}", f"{result['processor_ms'][name]:.1f}")
    console = Console()
    console.print(table)
    console.print(
        f"The network's share of a step: {result['network_share']:.1%} (wanted: {WANTED:.0%}); "
        f"waiting for a batch: {result['data_wait']:.1%}"
    )
    if not result["quiet"]:
        console.print("Other work ran on this machine: the share says nothing; measure again on a quiet one.")
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0 if result["quiet"] and result["network_share"] >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())

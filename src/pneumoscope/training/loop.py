"""The training loop: epoch by epoch, step by step, from top to bottom.

    pneumoscope train recipes/original.yaml --manifest manifest.parquet --root DIR
    torchrun --nproc-per-node 2 --no-python pneumoscope train recipes/original.yaml --manifest ... --root ...

Each step draws its films, their augmentation and its dropout from (seed, epoch, step), never from what ran
before. So a run that was killed and resumed computes what an undisturbed one does.
"""

import math
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pneumoscope.errors import DataError, RecipeError
from pneumoscope.models import PooledClassifier
from pneumoscope.training.arithmetic import autocast
from pneumoscope.training.batches import Batch, BatchMaker, check_batch_size, prefetch
from pneumoscope.training.dataset import Plates, select_films
from pneumoscope.training.depthwise import FastDepthwise
from pneumoscope.training.distributed import Processes
from pneumoscope.training.losses import binary_cross_entropy, focal_loss, map_loss, smooth, taught_map_loss
from pneumoscope.training.optimiser import schedule_factor, set_learning_rate
from pneumoscope.training.recipe import LossChoice, Recipe
from pneumoscope.training.run_directory import Observer, RunDirectory
from pneumoscope.training.sampling import epoch_order, group_shares, groups_of, seed_of
from pneumoscope.training.state import RunState, Window
from pneumoscope.training.teachers import Judgement, Teachers
from pneumoscope.training.validation import Validation, logits_of, validate

if TYPE_CHECKING:
    from pneumoscope.data.cache import PlateCache
    from pneumoscope.data.lung_masks import LungMasks
    from pneumoscope.data.manifest import ManifestRow

__all__ = ["TIMINGS", "train"]

TIMINGS = ("seconds", "films_per_second", "data_wait")
"""Keys of log.jsonl and run.json that differ between two runs of one recipe."""


def train(
    recipe: Recipe,
    rows: Sequence["ManifestRow"],
    caches: Mapping[int, "PlateCache"],
    directory: RunDirectory,
    processes: Processes,
    *,
    lungs: "LungMasks | None" = None,
    teachers: Teachers | None = None,
    observer: Observer | None = None,
) -> dict[str, Any]:
    """Train one network.

    Args:
        recipe: what to compute.
        rows: of the manifest; those of split "train" and "validation" are used.
        caches: plates by size, for every stage's.
        directory: gets checkpoints, log, and the weights of the best epoch.
        processes: that share the work, from `process_group`.
        lungs: of the training films, where `recipe.needs_lungs`.
        teachers: whose judgement it learns, where the recipe gives them a share.
        observer: told of every step.

    Returns:
        What run.json holds.

    Raises:
        RecipeError: recipe and processes do not fit, or the loss is no longer a number.
        DataError: too few films, or a cache lacks one.
    """
    assert (teachers is not None) == (recipe.loss.teacher_share > 0), "a share and teachers come together"
    check_batch_size(recipe.batch_size, processes.count)
    films = select_films(
        rows,
        "train",
        recipe.data,
        boxed_negatives=recipe.loss.map_negative,
        folds=None if teachers is None else teachers.folds,
    )
    held_out = select_films(rows, "validation", recipe.data)
    drawn = len(films) if recipe.data.epoch_films is None else recipe.data.epoch_films
    if len(films) == 0 or drawn < recipe.batch_size:
        raise DataError(
            f"{drawn} films an epoch, out of {len(films)} training films, do not fill a batch of "
            f"{recipe.batch_size}: check data.sources and data.targets against the manifest, or batch_size"
        )
    where = None
    if recipe.needs_lungs:
        assert lungs is not None, "this recipe needs lungs"
        where = lungs.of(films.sha256)
    groups = groups_of(films.sources, films.targets, films.views, recipe.data.balance)
    shares = group_shares(groups, recipe.data.balance, recipe.data.source_weights)
    stage_of = [number for number, stage in enumerate(recipe.stages) for _ in range(stage.epochs)]
    threads = torch.get_num_threads()
    torch.set_num_threads(recipe.threads or threads)
    with torch.random.fork_rng(devices=[processes.device] if processes.device.type == "cuda" else []):
        run = RunState(recipe, processes, None if directory.start is None else directory.start.weights)
        directory.begin(processes)
        if directory.state is not None:
            run.take_up(directory.state)
        if teachers is not None:
            teachers.to(processes.device)
        network = processes.averaging(_Scorer(run.model, with_map=recipe.loss.map_weight > 0))
        while run.progress.epoch < len(stage_of):
            epoch, stage = run.progress.epoch, stage_of[run.progress.epoch]
            cache = caches[recipe.stage_prepare(stage).size]
            make = BatchMaker(
                Plates(films, cache, masks=recipe.loss.map_weight > 0, lungs=where),
                epoch_order(groups, shares, drawn, seed=recipe.seed, epoch=epoch),
                recipe,
                epoch,
                rank=processes.rank,
                processes=processes.count,
                device=processes.device,
            )
            plan = _Epoch(epoch, stage, make.steps, make.steps * len(stage_of))
            _train_epoch(recipe, run, network, teachers, make, plan, directory, processes, observer)

            validation = _validate(recipe, run, Plates(held_out, cache, masks=False), processes)
            kept = _select(recipe, run, validation)
            if kept:
                directory.keep(run)
            record = _epoch_record(run, stage, validation, kept=kept)
            directory.note(record)
            if observer is not None:
                observer((epoch + 1) * plan.steps, plan.planned, record)

            run.progress.epoch, run.progress.step = epoch + 1, 0
            if run.progress.epochs_without_improvement == recipe.early_stopping_patience:
                run.progress.epoch = stage_of.index(stage) + recipe.stages[stage].epochs
            if run.progress.epoch < len(stage_of) and stage_of[run.progress.epoch] != stage:
                run.progress.forget_best()  # a small stage's weights must not win over the bundle's size
            directory.save(run)
            directory.summarise(run, finished=False)
        summary = directory.summarise(run, finished=True)
    torch.set_num_threads(threads)
    processes.wait()
    return summary


class _Scorer(nn.Module):
    """The network with one `forward` for training with and without the map: DDP only sees `forward`."""

    def __init__(self, model: PooledClassifier, *, with_map: bool) -> None:
        super().__init__()
        self.model = model
        self._with_map = with_map

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """(B, 1, S, S) to logits (B,) and, where it is trained, the map (B, h, w)."""
        if self._with_map:
            return self.model.forward_with_map(inputs)
        return self.model(inputs), None


@dataclass(frozen=True, slots=True)
class _Epoch:
    """Where an epoch stands in the plan: its number in the run, its stage, its steps, all steps planned."""

    number: int
    stage: int
    steps: int
    planned: int


def _train_epoch(
    recipe: Recipe,
    run: RunState,
    network: nn.Module,
    teachers: Teachers | None,
    make: BatchMaker,
    epoch: _Epoch,
    directory: RunDirectory,
    processes: Processes,
    observer: Observer | None,
) -> None:
    """Train from `run.progress.step` to the end of the epoch."""
    progress, device = run.progress, processes.device
    memory_format = torch.channels_last if recipe.channels_last else torch.contiguous_format
    saved = time.monotonic()
    network.train()
    threads = 1 if device.type == "cpu" else min(8, os.cpu_count() or 1)
    with closing(prefetch(make, progress.step, epoch.steps, threads=threads)) as batches:
        while progress.step < epoch.steps:
            started = time.perf_counter()
            batch = next(batches).to(device, memory_format)
            waited = time.perf_counter() - started

            rate = recipe.optimiser.learning_rate * recipe.stages[epoch.stage].learning_rate_factor
            rate *= schedule_factor(
                recipe.schedule, epoch.number * epoch.steps + progress.step, epoch.planned
            )
            set_learning_rate(run.optimiser, rate * run.plateau.factor)
            # Dropout draws from torch's global generator; nothing else in a step does.
            torch.manual_seed(seed_of(recipe.seed, 2, epoch.number, progress.step, processes.rank))
            fast = FastDepthwise() if device.type == "cpu" else nullcontext()
            with autocast(device, recipe.precision), fast:
                logit, cam = network(batch.inputs)
                judged = None if teachers is None else teachers.judge(batch.inputs, batch.folds)
            classification, mapped = _losses(recipe.loss, logit, cam, batch, judged)
            run.optimiser.zero_grad()
            (classification + recipe.loss.map_weight * mapped).backward()  # type: ignore[no-untyped-call]
            if recipe.optimiser.gradient_clip is not None:
                nn.utils.clip_grad_norm_(run.model.parameters(), recipe.optimiser.gradient_clip)
            run.optimiser.step()
            progress.step += 1
            progress.updates += 1
            progress.films += recipe.batch_size
            if run.average is not None:
                run.average.update(run.model, progress.updates)

            seconds = time.perf_counter() - started
            progress.seconds += seconds
            run.window.add(classification, mapped, seconds=seconds, waited=waited)
            record = None
            if progress.updates % recipe.log_every == 0:
                record = _step_record(recipe, run, epoch, processes)
                directory.note(record)
            if observer is not None:
                observer(epoch.number * epoch.steps + progress.step, epoch.planned, record)
            if progress.step < epoch.steps and time.monotonic() - saved >= 60 * recipe.checkpoint_minutes:
                directory.save(run)
                saved = time.monotonic()


def _losses(
    choice: LossChoice, logit: Tensor, cam: Tensor | None, batch: Batch, judged: Judgement | None
) -> tuple[Tensor, Tensor]:
    """Mean classification and map loss of this process's films, two scalars.

    The map's mean is over all films, zero where there is no annotation: so shares of a batch with different
    numbers of annotated films average to the batch's.
    """
    targets = smooth(batch.targets, choice.label_smoothing)
    if judged is not None:
        targets = targets.lerp(judged.finding, choice.teacher_share)
    if choice.name == "focal":
        classification = focal_loss(logit, targets, choice.focal_gamma).mean()
    else:
        classification = binary_cross_entropy(logit, targets).mean()
    if cam is None or batch.masks is None or batch.annotated is None:
        return classification, torch.zeros_like(classification)
    outside = None if batch.outside is None else choice.outside_weight * batch.outside
    mapped = map_loss(cam, batch.masks, batch.annotated, outside).mean()
    if judged is not None:
        mapped = mapped.lerp(taught_map_loss(cam, judged.warm).mean(), choice.teacher_share)
    return classification, mapped


def _step_record(recipe: Recipe, run: RunState, epoch: _Epoch, processes: Processes) -> dict[str, Any]:
    """One line of the log, and a new window; every process must ask."""
    classification, mapped = run.window.means(processes)
    loss = classification + recipe.loss.map_weight * mapped
    if not math.isfinite(loss):
        raise RecipeError(
            f"the loss is {loss} after step {run.progress.updates}: lower optimiser.learning_rate, raise "
            "schedule.warm_up_steps or set optimiser.gradient_clip"
        )
    window, run.window = run.window, Window(processes.device)
    return {
        "kind": "step",
        "step": run.progress.updates,
        "epoch": epoch.number,
        "stage": epoch.stage,
        "loss": loss,
        "classification_loss": classification,
        "map_loss": mapped if recipe.loss.map_weight > 0 else None,
        "learning_rate": run.optimiser.param_groups[0]["lr"] / run.optimiser.param_groups[0]["factor"],
        "films_per_second": round(window.steps_timed * recipe.batch_size / window.seconds, 2),
        "data_wait": round(window.waited / window.seconds, 4),
        "seconds": round(run.progress.seconds, 3),
    }


def _validate(recipe: Recipe, run: RunState, plates: Plates, processes: Processes) -> Validation | None:
    """Score the validation films with the weights that would be kept; None where there are no such films."""
    if len(plates) == 0:
        return None
    started = time.perf_counter()
    network = run.judged.eval()
    processes.same_buffers(network)
    logits = logits_of(
        network,
        plates,
        processes,
        batch_size=recipe.batch_size,
        precision=recipe.precision,
        memory_format=torch.channels_last if recipe.channels_last else torch.contiguous_format,
    )
    run.progress.seconds += time.perf_counter() - started
    return validate(logits, plates.films)


def _select(recipe: Recipe, run: RunState, validation: Validation | None) -> bool:
    """Whether this epoch's weights are to be kept; without a metric the last ones always are."""
    metric = None
    if validation is not None:
        run.plateau.update(validation.loss)
        metric = validation.metric(recipe.selection)
    progress = run.progress
    if metric is None or progress.best is None or metric > progress.best:
        progress.best, progress.best_epoch, progress.epochs_without_improvement = metric, progress.epoch, 0
        return True
    progress.epochs_without_improvement += 1
    return False


def _epoch_record(run: RunState, stage: int, validation: Validation | None, *, kept: bool) -> dict[str, Any]:
    return {
        "kind": "epoch",
        "step": run.progress.updates,
        "epoch": run.progress.epoch,
        "stage": stage,
        "validation": None if validation is None else validation.record(),
        "kept": kept,
        "films_seen": run.progress.films,
        "seconds": round(run.progress.seconds, 3),
    }

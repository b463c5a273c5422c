"""Scoring the validation films without augmentation, and the number that chooses the epoch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pneumoscope.evaluation.metrics import auc
from pneumoscope.training.arithmetic import Precision, autocast
from pneumoscope.training.dataset import Films, Plates
from pneumoscope.training.distributed import Processes
from pneumoscope.training.losses import binary_cross_entropy
from pneumoscope.training.recipe import SelectionChoice

__all__ = ["Validation", "logits_of", "validate"]


@dataclass(frozen=True, slots=True)
class Validation:
    """What one epoch's weights score.

    Attributes:
        loss: mean binary cross-entropy of all films, without smoothing or focus.
        pooled: AUC over all films, None where they are of one target.
        by_source: AUC within each source, None where it holds one target.
        rarer: films of the rarer target within each source.
    """

    loss: float
    pooled: float | None
    by_source: Mapping[str, float | None]
    rarer: Mapping[str, int]

    def metric(self, selection: SelectionChoice) -> float | None:
        """The number that chooses the epoch, None where it is not defined."""
        if selection.average == "pooled":
            return self.pooled
        defined = [
            value
            for source, value in self.by_source.items()
            if value is not None and self.rarer[source] >= selection.minimum_films
        ]
        return sum(defined) / len(defined) if defined else None

    def record(self) -> dict[str, Any]:
        """For the log."""
        return {"loss": self.loss, "auc": self.pooled, "auc_by_source": dict(self.by_source)}


def logits_of(
    network: nn.Module,
    plates: Plates,
    processes: Processes,
    *,
    batch_size: int,
    precision: Precision,
    memory_format: torch.memory_format,
) -> NDArray[np.float32]:
    """Score every film once; each process takes every n-th batch.

    Args:
        network: in evaluation mode; maps (B, 1, S, S) to logits (B,).
        plates: of N films.
        processes: that share the work.
        batch_size: films at a time.
        precision: wanted, as the recipe says.
        memory_format: of the input.

    Returns:
        (N,) float32 logits, the same on every process.
    """
    logits = torch.zeros(len(plates), device=processes.device)
    starts = range(0, len(plates), batch_size)
    with torch.inference_mode():
        for start in starts[processes.rank :: processes.count]:
            indices = np.arange(start, min(start + batch_size, len(plates)))
            inputs = plates.inputs(indices).to(processes.device, memory_format=memory_format)
            with autocast(processes.device, precision):
                logits[start : start + len(indices)] = network(inputs).float()
    scored: NDArray[np.float32] = processes.total(logits).cpu().numpy()
    return scored


def validate(logits: NDArray[np.float32], films: Films) -> Validation:
    """Sum up the scores of the validation films.

    Args:
        logits: (N,) float32.
        films: the N films; at least one.
    """
    sources = np.asarray(films.sources)
    by_source = {
        str(source): _auc(films.targets[sources == source], logits[sources == source])
        for source in np.unique(sources)
    }
    rarer = {
        source: int(np.bincount(films.targets[sources == source], minlength=2).min()) for source in by_source
    }
    losses = binary_cross_entropy(torch.from_numpy(logits), torch.from_numpy(films.targets).float())
    return Validation(float(losses.double().mean()), _auc(films.targets, logits), by_source, rarer)


def _auc(targets: NDArray[np.int64], logits: NDArray[np.float32]) -> float | None:
    if len(np.unique(targets)) < 2:
        return None
    value = float(auc(targets, logits))
    assert not math.isnan(value)
    return value

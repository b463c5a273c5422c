"""The directory of a run: what is written, by whom, and when a run may go on in it."""

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from pneumoscope.errors import UsageError
from pneumoscope.models import save_weights
from pneumoscope.training import checkpoint
from pneumoscope.training.arithmetic import precision_on
from pneumoscope.training.distributed import Processes
from pneumoscope.training.recipe import Recipe
from pneumoscope.training.start import Start
from pneumoscope.training.state import RunState

__all__ = ["Observer", "RunDirectory"]

Observer = Callable[[int, int, Mapping[str, Any] | None], None]
"""Called after every step with (steps done, steps planned, the record just logged or None)."""


def _hardware(device: torch.device) -> str:
    """What a device is, in words: the name of a graphics card, or the kind of CPU and its cores."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"{platform.machine()} CPU with {os.cpu_count()} cores"


def _precision(state: Mapping[str, Any] | None, recipe: Recipe, device: torch.device) -> str:
    """What a run computes in, after what it computed in on another machine."""
    now = precision_on(device, recipe.precision)
    if state is None:
        return now
    before = str(state.get("precision", now))
    ended = int(state["progress"]["epoch"]) >= sum(stage.epochs for stage in recipe.stages)
    return before if ended or before.endswith(now) else f"{before}, then {now}"


class RunDirectory:
    """Writes recipe.json, weights.safetensors, state.pt, log.jsonl and run.json; rank 0 alone does.

    Args:
        path: made where missing.
        recipe: of the run.
        manifest_sha256: of the rows it trains on.
        processes: that share the work.
        resume: go on with the run that the directory holds, if it holds one.
        start: whose weights it starts from, None for those that the recipe names.
        teachers: that it learns from.

    Attributes:
        path: as given.
        start: as given.
        state: what state.pt holds, None where the run starts.

    Raises:
        UsageError: the directory holds another run, or one that was not asked to be resumed, or something
            else.
    """

    def __init__(
        self,
        path: Path,
        recipe: Recipe,
        manifest_sha256: str,
        processes: Processes,
        *,
        resume: bool,
        start: Start | None = None,
        teachers: Sequence[Start] = (),
    ) -> None:
        self.path = path
        self.start = start
        self._leads = processes.leads
        self._facts = {
            "recipe": recipe.name,
            "manifest_sha256": manifest_sha256,
            "code_revision": checkpoint.code_revision(),
            "torch": torch.__version__,
            "device": processes.device.type,
            "hardware": _hardware(processes.device),
            "processes": processes.count,
            "started_from": None if start is None else start.facts(),
            "taught_by": [teacher.facts() for teacher in teachers],
        }
        self._recipe = recipe.model_dump(mode="json")
        self._check(resume=resume)
        self.state = checkpoint.load_state(path) if resume else None
        self._facts["precision"] = _precision(self.state, recipe, processes.device)

    def begin(self, processes: Processes) -> None:
        """Make the directory and what lies in it from the start; not before all else is known to fit.

        Raises:
            UsageError: the processes stand at different checkpoints.
        """
        stand = 0 if self.state is None else int(self.state["progress"]["updates"])
        # Every process must have read the same checkpoint, before rank 0 writes to the directory.
        if int(processes.total(torch.tensor([stand], device=processes.device))) != stand * processes.count:
            raise UsageError(
                f"{self.path}: the processes do not see the same checkpoint; "
                "give --out a directory that all machines share"
            )
        if self._leads:
            self.path.mkdir(parents=True, exist_ok=True)
            checkpoint.write_json(self.path / checkpoint.RECIPE, self._recipe)
            self._journal = checkpoint.Journal(
                self.path / checkpoint.LOG, self.state["log_bytes"] if self.state is not None else 0
            )

    def _check(self, *, resume: bool) -> None:
        if not (self.path / checkpoint.RECIPE).is_file():
            foreign = self._leads and not resume and self.path.is_dir() and any(self.path.iterdir())
            if foreign or (self.path.exists() and not self.path.is_dir()):
                raise UsageError(
                    f"{self.path}: is no run, and no empty folder that could become one; choose another --out"
                )
            return
        if not resume:
            raise UsageError(
                f"{self.path}: holds a run already; add --resume to go on with it, or choose another --out"
            )
        text = (self.path / checkpoint.RECIPE).read_text(encoding="utf-8")
        try:
            then = Recipe.model_validate_json(text).model_dump(mode="json")  # defaults for keys newer than it
        except ValidationError as error:
            raise UsageError(
                f"{self.path}: its {checkpoint.RECIPE} was written by another version; choose another --out"
            ) from error
        now = self._recipe
        changed = sorted(key for key in now.keys() | then.keys() if now.get(key) != then.get(key))
        if changed:
            raise UsageError(
                f"{self.path}: cannot be resumed by another recipe; changed since it began: "
                f"{', '.join(changed)}"
            )
        state = checkpoint.load_state(self.path)
        if state is not None and state["manifest_sha256"] != self._facts["manifest_sha256"]:
            raise UsageError(f"{self.path}: cannot be resumed on another manifest; choose another --out")
        if state is not None and state.get("started_from") != self._facts["started_from"]:
            raise UsageError(f"{self.path}: started from other weights; name those, or choose another --out")
        if state is not None and state.get("taught_by", []) != self._facts["taught_by"]:
            raise UsageError(f"{self.path}: was taught by other runs; name those, or choose another --out")

    def note(self, record: Mapping[str, Any]) -> None:
        """Append a record to the log."""
        if self._leads:
            self._journal.write(record)

    def keep(self, run: RunState) -> None:
        """Make the present weights those that the run is judged by."""
        if self._leads:
            save_weights(run.judged, self.path / checkpoint.WEIGHTS)

    def save(self, run: RunState) -> None:
        """Write a checkpoint."""
        if self._leads:
            checkpoint.save_state(
                self.path,
                {
                    **run.put_down(),
                    "log_bytes": self._journal.size,
                    "manifest_sha256": self._facts["manifest_sha256"],
                    "precision": self._facts["precision"],
                    "started_from": self._facts["started_from"],
                    "taught_by": self._facts["taught_by"],
                },
            )

    def summarise(self, run: RunState, *, finished: bool) -> dict[str, Any]:
        """Write run.json and return what it holds."""
        progress = run.progress
        summary = {
            **self._facts,
            "finished": finished,
            "selected_epoch": progress.best_epoch,
            "selected_metric": progress.best,
            "steps": progress.updates,
            "films_seen": progress.films,
            "parameters": sum(parameter.numel() for parameter in run.model.parameters()),
            "seconds": round(progress.seconds, 3),
        }
        if self._leads:
            checkpoint.write_json(self.path / checkpoint.RUN, summary)
        return summary

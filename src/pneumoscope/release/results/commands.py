"""Where runs, bundles and evaluations of a plan lie, and the commands that put them there."""

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pneumoscope.release.results.plan import Entry, Plan

__all__ = ["Places"]


@dataclass(frozen=True, slots=True)
class Places:
    """Where things lie, and so the commands that put them there.

    Attributes:
        runs: folder of run directories, manifests, bundles and evaluations.
        recipes: folder of the recipes.
        films: folder that holds the films as downloaded.
    """

    runs: Path
    recipes: Path
    films: Path

    def run(self, entry: Entry) -> Path:
        """Its run directory."""
        return self.runs / entry.name

    def bundle(self, entry: Entry) -> Path:
        """The bundle that is measured, of an entry that is not the shipped one."""
        return self.runs / "bundles" / entry.name

    def evaluation(self, entry: Entry, split: str) -> Path:
        """Figures of that bundle, as JSON."""
        return self.runs / "evaluations" / f"{entry.name}-{split}.json"

    def scores(self, entry: Entry, split: str) -> Path:
        """The score of every film, as CSV."""
        return self.evaluation(entry, split).with_suffix(".csv")

    def stress_test(self, entry: Entry, split: str) -> Path:
        """Figures of changed films and of baselines that do not see, as JSON."""
        return self.runs / "evaluations" / f"{entry.name}-{split}-stress.json"

    def map_test(self, entry: Entry, split: str) -> Path:
        """Figures of its evidence map, as JSON."""
        return self.runs / "evaluations" / f"{entry.name}-{split}-map.json"

    def manifest(self, plan: Plan, name: str) -> Path:
        """The file of a manifest."""
        return self.runs / plan.manifests[name].folder / "manifest.parquet"

    def manifest_options(self, plan: Plan, names: tuple[str, ...]) -> list[str]:
        """`--manifest` and `--root` for each."""
        words = []
        for name in names:
            manifest = self.manifest(plan, name)
            root = manifest.parent if plan.manifests[name].films else self.films
            words += ["--manifest", str(manifest), "--root", str(root)]
        return words

    def _filled(self, words: tuple[str, ...]) -> list[str]:
        """Words of the plan with folders in place of {runs} and {films}."""
        return [word.format(runs=self.runs, films=self.films) for word in words]

    def manifest_command(self, plan: Plan, name: str) -> str:
        """Makes a manifest."""
        return plan.manifests[name].command.format(
            runs=shlex.quote(str(self.runs)), films=shlex.quote(str(self.films))
        )

    def train_command(self, plan: Plan, entry: Entry) -> str:
        """Trains it; a run that is there already goes on, or is left as it is."""
        assert entry.recipe is not None, f"{entry.name} is made of others"
        changes = [word for change in plan.changes(entry) for word in ("--set", change)]
        if entry.start is not None:
            changes += ["--start-from", str(self.run(plan.entry(entry.start)))]
        for teacher in entry.teachers:
            changes += ["--teacher", str(self.run(plan.entry(teacher)))]
        where = [*self.manifest_options(plan, entry.manifests), "--out", str(self.run(entry)), "--resume"]
        return shlex.join(["pneumoscope", "train", str(self.recipes / entry.recipe), *changes, *where])

    def export_command(self, plan: Plan, entry: Entry) -> str:
        """Makes its bundle."""
        runs = plan.runs_of(entry)
        words = ["pneumoscope", "export", *(str(self.run(run)) for run in runs)]
        words += ["--average-weights"] if entry.average else []
        words += [*self.manifest_options(plan, runs[0].manifests), "--name", entry.name]
        return shlex.join([*words, *self._filled(entry.export), "--out", str(self.bundle(entry))])

    def import_command(self, plan: Plan, entry: Entry) -> str:
        """Makes a run of its bundle, where there is none yet."""
        words = ["pneumoscope", "import-bundle", str(self.bundle(entry))]
        words += self.manifest_options(plan, entry.manifests)
        run = self.run(entry)
        made = shlex.quote(str(run / "run.json"))
        return f"test -f {made} || {shlex.join([*words, '--out', str(run)])}"

    def evaluate_command(self, plan: Plan, entry: Entry, shipped: str) -> str:
        """Measures its bundle, or the shipped one of that name, on the films of every group."""
        negatives = sorted({label for group in plan.groups for label in group.negatives})
        words = ["pneumoscope", "evaluate", self._measured(entry, shipped)]
        words += [*self.manifest_options(plan, ("pool",)), "--split", plan.split]
        words += [word for label in negatives for word in ("--negative", label)]
        out, scores = self.evaluation(entry, plan.split), self.scores(entry, plan.split)
        return shlex.join([*words, "--out", str(out), "--scores", str(scores)])

    def stress_command(self, plan: Plan, entry: Entry, shipped: str) -> str:
        """Measures its bundle again, on films changed, beside baselines, as the plan's options say."""
        words = ["pneumoscope", "evaluate", self._measured(entry, shipped)]
        words += [*self.manifest_options(plan, ("pool",)), "--split", plan.split]
        words += [*self._filled(entry.stress or ()), "--out", str(self.stress_test(entry, plan.split))]
        return shlex.join(words)

    def map_command(self, plan: Plan, entry: Entry, shipped: str) -> str:
        """Tests its map on the films on which a lesion is drawn."""
        words = ["pneumoscope", "evaluate-map", self._measured(entry, shipped)]
        words += [*self.manifest_options(plan, ("pool",)), "--split", plan.split]
        words += [word for run in plan.runs_of(entry) for word in ("--run", str(self.run(run)))]
        words += [*self._filled(entry.maps or ()), "--out", str(self.map_test(entry, plan.split))]
        return shlex.join(words)

    def _measured(self, entry: Entry, shipped: str) -> str:
        return shipped if entry.shipped else str(self.bundle(entry))

    def commands(self, plan: Plan, entry: Entry, shipped: str, *, missing: bool) -> Iterator[str]:
        """What makes an entry, from the films as downloaded on, as lines for a shell.

        Args:
            plan: that it is part of.
            entry: to make.
            shipped: name of the shipped default.
            missing: leave out what is there already.
        """
        runs = plan.training_of(entry, self._finished if missing else None)
        measured = ("pool",) if plan.views is None else ("pool", plan.views)
        wanted = (*plan.runs_of(entry), *runs)
        for name in dict.fromkeys((*measured, *(name for run in wanted for name in run.manifests))):
            if not (missing and self.manifest(plan, name).is_file()):
                yield self.manifest_command(plan, name)
        for run in runs:
            if not run.members:
                yield self.train_command(plan, run)
                continue
            if not (missing and (self.bundle(run) / "card.json").is_file()):
                yield self.export_command(plan, run)
            yield self.import_command(plan, run)
        if entry in plan.parts and not entry.members:
            return  # its run is all there is of it
        if not (entry.shipped or (missing and (self.bundle(entry) / "card.json").is_file())):
            yield self.export_command(plan, entry)
        figures = (self.evaluation(entry, plan.split), self.scores(entry, plan.split))
        if not (missing and all(path.is_file() for path in figures)):
            yield shlex.join(["mkdir", "-p", str(figures[0].parent)])
            yield self.evaluate_command(plan, entry, shipped)
        if entry.stress is not None and not (missing and self.stress_test(entry, plan.split).is_file()):
            yield self.stress_command(plan, entry, shipped)
        if entry.maps is not None and not (missing and self.map_test(entry, plan.split).is_file()):
            yield self.map_command(plan, entry, shipped)

    def _finished(self, entry: Entry) -> bool:
        """Whether its run has come to its end."""
        record = self.run(entry) / "run.json"
        return record.is_file() and json.loads(record.read_text(encoding="utf-8")).get("finished") is True

"""What the folder of the runs holds, or was kept of it: networks of a plan, each checked against its run.

Where a link from films to figures is broken, the network is left out and a sentence says why.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pneumoscope.data.composed_films import composed_from
from pneumoscope.data.manifest import ManifestRow, manifest_sha256, read_manifest
from pneumoscope.errors import BundleError, DataError
from pneumoscope.release.provenance import cohorts
from pneumoscope.release.results.commands import Places
from pneumoscope.release.results.extras import map_of, stress_of
from pneumoscope.release.results.films import Measured, read_measured
from pneumoscope.release.results.kept import Kept
from pneumoscope.release.results.plan import Entry, Plan
from pneumoscope.release.results.runs import (
    RunRecord,
    differing_keys,
    made_of,
    read_recipe,
    read_run,
    run_on_card,
    was_reopened,
)
from pneumoscope.runtime.bundle import Bundle, find_bundle, open_bundle
from pneumoscope.runtime.card import Card
from pneumoscope.runtime.provenance import Cohort
from pneumoscope.training.recipe import DataChoice, Recipe, load_recipe
from pneumoscope.training.start import open_start

__all__ = ["AtHand", "Found"]


@dataclass(frozen=True, slots=True)
class Found:
    """A network of the plan that figures can be told of.

    Attributes:
        entry: of the plan.
        measured: its scores.
        extras: "stress" and "map": what else was measured, or None.
        kept: it was not at hand, but is known from an earlier page.
    """

    entry: Entry
    measured: Measured
    extras: dict[str, Any]
    kept: bool = False


class AtHand:
    """Reads what is there and notes what is not.

    Args:
        plan: what is wanted.
        places: where it lies.
        rows: of the manifest whose films are measured.
        before: what was kept by an earlier page, if anything.

    Attributes:
        rows: of the manifest whose films are measured.
        viewed: the same films, with the views that groups go by.
        runs: that were found, by name.
        recipes: of these, and of what was made a run again.
        missing: sentences.
    """

    def __init__(self, plan: Plan, places: Places, rows: list[ManifestRow], before: Kept | None) -> None:
        self.plan, self.places, self.rows, self._before = plan, places, rows, before
        self.viewed = rows if plan.views is None else _with_views(rows, places.manifest(plan, plan.views))
        self.runs: dict[str, RunRecord] = {}
        self.recipes: dict[str, Recipe] = {}
        self.missing: list[str] = []
        self._runs_of_before: set[str] = set()
        self._digests: dict[tuple[str, ...], str] = {}

    def take(self, entry: Entry) -> Found | None:
        """Read an entry, its runs included; None, and a sentence, where it is not measured."""
        runs = [self._take_run(run) for run in self.plan.training_of(entry)]
        figures = self.places.evaluation(entry, self.plan.split)
        if (kept := self._kept(entry)) is not None:
            return kept
        if not (entry.shipped or self.places.bundle(entry).is_dir()):
            complaint = "there is no bundle of it" if all(runs) else "not trained yet"
        elif not figures.is_file():
            complaint = "not measured yet"
        else:
            complaint, measured = self._read(entry)
            if measured is not None:
                return Found(entry, measured, self._extras(entry, measured))
        self._miss(entry, complaint)
        return None

    def _kept(self, entry: Entry) -> Found | None:
        """What is known of an entry that is not at hand: no bundle, no evaluation and no newer run of it."""
        network = None if self._before is None else self._before.networks.get(entry.name)
        runs = tuple(run.name for run in self.plan.runs_of(entry))
        if (
            self._before is None
            or network is None
            or network.made_of != runs
            or self.places.evaluation(entry, self.plan.split).exists()
            or self.places.bundle(entry).exists()
            or any(name in self.recipes and name not in self._runs_of_before for name in runs)
            or (entry.shipped and network.sha256 != self._bundle(entry).sha256)
        ):
            return None
        measured = self._before.measured(entry.name, {row.path: row for row in self.viewed})
        return Found(entry, measured, {"stress": network.stress, "map": network.map}, kept=True)

    def keep(self, digest: str, found: Sequence[Found]) -> Kept:
        """All that was found, and what was kept before of the other networks of the plan.

        Args:
            digest: of the manifest.
            found: the networks.
        """
        films = tuple(row.path for row in self.rows if row.split == self.plan.split)
        before = self._before or Kept(manifest_sha256=digest, split=self.plan.split, films=films)
        networks = {
            each.entry.name: before.networks[each.entry.name]
            if each.kept
            else before.network(
                each.measured, tuple(run.name for run in self.plan.runs_of(each.entry)), each.extras
            )
            for each in found
        }
        planned = {entry.name for entry in self.plan.named}
        return before.model_copy(
            update={
                "networks": {
                    key: value for key, value in (before.networks | networks).items() if key in planned
                },
                "runs": {key: value for key, value in (before.runs | self.runs).items() if key in planned},
            }
        )

    def _read(self, entry: Entry) -> tuple[str, Measured | None]:
        """The evaluation of an entry, or why it may not be shown."""
        try:
            measured = read_measured(
                self.places.evaluation(entry, self.plan.split),
                self.places.scores(entry, self.plan.split),
                self.viewed,
                self.plan.split,
                self.plan.groups,
            )
            complaint = self._complaint(entry, self._bundle(entry), measured)
        except (DataError, BundleError) as error:
            complaint = str(error)
        return (complaint, None) if complaint else ("", measured)

    def _miss(self, entry: Entry, why: str) -> None:
        """Note it, with paths from the folder of the runs on, so that the page is the same on any machine."""
        sentence = f"{entry.title}: {why.replace(f'{self.places.runs}/', '')}"
        if sentence not in self.missing:
            self.missing.append(sentence)

    def _take_run(self, entry: Entry) -> bool:
        """Read a run; whether there is one."""
        if entry.name in self.recipes:
            return True
        if entry.recipe is None:
            return self._take_reopened(entry)
        directory = self.places.run(entry)
        if self._before is not None and entry.name in self._before.runs and not directory.exists():
            self._runs_of_before.add(entry.name)
            self._enter(entry, self._before.runs[entry.name])
            return True
        try:
            if not (directory / "run.json").is_file() or was_reopened(directory):
                return self._take_from_card(entry)
            run = read_run(directory)
        except DataError as error:
            self._miss(entry, str(error))
            return False
        self._enter(entry, run)
        if not run.finished:
            self._miss(entry, "its run did not reach its end")
        if run.started_from != self._start_of(entry):
            self._miss(entry, "its run did not start from the weights that the plan names")
        if run.taught_by != tuple(map(self._weights_of, entry.teachers)):
            self._miss(entry, "its run was not taught by the networks that the plan names")
        return True

    def _take_from_card(self, entry: Entry) -> bool:
        """Read of a run that is not at hand what the shipped bundle's card tells of it; whether it does.

        Raises:
            DataError: that card is of another version.
        """
        made = [other for other in self.plan.ladder if other.shipped and other.members == (entry.name,)]
        run = run_on_card(entry.name, self._bundle(made[0]).card) if made else None
        if run is None:
            if entry.shipped or entry in self.plan.parts:
                self._miss(entry, "its run is not at hand, so that its cost is not told")
            return False
        self._miss(entry, "its run is not at hand: its cost is what the card of its bundle tells")
        self._enter(entry, run)
        return True

    def _enter(self, entry: Entry, run: RunRecord) -> None:
        """Take a run, and note what of its recipe is not as planned."""
        self.runs[entry.name] = run
        self.recipes[entry.name] = run.recipe
        keys = differing_keys(run.recipe, self.planned_recipe(entry))
        if keys:
            self._miss(entry, f"its run was not made by the command below: {', '.join(keys)} differ")

    def planned_recipe(self, entry: Entry) -> Recipe:
        """The recipe that the plan names for it, with its changes."""
        assert entry.recipe is not None, f"{entry.name} is made of others"
        return load_recipe(self.places.recipes / entry.recipe, self.plan.changes(entry))

    def teachers_of(self, run: RunRecord) -> list[Recipe]:
        """Recipes of the networks that taught it, as they were made or else as they are planned."""
        return [
            self.recipes.get(name) or self.planned_recipe(self.plan.entry(name))
            for name in self.plan.entry(run.name).teachers
        ]

    def _take_reopened(self, entry: Entry) -> bool:
        """Read the recipe of a bundle that was made a run again; whether there is one."""
        try:
            self.recipes[entry.name] = read_recipe(self.places.run(entry))
        except DataError as error:
            self._miss(entry, str(error))
            return False
        return True

    def _start_of(self, entry: Entry) -> str | None:
        """Hash of the weights that its training is to start from, None for none."""
        return None if entry.start is None else self._weights_of(entry.start)

    def _weights_of(self, name: str) -> str:
        """Hash of the weights that an entry's run kept; empty where it is not known."""
        if name in self._runs_of_before:
            return self.runs[name].weights_sha256 or ""
        try:
            return open_start(self.places.run(self.plan.entry(name))).weights_sha256
        except DataError:
            return ""

    def _bundle(self, entry: Entry) -> Bundle:
        return open_bundle(find_bundle() if entry.shipped else self.places.bundle(entry))

    def _complaint(self, entry: Entry, bundle: Bundle, measured: Measured) -> str:
        """Why figures of this entry may not be shown: a link of the chain from films to figures is broken."""
        if measured.sha256 != bundle.sha256:
            return "its evaluation is of another bundle: evaluate again"
        if measured.thresholds[self.plan.operating_point] != (
            bundle.card.operating_points[self.plan.operating_point].threshold
        ):
            return "its evaluation used another threshold than its card states: evaluate again"
        if bundle.card.training_manifest_sha256 != self._digest(entry):
            if not (entry.shipped and self._same_cohorts(bundle.card)):
                return (
                    "it was trained on another manifest, so that films measured here may have been trained on"
                )
            self._miss(
                entry,
                "the films that were made for its training are not at hand, and those made again have "
                "another hash. In every source and split that its card tells of there are as many films, "
                "known patients and films of each label as here",
            )
        names = [run.name for run in self.plan.runs_of(entry)]
        recipes = [self.recipes[name] for name in names if name in self.recipes]
        if len(recipes) == len(names) and not made_of(bundle.card.recipe, recipes, average=entry.average):
            return "its bundle was not made from its run: export again"
        return ""

    def _same_cohorts(self, card: Card) -> bool:
        """Whether a card tells of as many films, patients and labels of the films measured as there are.

        Films that were made of others are left out: lungs found on another machine differ by a grey.
        """
        told = [cohort for cohort in card.cohorts if composed_from(cohort.source) is None]
        data = DataChoice(targets=dict.fromkeys({label for cohort in told for label in cohort.labels}, 0))
        asked = {(cohort.source, cohort.split) for cohort in told}
        here = {(cohort.source, cohort.split): cohort for cohort in cohorts(self.rows, data, measured=asked)}
        return bool(told) and all(
            _counts(cohort) == _counts(here.get((cohort.source, cohort.split))) for cohort in told
        )

    def _digest(self, entry: Entry) -> str:
        """Hash of the manifests that it is planned to be trained on."""
        names = self.plan.runs_of(entry)[0].manifests
        if names not in self._digests:
            parts = [
                self.rows if name == "pool" else read_manifest(self.places.manifest(self.plan, name))
                for name in names
            ]
            self._digests[names] = manifest_sha256([row for part in parts for row in part])
        return self._digests[names]

    def _extras(self, entry: Entry, measured: Measured) -> dict[str, Any]:
        """What was asked of an entry beside its figures; what is not there or cannot be read is noted."""
        told: dict[str, Any] = {}
        asked = (
            ("stress", stress_of, self.places.stress_test, entry.stress, "it was not put to stress"),
            ("map", map_of, self.places.map_test, entry.maps, "its map was not tested"),
        )
        for name, read, place, options, complaint in asked:
            told[name] = None
            try:
                told[name] = read(place(entry, self.plan.split), measured.sha256)
            except DataError as error:
                self._miss(entry, str(error))
            else:
                if told[name] is None and options is not None:
                    self._miss(entry, complaint)
        return told

    def was_left_out(self, found: Found) -> bool:
        """Whether its run was trained on none of the sources that it is said to be without."""
        run = self.runs.get(found.entry.name)
        if run is None or run.recipe.data.sources is None:
            self._miss(found.entry, "its run names no data.sources, so that nothing is known to be left out")
            return False
        seen = sorted(
            source
            for source in run.recipe.data.sources
            if (composed_from(source) or source) in found.entry.without
        )
        if seen:
            self._miss(found.entry, f"it was trained on {', '.join(seen)} after all")
        return not seen


def _counts(cohort: Cohort | None) -> tuple[int, int, int, dict[str, int]] | None:
    """Films, known patients, films of unknown patients and films by label."""
    if cohort is None:
        return None
    return cohort.films, cohort.known_patients, cohort.films_of_unknown_patients, dict(cohort.labels)


def _with_views(rows: Sequence[ManifestRow], manifest: Path) -> list[ManifestRow]:
    """The rows, each with the view that another manifest of the same films states.

    Raises:
        DataError: it cannot be read, or lacks a film.
    """
    views = {row.path: row.view for row in read_manifest(manifest)}
    lacking = next((row.path for row in rows if row.path not in views), None)
    if lacking is not None:
        raise DataError(f"{manifest} lacks {lacking}: write it again by pneumoscope data views")
    return [replace(row, view=views[row.path]) for row in rows]

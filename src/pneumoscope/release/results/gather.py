"""From run directories, bundles and evaluations to all that a page of results tells, as plain values.

Nothing is invented: what is not there, or does not fit together, is left out and named.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pneumoscope.data.manifest import ManifestRow, manifest_sha256, read_manifest
from pneumoscope.evaluation.summary import GroupSummary
from pneumoscope.release.results.at_hand import AtHand, Found
from pneumoscope.release.results.commands import Places
from pneumoscope.release.results.films import compare, group_figures, in_group, tells_view
from pneumoscope.release.results.kept import Kept, read_kept
from pneumoscope.release.results.plan import Group, Plan
from pneumoscope.release.results.values import comparison_of, cost_of, figures_of, films_of
from pneumoscope.runtime.bundle import find_bundle

__all__ = ["Gathered", "gather_results"]

# The same commands on every machine.
_DOCUMENTED = Places(runs=Path("runs"), recipes=Path("recipes"), films=Path("DIR"))


class Gathered(NamedTuple):
    """What a page tells, and the measurements that it can be written from again.

    Attributes:
        told: all figures, as plain dicts, lists and numbers.
        kept: every network and run that they are of.
    """

    told: dict[str, Any]
    kept: Kept


def gather_results(plan: Plan, places: Places, keep: Path | None = None) -> Gathered:
    """All figures of a plan.

    Args:
        plan: what is wanted.
        places: where it lies.
        keep: file of measurements that were kept; networks that are not at hand are taken from it.

    Raises:
        DataError: the manifest that everything is measured on, or `keep`, cannot be read, or they do not fit
            together.
        RecipeError: a recipe of the plan cannot be read.
    """
    rows = read_manifest(places.manifest(plan, "pool"))
    digest = manifest_sha256(rows)
    before = None if keep is None else read_kept(keep, digest, plan.split)
    at_hand = AtHand(plan, places, rows, before)
    ladder = [found for entry in plan.ladder if (found := at_hand.take(entry)) is not None]
    left_out = [found for entry in plan.left_out if (found := at_hand.take(entry)) is not None]
    tables = _Tables(plan, at_hand.viewed)
    told = {
        "title": plan.title,
        "introduction": list(plan.introduction),
        "split": plan.split,
        "operating_point": plan.operating_point,
        "manifest_sha256": digest,
        "films": films_of(rows),
        "entries": {entry.name: entry.title for entry in plan.named},
        "groups": [tables.table(group, ladder) for group in plan.groups],
        "view_tests": [tables.view_test(found) for found in ladder] if plan.view_tests else [],
        "reported": [row.model_dump() for row in plan.reported],
        "reported_note": plan.reported_note,
        "timed": plan.timed,
        "costs": [cost_of(run, at_hand.teachers_of(run)) for run in at_hand.runs.values()],
        "members": {entry.name: list(entry.members) for entry in plan.entries if entry.members},
        "points": [tables.points(found) for found in ladder if found.entry.shipped],
        "comparisons": tables.comparisons(ladder),
        "left_out": tables.left_out(ladder, [found for found in left_out if at_hand.was_left_out(found)]),
        "left_out_note": plan.left_out_note,
        "extras": [{"entry": found.entry.name, **found.extras} for found in ladder],
        "bundles": {
            found.entry.name: {"model": found.measured.model, "sha256": found.measured.sha256}
            for found in (*ladder, *left_out)
        },
        "missing": at_hand.missing,
        "kept": [found.entry.name for found in (*ladder, *left_out) if found.kept],
        "commands": {
            entry.name: list(_DOCUMENTED.commands(plan, entry, find_bundle().name, missing=False))
            for entry in plan.entries
        },
    }
    return Gathered(told, at_hand.keep(digest, (*ladder, *left_out)))


class _Tables:
    """The tables of a page, from networks that were found.

    Args:
        plan: what is wanted.
        viewed: rows of the manifest whose films are measured, with the views that groups go by.
    """

    def __init__(self, plan: Plan, viewed: Sequence[ManifestRow]) -> None:
        self.plan, self.viewed = plan, viewed

    def table(self, group: Group, found: Sequence[Found]) -> dict[str, Any]:
        """Figures of one group of films, one row per entry."""
        rows = [
            {"entry": each.entry.name, **self._figures(summary)}
            for each in found
            if (summary := self._summary(each, group)) is not None
        ]
        trained = any(row.split == "train" and in_group(row, group) for row in self.viewed)
        return {"name": group.name, "note": group.note, "trained": trained, "rows": rows}

    def _summary(self, found: Found, group: Group) -> GroupSummary | None:
        return group_figures(found.measured, group, [self.plan.operating_point])

    def _figures(self, summary: GroupSummary) -> dict[str, Any]:
        return figures_of(summary, self.plan.operating_point)

    def view_test(self, found: Found) -> dict[str, Any]:
        """How well the score of one entry tells AP from PA, asked as the plan asks."""
        told: dict[str, Any] = {"entry": found.entry.name, "films": {}, "aucs": {}}
        for asked in self.plan.view_tests:
            answer = tells_view(found.measured, asked)
            told["films"][asked.name] = 0 if answer is None else answer[0]
            told["aucs"][asked.name] = None if answer is None else answer[1].model_dump()
        return told

    def points(self, found: Found) -> dict[str, Any]:
        """Sensitivity and specificity of one entry at each of its operating points, group by group."""
        rows = [
            {"group": group.name, "point": point, **figures_of(summary, point)}
            for group in self.plan.groups
            if (summary := group_figures(found.measured, group, found.measured.thresholds)) is not None
            for point in found.measured.thresholds
        ]
        return {"entry": found.entry.name, "rows": rows}

    def comparisons(self, found: Sequence[Found]) -> list[dict[str, Any]]:
        """The pairs of the plan that were measured, on every group."""
        by_name = {each.entry.name: each for each in found}
        return [
            {"first": pair.first, "second": pair.second, "group": group.name, **tested}
            for pair in self.plan.comparisons
            if pair.first in by_name and pair.second in by_name
            for group in self.plan.groups
            if (tested := self._compare(by_name[pair.first], by_name[pair.second], group)) is not None
        ]

    def _compare(self, first: Found, second: Found, group: Group) -> dict[str, Any] | None:
        result = compare(first.measured, second.measured, group, self.plan.operating_point)
        return None if result is None else comparison_of(*result)

    def left_out(self, ladder: Sequence[Found], found: Sequence[Found]) -> list[dict[str, Any]]:
        """Every entry that was trained without some sources, on the films of those.

        Args:
            ladder: with the network that they are compared with, if it was found.
            found: networks that were trained without some sources.
        """
        reference = next((each for each in ladder if each.entry.name == self.plan.reference), None)
        return [
            self._left_out(each, group, reference)
            for each in found
            for group in self.plan.groups
            if group.sources is not None and set(group.sources) <= set(each.entry.without)
        ]

    def _left_out(self, found: Found, group: Group, reference: Found | None) -> dict[str, Any]:
        row: dict[str, Any] = {"entry": found.entry.name, "group": group.name}
        summary = self._summary(found, group)
        assert summary is not None, "every film of every group was measured"
        row |= self._figures(summary)
        if reference is not None:
            trained = self._summary(reference, group)
            assert trained is not None, "every film of every group was measured"
            row |= {"reference": self._figures(trained)}
            row |= {"difference": self._compare(found, reference, group)}
        return row

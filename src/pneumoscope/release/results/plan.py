"""The plan of a page of results: which networks are measured, and on which films."""

from collections.abc import Callable
from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pneumoscope.errors import UsageError
from pneumoscope.runtime.card import OperatingPointName

__all__ = ["Entry", "Group", "Pair", "Plan", "PlannedManifest", "Reported", "ViewTest", "load_plan"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _checked_braces(text: str) -> str:
    try:
        text.format(runs="", films="")
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError("only {runs} and {films} may stand in braces") from error
    return text


class PlannedManifest(_Section):
    """A manifest and where its films lie.

    Attributes:
        folder: that holds manifest.parquet, relative to the folder of the runs.
        films: they lie in that folder too; else they are those that were downloaded.
        command: that makes it, where {runs} and {films} stand for folders.
    """

    folder: str
    films: bool = False
    command: str

    @field_validator("command")
    @classmethod
    def _names_known_folders(cls, command: str) -> str:
        return _checked_braces(command)


class Group(_Section):
    """Films that figures are given for.

    Attributes:
        name: heading of its table.
        note: what a reader must know of it.
        sources: only films of these; None for all.
        populations: only films of these; None for all.
        views: only films of these; None for all.
        negatives: labels that count as no pneumonia; films of other labels are left out.
    """

    name: str
    note: str = ""
    sources: tuple[str, ...] | None = None
    populations: tuple[str, ...] | None = None
    views: tuple[str, ...] | None = None
    negatives: tuple[str, ...] = ("NORMAL",)


class ViewTest(_Section):
    """Films of one label, of which the score must not tell how they were made.

    Attributes:
        name: of its column.
        sources: of the films.
        label: of the films.
    """

    name: str
    sources: tuple[str, ...]
    label: str


class Entry(_Section):
    """One network, or what is made of several: an ensemble, or the average of their weights.

    Attributes:
        name: of its run directory, its bundle and its evaluation.
        title: in the tables.
        recipe: file name among the recipes; None where it has members.
        budget: name of a list of changes to the recipe, which comes before `set`.
        set: further changes, as `pneumoscope train --set` takes them.
        start: name of the entry whose weights its training starts from; None for those of the recipe. Where
            that has members, its bundle is made a run again.
        teachers: names of the entries whose judgement it learns.
        members: names of the entries that it is made of.
        average: of the members' weights; else they are an ensemble.
        manifests: names of the manifests that it is trained on; where its bundle is made a run again, of the
            films on which statistics are measured.
        export: further options of `pneumoscope export`; {runs} and {films} stand for folders, here and below.
        stress: options of a second `pneumoscope evaluate`, such as --stress; None where there is none.
        maps: further options of `pneumoscope evaluate-map`; None where its map is not tested.
        shipped: what is measured is the shipped default; it is not exported again.
        without: sources that it has not been trained on, for the table of sources left out.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    recipe: str | None = None
    budget: str | None = None
    set: tuple[str, ...] = ()
    start: str | None = None
    teachers: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    average: bool = False
    manifests: tuple[str, ...] = ("pool",)
    export: tuple[str, ...] = ()
    stress: tuple[str, ...] | None = None
    maps: tuple[str, ...] | None = None
    shipped: bool = False
    without: tuple[str, ...] = ()

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the entries that must be made before it."""
        return (*self.members, *self.teachers, *(() if self.start is None else (self.start,)))

    @field_validator("export", "stress", "maps")
    @classmethod
    def _name_known_folders(cls, words: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if words is None else tuple(map(_checked_braces, words))

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.recipe is None) == (not self.members):
            raise ValueError("an entry has either a recipe or members")
        if self.average and not self.members:
            raise ValueError("only an entry with members is an average")
        if self.members and (self.start is not None or self.teachers):
            raise ValueError("only an entry with a recipe starts from another one, or has teachers")
        return self


class Pair(_Section):
    """Two entries that are compared film by film, first minus second."""

    first: str
    second: str


class Reported(_Section):
    """Figures that somebody else published, without an interval."""

    title: str
    auc: float
    accuracy: float
    f1: float


class Plan(_Section):
    """All that the page tells.

    Attributes:
        title: of the page.
        introduction: paragraphs below it.
        split: that everything is measured on.
        operating_point: that findings are made at.
        manifests: by name; "pool" is the one whose films are measured.
        views: name of a manifest of the same films that knows their views better; None for the pool's own.
        budgets: changes to a recipe, by name.
        timed: seconds of training are told; not where the machine did other work meanwhile.
        groups: films that figures are given for; the first two are those of the ladder's tables.
        view_tests: films of which it is told whether the score tells their view.
        reported: figures of others, and in `reported_note` whose and on what.
        ladder: networks, in the order of the tables.
        comparisons: between them.
        reference: entry that the networks of `left_out` are compared with.
        parts: networks that others are made of or start from; they are trained, and not measured themselves.
        left_out: networks that were trained without some sources.
        left_out_note: what a reader must know of them.
    """

    title: str
    introduction: tuple[str, ...] = ()
    split: str = "test"
    operating_point: OperatingPointName = "balanced"
    manifests: dict[str, PlannedManifest]
    views: str | None = None
    budgets: dict[str, tuple[str, ...]] = {}
    timed: bool = True
    groups: tuple[Group, ...] = Field(min_length=1)
    view_tests: tuple[ViewTest, ...] = ()
    reported: tuple[Reported, ...] = ()
    reported_note: str = ""
    ladder: tuple[Entry, ...] = Field(min_length=1)
    parts: tuple[Entry, ...] = ()
    comparisons: tuple[Pair, ...] = ()
    reference: str | None = None
    left_out: tuple[Entry, ...] = ()
    left_out_note: str = ""

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        if "pool" not in self.manifests:
            raise ValueError("manifests: there must be one called 'pool', whose films are measured")
        if self.views is not None and self.views not in self.manifests:
            raise ValueError(f"views: there is no manifest {self.views!r}")
        names = [entry.name for entry in self.named]
        if len(set(names)) < len(names):
            raise ValueError("two entries have one name")
        wanted = [name for entry in self.named for name in entry.needs]
        wanted += [name for pair in self.comparisons for name in (pair.first, pair.second)]
        wanted += [] if self.reference is None else [self.reference]
        for unknown in sorted(set(wanted) - set(names)):
            raise ValueError(f"there is no entry {unknown!r}")
        for entry in self.named:
            needed = set(entry.needs)
            while more := {name for need in needed for name in self.entry(need).needs} - needed:
                needed |= more
            if entry.name in needed:
                raise ValueError(f"{entry.name} is made of itself, starts from itself or teaches itself")
            for other in map(self.entry, (*entry.teachers, *((entry.start,) if entry.start else ()))):
                if len(other.members) > 1 and not other.average:
                    raise ValueError(
                        f"{entry.name} cannot start or learn from {other.name}: an ensemble is not one "
                        "network"
                    )
        for entry in self.named:
            for unknown in sorted(set(entry.manifests) - set(self.manifests)):
                raise ValueError(f"{entry.name}: there is no manifest {unknown!r}")
            if entry.budget is not None and entry.budget not in self.budgets:
                raise ValueError(f"{entry.name}: there is no budget {entry.budget!r}")
        return self

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All that are measured, the ladder first."""
        return (*self.ladder, *self.left_out)

    @property
    def named(self) -> tuple[Entry, ...]:
        """All, in the order in which a reader meets them."""
        return (*self.parts, *self.entries)

    def entry(self, name: str) -> Entry:
        """The entry of this name.

        Raises:
            UsageError: there is none.
        """
        for entry in self.named:
            if entry.name == name:
                return entry
        known = ", ".join(entry.name for entry in self.named)
        raise UsageError(f"the plan has no entry {name!r}: it has {known}")

    def runs_of(self, entry: Entry) -> tuple[Entry, ...]:
        """Entries whose run directories it is made from: its members, or itself."""
        return tuple(self.entry(name) for name in entry.members) or (entry,)

    def training_of(self, entry: Entry, there: Callable[[Entry], bool] | None = None) -> tuple[Entry, ...]:
        """Entries whose run directories are made for it, each after those that it needs.

        Args:
            entry: whose bundle is wanted.
            there: whether a run directory is there; it is left out then, with all that only it needs.
        """
        made: list[Entry] = []

        def add(run: Entry) -> None:
            if run in made or (there is not None and there(run)):
                return
            for name in run.needs:
                add(self.entry(name))
            made.append(run)

        for run in self.runs_of(entry):
            add(run)
        return tuple(made)

    def changes(self, entry: Entry) -> tuple[str, ...]:
        """All changes to its recipe, as `--set` takes them."""
        return (*(self.budgets[entry.budget] if entry.budget else ()), *entry.set)


def load_plan(path: Path) -> Plan:
    """Read a plan.

    Raises:
        UsageError: it cannot be read, or a key is unknown or holds an impossible value.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be opened ({error.strerror}); check the path") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is no YAML file: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise UsageError(f"{path}: is no plan: it must hold keys such as title, manifests and ladder")
    try:
        return Plan.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"{path}: {f'{key}: ' if key else ''}{message}") from error

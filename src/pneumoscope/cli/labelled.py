"""Films whose truth is known, as `evaluate` and `recalibrate` are told of them."""

import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pneumoscope.errors import UsageError

if TYPE_CHECKING:
    from pneumoscope.data.joined import JoinedManifests
    from pneumoscope.evaluation.films import LabelledFilm

__all__ = [
    "AskedFilms",
    "LabelledArgument",
    "NegativeOption",
    "PositiveOption",
    "SomeManifestsOption",
    "SomeRootsOption",
    "SomeSourcesOption",
    "SplitOption",
    "ask_films",
    "targets_of",
]

LabelledArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="FOLDER|CSV",
        help="A folder with NORMAL and PNEUMONIA, or a csv with "
        "path,label[,patient,source,view,age,population].",
    ),
]
SomeManifestsOption = Annotated[
    list[Path] | None,
    typer.Option("--manifest", metavar="FILE", help="Instead: the films of a manifest. May be repeated."),
]
SomeRootsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--root", metavar="DIR", help="The manifest's paths are relative to it; one for each manifest."
    ),
]
SplitOption = Annotated[
    str | None, typer.Option("--split", help="Of the manifest: train, validation or test.")
]
SomeSourcesOption = Annotated[
    list[str] | None,
    typer.Option("--source", metavar="NAME", help="Of the manifest: only these sources."),
]
PositiveOption = Annotated[
    list[str] | None,
    typer.Option(
        "--positive", metavar="LABEL", help="Labels that count as pneumonia.", show_default="PNEUMONIA"
    ),
]
NegativeOption = Annotated[
    list[str] | None,
    typer.Option("--negative", metavar="LABEL", help="Labels that count as none.", show_default="NORMAL"),
]


def targets_of(positive: list[str] | None, negative: list[str] | None) -> dict[str, int]:
    """Target of each label, in capitals: 1 counts as pneumonia.

    Raises:
        UsageError: a label counts as both.
    """
    without = [label.upper() for label in negative or ["NORMAL"]]
    ill = [label.upper() for label in positive or ["PNEUMONIA"]]
    for label in ill:
        if label in without:
            raise UsageError(f"{label} cannot count as pneumonia and as none: name it once")
    return dict.fromkeys(without, 0) | dict.fromkeys(ill, 1)


@dataclass(frozen=True, slots=True)
class AskedFilms:
    """The films of the one place that was named.

    Attributes:
        films: with their truth.
        targets: of each label.
        described: where they come from and what counts as what, for a report.
        joined: the manifests, where that is the place.
        split: of them.
    """

    films: "list[LabelledFilm]"
    targets: dict[str, int]
    described: dict[str, Any]
    joined: "JoinedManifests | None" = None
    split: str = ""


def ask_films(
    data: Path | None,
    manifests: list[Path] | None,
    roots: list[Path] | None,
    split: str | None,
    sources: list[str] | None,
    targets: dict[str, int],
) -> AskedFilms:
    """Find the films that a command line names.

    Args:
        data: a folder with a subfolder per label, or a csv; or None, and then
        manifests: with
        roots: of their paths,
        split: of them, and
        sources: perhaps.
        targets: of each label.

    Raises:
        UsageError: not one place is named, it holds no film, or no film of it has a label that was named.
        DataError: a csv or a manifest cannot be read.
    """
    from pneumoscope.evaluation.films import csv_films, folder_films, manifest_films

    described = {
        name: [label for label, target in targets.items() if target == value]
        for name, value in (("positive", 1), ("negative", 0))
    }
    if data is not None:
        belonging = {"manifest": manifests, "root": roots, "split": split, "source": sources}
        for option, value in belonging.items():
            if value:
                raise UsageError(f"--{option} belongs to a manifest: leave it out, or leave {data} out")
        if data.is_dir():
            return AskedFilms(
                folder_films(data, targets=targets), targets, {"folder": data.name, **described}
            )
        if data.is_file():
            listed = csv_films(data, targets=targets)
            _check_labels(targets, listed.labels, data.name)
            for label in sorted(listed.labels.keys() - targets.keys()):
                print(f"{data}: left out, since labelled {label}: {listed.labels[label]}", file=sys.stderr)
            return AskedFilms(listed.films, targets, {"table": data.name, **described})
        raise UsageError(f"{data} does not exist: name a folder with NORMAL and PNEUMONIA, or a csv")
    if not manifests or not roots or split is None:
        raise UsageError("name films to measure: a folder, a csv, or --manifest, --root and --split together")
    from pneumoscope.data.joined import join_manifests
    from pneumoscope.data.manifest import manifest_sha256

    joined = join_manifests(manifests, roots)
    _check_labels(targets, {row.label for row in joined.rows if row.label}, "the manifest")
    films = manifest_films(joined.rows, joined.root, split, sources=sources, targets=targets)
    where = {"split": split, **described, "manifest_sha256": manifest_sha256(joined.rows)}
    return AskedFilms(films, targets, where, joined, split)


def _check_labels(targets: dict[str, int], carried: Collection[str], place: str) -> None:
    """Refuse a label, other than those that go without saying, that nobody wrote down."""
    from pneumoscope.evaluation.films import DEFAULT_TARGETS

    for label in targets:
        if label not in carried and label not in DEFAULT_TARGETS:
            there = ", ".join(sorted(carried))
            raise UsageError(f"no film of {place} is labelled {label}: there are {there}")

"""`pneumoscope data`: sources, fetch, build and check; the other verbs are in files of their own."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscope.cli.data_audit import audit, cache
from pneumoscope.cli.data_guard import guard
from pneumoscope.cli.data_opacities import opacities
from pneumoscope.cli.data_transplant import transplant
from pneumoscope.cli.data_views import views
from pneumoscope.cli.options import ProcessesOption
from pneumoscope.errors import UsageError

if TYPE_CHECKING:
    from pneumoscope.data.check import FolderCheck
    from pneumoscope.data.flow import Flow

__all__ = ["app", "build", "check", "fetch", "sources"]

_PROBLEMS_FOUND = 3
_PATHS_SHOWN = 3
_PROBLEMS_SHOWN = 20

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Data sets: from folders to a manifest.")


class _Format(StrEnum):
    TABLE = "table"
    JSON = "json"


Format = Annotated[_Format, typer.Option("--format", help="For a person or for a program.")]


@app.command()
def sources(output: Format = _Format.TABLE) -> None:
    """List the data sets that can be read as downloaded, with labels, patients, licence and address."""
    from dataclasses import asdict

    from pneumoscope.data.sources import SOURCES

    if output is _Format.JSON:
        declared = [asdict(source) for source in SOURCES]
        for record in declared:
            del record["claim"]
        typer.echo(json.dumps(declared, indent=2))
        return
    for source in SOURCES:
        typer.echo(f"{source.name}: {source.title}")
        words = ", ".join(f"{theirs} -> {ours}" for theirs, ours in source.labels.items()) or "none"
        lines = {
            "films": "; ".join(source.layout),
            "labels": f"{words} ({source.label_origin})",
            "patient": source.patient_key,
            "people": source.population + ("; held out, for testing only" if source.held_out else ""),
            "beware": source.caveat or "-",
            "licence": source.licence,
            "cite": source.citation,
            "home": source.url or "-",
            "get it": f"pneumoscope data fetch {source.name} --to DIR"
            if source.downloads
            else source.account,
        }
        for heading, line in lines.items():
            typer.echo(f"  {heading:8} {line}")


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A data set, as `data sources` lists it.")],
    to: Annotated[Path, typer.Option("--to", help="Folder for the downloaded files.")],
) -> None:
    """Download a data set, going on where an earlier download broke off."""
    from pneumoscope.data.fetch import fetch_source
    from pneumoscope.data.sources import find_source

    source = find_source(name)
    with _byte_bar() as progress:
        files = fetch_source(source, to, progress=progress)
    for file in files:
        typer.echo(f"{file}: complete, SHA-256 noted in {file.name}.sha256")
    typer.echo(f"Unpack into a folder named {source.name}, so that films lie in {'; '.join(source.layout)}.")
    typer.echo(f"Licence: {source.licence}. Cite {source.citation}.")


@app.command()
def build(
    root: Annotated[Path, typer.Option("--root", help="Folder that holds the data sets.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for manifest.parquet, flow.html and flow.json.")],
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--source",
            metavar="NAME=FOLDER",
            help="Where a data set lies under the root, if not in a folder of its own name. May be repeated.",
        ),
    ] = None,
    workers: ProcessesOption = None,
    seed: Annotated[int, typer.Option("--seed", help="Draws another split.")] = 0,
    force: Annotated[
        bool, typer.Option("--force", help="Look again at files seen by an earlier run.")
    ] = False,
) -> None:
    """Read every file, find copies, join patients, and split: one row per file found, used or not."""
    from pneumoscope.data.build import build_rows
    from pneumoscope.data.flow import flow_of, write_flow
    from pneumoscope.data.manifest import write_manifest

    with _file_bar("looking at files") as progress:
        pool = build_rows(
            root,
            out,
            folders=_folders(source or []),
            workers=workers or os.cpu_count() or 1,
            seed=seed,
            afresh=force,
            progress=progress,
        )
    flow = flow_of(pool, seed=seed)
    write_flow(flow, out)
    write_manifest(pool.rows, out / "manifest.parquet")
    _show_flow(flow)
    typer.echo(f"Wrote {out / 'manifest.parquet'}; read {out / 'flow.html'}")


@app.command()
def check(
    path: Annotated[
        Path, typer.Argument(help="A folder of films; LABEL folders or films.csv are understood.")
    ],
    output: Format = _Format.TABLE,
    workers: ProcessesOption = None,
) -> None:
    """Check your own folder before you train or score: damage, copies, label conflicts, telling shapes.

    Exit status 3 if there is something to look at.
    """
    from dataclasses import asdict

    from pneumoscope.data.check import check_folder

    with _file_bar("looking at files") as progress:
        found = check_folder(path, workers=workers or os.cpu_count() or 1, progress=progress)
    if output is _Format.JSON:
        typer.echo(json.dumps(asdict(found), indent=2, ensure_ascii=False))
    else:
        _show_check(found)
    if found.problems:
        raise typer.Exit(_PROBLEMS_FOUND)


app.command()(audit)
app.command()(cache)
app.command()(guard)
app.command()(opacities)
app.command()(transplant)
app.command()(views)


def _folders(given: list[str]) -> dict[str, str]:
    """NAME=FOLDER options as a mapping."""
    folders: dict[str, str] = {}
    for option in given:
        name, equals, folder = option.partition("=")
        if not (name and equals and folder):
            raise UsageError(f"--source {option}: write NAME=FOLDER, such as kermany=downloads/chest")
        folders[name] = folder
    return folders


def _show_flow(flow: "Flow") -> None:
    """The numbers of a build for a person."""
    typer.echo(
        f"{flow.files} files found, {flow.readable} readable films, {flow.distinct} distinct, "
        f"{flow.used} used"
    )
    for source, counts in flow.fates.items():
        typer.echo(f"  {source:22} " + ", ".join(f"{count} {fate}" for fate, count in counts.items()))
    if flow.problems:
        path, reason = flow.problems[0]
        typer.echo(f"{len(flow.problems)} files with a problem, the first: {path}: {reason}")


def _show_check(found: "FolderCheck") -> None:
    """The findings of a check for a person, the first of each kind."""
    labels = ", ".join(f"{count} {label}" for label, count in found.labels.items()) or "none"
    typer.echo(f"{found.files} files, {found.films} readable films: {labels}")
    kinds = list(dict.fromkeys(problem.kind for problem in found.problems))
    for kind in kinds:
        of_kind = [problem for problem in found.problems if problem.kind == kind]
        typer.echo(f"{kind}: {len(of_kind)}")
        for problem in of_kind[:_PROBLEMS_SHOWN]:
            paths = ", ".join(problem.paths[:_PATHS_SHOWN])
            more = (
                f" and {len(problem.paths) - _PATHS_SHOWN} more" if len(problem.paths) > _PATHS_SHOWN else ""
            )
            typer.echo(f"  {paths}{more}{': ' if paths else ''}{problem.words}")
        if len(of_kind) > _PROBLEMS_SHOWN:
            typer.echo(f"  and {len(of_kind) - _PROBLEMS_SHOWN} more; --format json lists all")
    if not kinds:
        typer.echo("Nothing found that speaks against using this folder.")


@contextmanager
def _file_bar(description: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, only where that is a terminal; yields a function of (done, in all)."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def _byte_bar() -> Iterator[Callable[[str, int, int | None], None]]:
    """As above for downloads; yields a function of (file name, bytes here, bytes in all)."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("connecting", total=None)
        yield lambda name, here, total: bar.update(task, description=name, completed=here, total=total)

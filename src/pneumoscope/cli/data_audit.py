"""`pneumoscope data cache` and `pneumoscope data audit`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscope.cli.options import ProcessesOption
from pneumoscope.errors import UsageError

if TYPE_CHECKING:
    from pneumoscope.image.prepare import PrepareParameters

__all__ = ["audit", "cache", "file_bar"]

Manifests = Annotated[
    list[Path],
    typer.Option("--manifest", help="manifest.parquet, as `data build` wrote it. May be repeated."),
]
Roots = Annotated[
    list[Path],
    typer.Option("--root", help="Folder that the manifest's paths are relative to; one for each manifest."),
]


@contextmanager
def file_bar(description: str) -> Iterator[Callable[[str, int, int], None]]:
    """A bar on standard error, only where that is a terminal; yields a function of (what, done, total)."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(description, total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)


def _parameters(recipe: Path | None, options: dict[str, int | str | None]) -> "list[PrepareParameters]":
    """Prepare parameters of every stage of a recipe, or those that the options name."""
    from pydantic import ValidationError

    from pneumoscope.image.prepare import PrepareParameters

    given = {name: value for name, value in options.items() if value is not None}
    if recipe is not None:
        if given:
            raise UsageError(f"--recipe says how films are prepared; leave out --{', --'.join(given)}")
        from pneumoscope.training.recipe import load_recipe

        loaded = load_recipe(recipe)
        stages = [loaded.stage_prepare(stage) for stage in range(len(loaded.stages))]
        return list(dict.fromkeys([*stages, loaded.prepare]))
    try:
        return [PrepareParameters.model_validate(given)]
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"--{first['loc'][0]} {first['input']}: {first['msg'].lower()}") from error


def cache(
    manifest: Manifests,
    root: Roots,
    out: Annotated[
        Path, typer.Option("--out", help="Folder for caches; each takes a folder of its own in it.")
    ],
    recipe: Annotated[
        Path | None,
        typer.Option("--recipe", help="Prepare as this training recipe asks, for all its stages."),
    ] = None,
    size: Annotated[
        int | None, typer.Option("--size", help="Height and width of the plates, pixels.")
    ] = None,
    fit: Annotated[str | None, typer.Option("--fit", help="letterbox, stretch or centre-crop.")] = None,
    intensity: Annotated[str | None, typer.Option("--intensity", help="as-stored or percentile.")] = None,
    resample: Annotated[str | None, typer.Option("--resample", help="bilinear, bicubic or lanczos.")] = None,
    every_row: Annotated[
        bool,
        typer.Option("--every-row", help="Also films that the manifest left out, not only those in use."),
    ] = False,
    workers: ProcessesOption = None,
) -> None:
    """Prepare the films of a manifest once, into memory-mapped arrays that training reads."""
    from pneumoscope.data.cache import build_cache, cache_name
    from pneumoscope.data.joined import join_manifests

    options = {"size": size, "fit": fit, "intensity": intensity, "resample": resample}
    chosen = _parameters(recipe, options)
    films = join_manifests(manifest, root)
    rows = [row for row in films.rows if every_row or row.split is not None]
    for parameters in chosen:
        directory = out / cache_name(parameters)
        with file_bar(directory.name) as progress:
            plates = build_cache(
                rows,
                films.root,
                parameters,
                directory,
                workers=workers,
                progress=partial(progress, directory.name),
            )
        plates.verify(rows, films.root)
        for failure in plates.failures:
            typer.echo(f"{failure.path}: no plate: {failure.reason}", err=True)
        typer.echo(f"{directory}: {len(plates)} plates, {len(plates.failures)} films unreadable")


def audit(
    manifest: Manifests,
    root: Roots,
    out: Annotated[
        Path, typer.Option("--out", help="Folder for audit.html, audit.json and the plate cache.")
    ],
    seed: Annotated[int, typer.Option("--seed", help="Of folds, permutations and samples.")] = 0,
    workers: ProcessesOption = None,
) -> None:
    """Ask what a model could cheat with: file, geometry, border, source, patients across splits."""
    from pneumoscope.data.audit import run_audit
    from pneumoscope.data.joined import join_manifests

    films = join_manifests(manifest, root)
    with file_bar("reading films") as progress:
        found = run_audit(films.rows, films.root, out, seed=seed, workers=workers, progress=progress)
    for check in found.checks:
        typer.echo(f"{check.colour or 'not asked':9}  {check.title}: {check.words}")
    typer.echo(f"{found.colour.upper()}: {found.words}")
    typer.echo(f"Read {out / 'audit.html'}")

"""`pneumoscope data opacities`."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from pneumoscope.cli.data_audit import file_bar
from pneumoscope.cli.options import (
    BuiltManifestOption,
    BuiltRootOption,
    CutOption,
    ProcessesOption,
    SeedOption,
)

__all__ = ["opacities"]


def opacities(
    manifest: BuiltManifestOption,
    root: BuiltRootOption,
    out: Annotated[Path, typer.Option(help="Folder for films and their own manifest.parquet.")],
    host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Data set whose normal films are drawn on; may be repeated.",
            show_default="covid19-radiography, kermany, kermany-original",
        ),
    ] = None,
    boxes: Annotated[
        str, typer.Option(metavar="NAME", help="Data set whose boxes say where opacities lie.")
    ] = "rsna-lungs",
    cut: CutOption = None,
    most: Annotated[
        int | None,
        typer.Option(min=1, help="Normal films of one source and view, drawn at random; all if not given."),
    ] = None,
    seed: SeedOption = 0,
    workers: ProcessesOption = None,
) -> None:
    """Draw opacities into normal films: pairs that differ in nothing else, with boxes.

    Only training films are used. Train on both: --manifest BUILT --root ROOT --manifest OUT --root OUT
    """
    from pneumoscope.data.manifest import read_manifest
    from pneumoscope.data.opacity_films import opacity_films

    with file_bar("reading films") as progress:
        made = opacity_films(
            read_manifest(manifest),
            root,
            out,
            host_sources=host or ["covid19-radiography", "kermany", "kermany-original"],
            box_source=boxes,
            cut_sources=cut or ["rsna-lungs"],
            most=most,
            seed=seed,
            workers=workers,
            progress=progress,
        )
    counts = Counter((row.source, row.view or "unknown view") for row in made if row.label == "PNEUMONIA")
    typer.echo(f"{out}: {counts.total()} pairs of films made")
    for (source, view), count in sorted(counts.items()):
        typer.echo(f"  {source}, {view}: {count}")

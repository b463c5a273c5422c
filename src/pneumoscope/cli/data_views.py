"""`pneumoscope data views`: a manifest whose whole films all have a view."""

import csv
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from pneumoscope.cli.data_audit import file_bar
from pneumoscope.cli.options import BuiltManifestOption, BuiltRootOption, ProcessesOption

__all__ = ["views"]


def views(
    manifest: BuiltManifestOption,
    root: BuiltRootOption,
    out: Annotated[
        Path, typer.Option(help="Folder for the new manifest.parquet, views.csv and prepared films.")
    ],
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Data set of whole films; may be repeated.",
            show_default="covid19-radiography, nih-chestxray14",
        ),
    ] = None,
    workers: ProcessesOption = None,
) -> None:
    """Tell which films were made from the front (AP) and which from behind (PA), where nobody noted it.

    A network that takes the view for the finding fails wherever habits differ: train with
    data.balance=label-and-view-within-source on the manifest that this writes.
    """
    from pneumoscope.data.manifest import read_manifest, write_manifest
    from pneumoscope.training.views import tell_views

    with file_bar("reading films") as progress:
        told = tell_views(
            read_manifest(manifest),
            root,
            out / "cache",
            sources=source or ["covid19-radiography", "nih-chestxray14"],
            workers=workers,
            progress=progress,
        )
    write_manifest(told.rows, out / "manifest.parquet")
    found = [row for row in told.rows if row.path in told.scores]
    with (out / "views.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "view", "logit_of_ap"))
        table.writerows((row.path, row.view, f"{told.scores[row.path]:.3f}") for row in found)
    typer.echo(
        f"learned from {told.films} films of known view: AUC {told.auc:.3f}, {told.accuracy:.1%} told "
        "rightly, of patients left out"
    )
    counts = Counter((row.source, str(row.label), row.view) for row in found)
    for name, label in sorted({key[:2] for key in counts}):
        typer.echo(f"  {name} {label}: {counts[name, label, 'AP']} AP, {counts[name, label, 'PA']} PA")
    typer.echo(f"Wrote {out / 'manifest.parquet'}; {out / 'views.csv'} lists what was told")

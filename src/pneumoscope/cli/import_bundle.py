"""`pneumoscope import-bundle`: the way back of export, from a bundle to a run that can be trained on."""

from pathlib import Path
from typing import Annotated

import typer

from pneumoscope.cli.options import BundleArgument, RootOption

__all__ = ["import_bundle"]


def import_bundle(
    bundle: BundleArgument,
    manifest: Annotated[
        list[Path],
        typer.Option(
            metavar="FILE",
            help="Films to measure statistics on, of the sources that it was trained on. May be repeated.",
        ),
    ],
    root: RootOption,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Directory of the run.")],
) -> None:
    """Make a run of a bundle again: the way back of export, for `pneumoscope train --start-from`."""
    from pneumoscope.data.joined import join_manifests
    from pneumoscope.release.reopened_bundle import check_new_run, reopen_bundle, write_run
    from pneumoscope.runtime.bundle import find_bundle, open_bundle

    check_new_run(out)
    films = join_manifests(manifest, root)
    opened = open_bundle(find_bundle(bundle))
    write_run(reopen_bundle(opened, films.rows, films.root), out)
    typer.echo(
        f"{out}: {opened.identity}, to be trained on: pneumoscope train RECIPE.yaml --start-from {out}"
    )

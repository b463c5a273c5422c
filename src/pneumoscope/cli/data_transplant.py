"""`pneumoscope data transplant`."""

from collections import Counter
from enum import StrEnum
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

__all__ = ["transplant"]


class _Split(StrEnum):
    TRAIN = "train"
    VALIDATION = "validation"


def transplant(
    manifest: BuiltManifestOption,
    root: BuiltRootOption,
    out: Annotated[Path, typer.Option(help="Folder for films and their own manifest.parquet.")],
    donor: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Data set whose lungs are taken; may be repeated.",
            show_default="rsna-lungs, covid19-radiography",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(metavar="NAME", help="Data set whose whole films they go into.")
    ] = "covid19-radiography",
    host_label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL", help="Of the films that they go into; may be repeated.", show_default="NORMAL"
        ),
    ] = None,
    cut: CutOption = None,
    copies: Annotated[int, typer.Option(min=1, help="Films to make of each donor.")] = 1,
    level_views: Annotated[
        bool,
        typer.Option(
            "--level-views",
            help="Make more of the rarer view's donors: about as many of each view of a source and label.",
        ),
    ] = False,
    two_donors: Annotated[
        bool,
        typer.Option(
            "--two-donors",
            help="Take the two lungs of each film from two donors: none is learnt by heart.",
        ),
    ] = False,
    split: Annotated[
        _Split, typer.Option(help="Of donors and hosts: to train on, or to choose between networks by.")
    ] = _Split.TRAIN,
    most: Annotated[
        int | None,
        typer.Option(min=1, help="Donors of one source and label, drawn at random; all if not given."),
    ] = None,
    seed: SeedOption = 0,
    workers: ProcessesOption = None,
) -> None:
    """Put the lungs of films into other whole ones, so that nothing but the lungs tells the label.

    Films of one split alone are used. Train on both: --manifest BUILT --root ROOT --manifest OUT --root OUT
    """
    from pneumoscope.data.manifest import read_manifest
    from pneumoscope.data.transplant import transplant_films

    rows = read_manifest(manifest)
    with file_bar("reading films") as progress:
        made = transplant_films(
            rows,
            root,
            out,
            donor_sources=donor or ["rsna-lungs", "covid19-radiography"],
            cut_sources=cut or ["rsna-lungs"],
            host_source=host,
            host_labels=host_label or ["NORMAL"],
            copies=copies,
            level_views=level_views,
            two_donors=two_donors,
            split=split.value,
            most=most,
            seed=seed,
            workers=workers,
            progress=progress,
        )
    labels = ", ".join(
        f"{count} {label}" for label, count in sorted(Counter(row.label for row in made).items())
    )
    patients = len({row.patient for row in made} - {None})
    typer.echo(f"{out}: {len(made)} films of {patients} patients made: {labels}")

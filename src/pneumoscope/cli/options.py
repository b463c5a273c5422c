"""Arguments and options that several commands share, so that they are called and explained alike."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "BuiltManifestOption",
    "BuiltRootOption",
    "BundleArgument",
    "CutOption",
    "EvaluateOption",
    "ModelOption",
    "OutBundleOption",
    "ProcessesOption",
    "RootOption",
    "SeedOption",
    "ThreadsOption",
    "TrainedManifestOption",
    "WorkersOption",
]

BundleArgument = Annotated[
    str, typer.Argument(metavar="BUNDLE", help="A shipped bundle's name or the folder of one.")
]
"""A bundle that must be named."""

ModelOption = Annotated[
    str | None,
    typer.Option(metavar="NAME|DIR", help="A shipped bundle or the folder of one.", show_default="shipped"),
]
"""A bundle, the shipped one where none is named."""

BuiltManifestOption = Annotated[
    Path, typer.Option("--manifest", help="manifest.parquet, as `data build` wrote it.")
]
"""The one manifest that a command works on."""

BuiltRootOption = Annotated[
    Path, typer.Option("--root", help="Folder that the manifest's paths are relative to.")
]
"""The folder of its films."""

RootOption = Annotated[
    list[Path],
    typer.Option(metavar="DIR", help="The manifest's paths are relative to it; one for each manifest."),
]
"""The folders of manifests."""

TrainedManifestOption = Annotated[
    list[Path],
    typer.Option(
        "--manifest", metavar="FILE", help="The manifest that the network was trained on; repeated as there."
    ),
]
"""All manifests of a training run."""

OutBundleOption = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Directory of the new bundle; an older one is replaced.")
]
"""Where a bundle is made."""

CutOption = Annotated[
    list[str] | None,
    typer.Option(
        "--cut",
        metavar="NAME",
        help="Data sets whose films are black outside the lungs.",
        show_default="rsna-lungs",
    ),
]
"""Where lungs are told by a film's cut."""

EvaluateOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SOURCE:SPLIT",
        help="Also measure these films and put the figures on the card; all:SPLIT pools.",
    ),
]
"""What a new bundle's card tells of."""

ThreadsOption = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Threads that score.", show_default="one per core"),
]
"""How many films of a measurement are scored at once."""

ProcessesOption = Annotated[
    int | None, typer.Option("--workers", min=1, help="Processes; one per core if not given.")
]
"""How many films are made or looked at at once."""

SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Draws everything anew.")]
"""Of whatever is drawn at random."""

WorkersOption = Annotated[
    int | None,
    typer.Option(min=1, help="Films scored at the same time.", show_default="one per core, at most 8"),
]
"""How many films at once."""

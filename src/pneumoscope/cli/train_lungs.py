"""`pneumoscope train-lungs`: the network that finds lungs, from films that exist whole and cut."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pneumoscope.cli.options import BuiltManifestOption, BuiltRootOption
from pneumoscope.cli.places import check_files, write_file

__all__ = ["train_lungs"]


def train_lungs(
    manifest: BuiltManifestOption,
    root: BuiltRootOption,
    out: Annotated[Path, typer.Option(metavar="FILE.onnx", help="The network is written there.")],
    cut_source: Annotated[
        str, typer.Option(metavar="NAME", help="Data set of films that were cut to the lungs.")
    ] = "rsna-lungs",
    whole_source: Annotated[
        str, typer.Option(metavar="NAME", help="Data set that holds some of the same films whole.")
    ] = "covid19-radiography",
    steps: Annotated[int, typer.Option(min=1, help="Of 24 films each.")] = 600,
    seed: Annotated[int, typer.Option(min=0, help="Of weights, films and augmentation.")] = 0,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that read films.", show_default="one per core")
    ] = None,
) -> None:
    """Train the network that finds lungs in whole films, and measure it on the validation split."""
    from pneumoscope.data.lung_finder import LUNG_SIDE, LungFinder
    from pneumoscope.data.lung_pairs import lung_films
    from pneumoscope.data.manifest import read_manifest
    from pneumoscope.export import lung_network_to_onnx
    from pneumoscope.training.lungs import dice, train_lung_network

    check_files(out)
    whole, cut = lung_films(
        read_manifest(manifest), root, cut_source=cut_source, whole_source=whole_source, workers=workers
    )

    def observe(step: int, planned: int, loss: float) -> None:
        if step % 50 == 0 or step == planned:
            print(f"step {step} of {planned}: loss {loss:.4f}", file=sys.stderr, flush=True)

    network = train_lung_network(whole, cut, steps=steps, seed=seed, observer=observe)
    write_file(out, lung_network_to_onnx(network, LUNG_SIDE))
    held_out = [film for film in whole if film.split == "validation"]
    finder = LungFinder(out)
    agreement = [dice(finder.find(film.film), film.lungs) for film in held_out]
    trained = sum(film.split == "train" for film in whole)
    measured = f"mean Dice {sum(agreement) / len(agreement):.3f}" if agreement else "none"
    print(f"{out}: {trained} films to train on, {len(held_out)} to validate on: {measured}")

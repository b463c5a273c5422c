"""`pneumoscope results`: run records and evaluations in, the page of results out."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from pneumoscope.cli.places import check_files, write_file
from pneumoscope.errors import UsageError

__all__ = ["results"]


def results(
    plan: Annotated[
        Path, typer.Argument(metavar="PLAN.yaml", help="Which networks, measured on which films.")
    ] = Path("docs/results.yaml"),
    runs: Annotated[
        Path, typer.Option(metavar="DIR", help="Holds run directories, manifests, bundles and evaluations.")
    ] = Path("runs"),
    recipes: Annotated[Path, typer.Option(metavar="DIR", help="Holds the recipes.")] = Path("recipes"),
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.md", help="Write the page.", show_default="standard output")
    ] = None,
    json_out: Annotated[
        Path | None, typer.Option("--json", metavar="FILE.json", help="Write all figures too.")
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json.gz",
            help="Keep scores and costs in this file, and take from it networks that are not at hand.",
        ),
    ] = None,
    commands: Annotated[
        bool,
        typer.Option("--commands", help="Instead: print the commands that make what is not there yet."),
    ] = False,
    entries: Annotated[
        list[str] | None,
        typer.Option("--entry", metavar="NAME", help="With --commands: only this entry of the plan."),
    ] = None,
    films: Annotated[
        Path, typer.Option(metavar="DIR", help="With --commands: holds the films as downloaded.")
    ] = Path("DIR"),
    split: Annotated[
        str | None,
        typer.Option(help="Another split than the plan's: rehearse on validation.", show_default=False),
    ] = None,
) -> None:
    """Write the page of results from what training and evaluation left.

    All of it, trained where it is not there yet: pneumoscope results --commands --films DIR | sh -e
    """
    from pneumoscope.release.results import Places, gather_results, load_plan, write_kept
    from pneumoscope.report.results_page import render_results_page
    from pneumoscope.runtime.bundle import find_bundle

    chosen = load_plan(plan)
    if split is not None:
        chosen = chosen.model_copy(update={"split": split})
    places = Places(runs=runs, recipes=recipes, films=films)
    if commands and keep is not None:
        raise UsageError("--keep belongs to a page: --commands tells what makes everything anew")
    if commands:
        lines = [
            line
            for entry in ([chosen.entry(name) for name in entries] if entries else chosen.entries)
            for line in places.commands(chosen, entry, find_bundle().name, missing=True)
        ]
        print("\n".join(dict.fromkeys(lines)))
        return
    if entries:
        raise UsageError("--entry belongs to --commands: a page tells of all entries of its plan")
    check_files(out, json_out, keep, read=[plan])
    told, kept = gather_results(chosen, places, keep)
    named = plan.name if plan.is_absolute() else plan.as_posix()
    page = render_results_page(told, f"pneumoscope results {named}")
    if out is None:
        print(page, end="")
    else:
        write_file(out, page)
    if json_out is not None:
        write_file(json_out, json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    if keep is not None:
        write_kept(keep, kept)
    for sentence in told["missing"]:
        print(f"not on the page: {sentence}", file=sys.stderr)

"""`pneumoscope models`: which bundles are shipped, and what a bundle says about itself."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pneumoscope.runtime.bundle import Bundle
    from pneumoscope.runtime.card import Card, Estimate, Evaluation

__all__ = ["models"]


def models(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A shipped bundle or the folder of one.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="For programs: the card, or a list of cards.")
    ] = False,
) -> None:
    """List the shipped bundles, or show the card of one. Every file of a bundle shown has been verified."""
    from pneumoscope.runtime.bundle import find_bundle, open_bundle, shipped_bundles

    if name is not None:
        bundle = open_bundle(find_bundle(name))
        if as_json:
            print(bundle.card.model_dump_json(indent=2))
        else:
            _show(_card(bundle))
        return
    bundles = [open_bundle(directory) for directory in shipped_bundles().values()]
    if as_json:
        print(json.dumps([bundle.card.model_dump(mode="json") for bundle in bundles], indent=2))
    elif bundles:
        _show([_listing(bundles)])
    else:
        print("no bundle is shipped with this version", file=sys.stderr)


def _show(parts: "list[RenderableType]") -> None:
    from rich.console import Console

    console = Console(highlight=False)
    for part in parts:
        console.print(part)


def _listing(bundles: "list[Bundle]") -> "RenderableType":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from pneumoscope.runtime.bundle_files import DEFAULT_BUNDLE

    table = Table(
        "bundle", "version", "architecture", "size", "test", "AUC (95 %)", box=SIMPLE_HEAD, pad_edge=False
    )
    for bundle in bundles:
        card = bundle.card
        default = " (default)" if card.name == DEFAULT_BUNDLE else ""
        measured = [(one.split, one.metrics["auc"]) for one in card.evaluations if "auc" in one.metrics]
        table.add_row(
            card.name + default,
            card.version,
            card.architecture,
            f"{len(bundle.onnx) / 1e6:.1f} MB",
            "\n".join(split for split, _ in measured),
            "\n".join(_interval(auc) for _, auc in measured),
        )
    return table


def _card(bundle: "Bundle") -> "list[RenderableType]":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    card = bundle.card
    facts = Table.grid(padding=(0, 2))
    prepare = ", ".join(f"{key} {value}" for key, value in card.prepare.model_dump().items())
    for label, value in (
        ("intended use", card.intended_use),
        ("population", card.intended_population),
        ("limitations", "\n".join(card.limitations)),
        ("architecture", card.architecture),
        ("prepare", prepare),
        ("arithmetic", _arithmetic(card)),
        ("temperature", f"{card.temperature:.3f}"),
        (
            "guard",
            bundle.guard.describe() if bundle.guard else "none: anything that can be read gets a number",
        ),
        ("trained on", "\n".join(str(source.get("name", source)) for source in card.training_data)),
        ("code", card.code_revision),
        ("created", card.created),
        ("folder", str(bundle.directory)),
        ("sha256", bundle.sha256),
    ):
        facts.add_row(Text(label, style="dim"), Text(value))
    points = Table(
        "operating point", "threshold", "sensitivity", "specificity", "on", box=SIMPLE_HEAD, pad_edge=False
    )
    for name, point in card.operating_points.items():
        measured = (_interval(point.sensitivity), _interval(point.specificity))
        points.add_row(name, f"{point.threshold:.3f}", *measured, point.split)
    results = Table("evaluated on", "films", "pneumonia", "result", box=SIMPLE_HEAD, pad_edge=False)
    for evaluation in card.evaluations:
        results.add_row(
            evaluation.split, str(evaluation.films), str(evaluation.positives), _metrics(evaluation)
        )
    heading = Text(f"{bundle.identity}", style="bold")
    return [heading, facts, points, *([results] if card.evaluations else []), Text("For research use only.")]


def _arithmetic(card: "Card") -> str:
    loss = card.lower_precision
    if loss is None:
        return card.arithmetic
    changes = ", ".join(f"{change:+.4f} on {name}" for name, change in loss.auc_change.items())
    return (
        f"{card.arithmetic}, made from {loss.made_from}: AUC {changes}; logit changed by at most "
        f"{loss.largest_logit_change:.3f} on {loss.films} films"
    )


def _interval(estimate: "Estimate") -> str:
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def _metrics(evaluation: "Evaluation") -> str:
    return "\n".join(f"{name} {_interval(estimate)}" for name, estimate in evaluation.metrics.items())

"""`pneumoscope quantise`: an exact bundle in, a faster one in lower precision out, with what it lost."""

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscope.cli.options import (
    BundleArgument,
    EvaluateOption,
    OutBundleOption,
    RootOption,
    ThreadsOption,
    TrainedManifestOption,
)
from pneumoscope.cli.progress import steps

if TYPE_CHECKING:
    from pneumoscope.runtime.card import LowerPrecision

__all__ = ["quantise"]


class _Precision(StrEnum):
    INT8 = "int8"
    BF16 = "bf16"
    INT8_BF16 = "int8-bf16"
    FP32_OPENVINO = "fp32-openvino"


def quantise(
    bundle: BundleArgument,
    manifest: TrainedManifestOption,
    root: RootOption,
    out: OutBundleOption,
    precision: Annotated[
        _Precision,
        typer.Option(
            help="int8: 8-bit integers, on any processor. bf16: 16-bit floating point, on processors that "
            "have it, by OpenVINO. int8-bf16: both. fp32-openvino: as exact as before, by OpenVINO."
        ),
    ] = _Precision.INT8,
    calibration_films: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="int8: training films that the integers' ranges come from."),
    ] = 256,
    exact_grid: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="int8: layers whose grid has at least 1/N of the film's sides stay in single precision.",
        ),
    ] = 4,
    compare_on: Annotated[
        str, typer.Option(metavar="SPLIT", help="Films that both bundles score.")
    ] = "validation",
    source: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only films of these sources.", show_default="all of the bundle"),
    ] = None,
    evaluate: EvaluateOption = None,
    most_loss: Annotated[
        float, typer.Option(min=0, metavar="AUC", help="Refuse to lose more on any source.")
    ] = 0.001,
    margin: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="PROBABILITY",
            help="Refuse to change the finding of a film that is farther from the threshold.",
        ),
    ] = 0.05,
    other_manifest: Annotated[
        bool,
        typer.Option("--other-manifest", help="Accept another manifest than that of the bundle."),
    ] = False,
    workers: ThreadsOption = None,
) -> None:
    """Make a bundle in lower precision, which scores faster, and measure what it loses.

    Its version says so, and nobody gets it without naming it.
    """
    from pneumoscope.cli.pairs import source_and_split
    from pneumoscope.data.joined import join_manifests
    from pneumoscope.release.lower_precision import LowerOptions, lower_bundle
    from pneumoscope.report.model_card import render_model_card
    from pneumoscope.runtime.bundle import check_place, find_bundle, open_bundle, write_bundle

    pairs = tuple(source_and_split(text) for text in evaluate or ())
    exact = open_bundle(find_bundle(bundle))
    check_place(out)
    films = join_manifests(manifest, root)
    options = LowerOptions(
        arithmetic=precision.value,
        calibration_films=calibration_films,
        exact_grid=exact_grid,
        split=compare_on,
        sources=tuple(source) if source else None,
        evaluate=pairs,
        most_loss=most_loss,
        margin=margin,
        manifest_names=tuple(path.name for path in manifest),
        other_manifest=other_manifest,
        workers=workers,
    )
    with steps(shown=sys.stderr.isatty()) as progress:
        lowered = lower_bundle(exact, films.rows, films.root, options, progress=progress)
    write_bundle(out, lowered.onnx, lowered.card, render_model_card(lowered.card), exact.guard)
    made = open_bundle(out)
    print(f"{out}: {made.identity}, {len(made.onnx) / 1e6:.1f} MB")
    _say(lowered.loss)


def _say(loss: "LowerPrecision") -> None:
    print(f"against {loss.made_from} on {loss.films} films ({loss.split}):")
    for name, before in loss.auc.items():
        print(f"  AUC on {name}: {before:.4f}, changed by {loss.auc_change[name]:+.5f}")
    print(f"  logit: changed by at most {loss.largest_logit_change:.3f}, rms {loss.rms_logit_change:.3f}")
    changed = ", ".join(f"{count} at {name}" for name, count in loss.findings_changed.items())
    print(f"  findings changed: {changed}; none farther than {loss.margin:.3f} from its threshold")
    print(
        f"  map: changed by {loss.rms_map_change:.1%} of its size, at most {loss.largest_map_change:.2f} in "
        f"a cell; the same hottest cell in {loss.same_hottest_cell:.1%} of the films"
    )

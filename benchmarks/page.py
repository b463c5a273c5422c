"""Write what the benchmarks measured into docs/speed.md and docs/serving.md, with a plot.

    python benchmarks/page.py

Everything comes from benchmarks/results/*.json; what was not measured, or on a machine that was busy, is said
so. No figure is typed.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from marked import filled

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
COMMAND = "benchmarks/page.py"
PLOT = ROOT / "docs" / "img" / "speed.svg"

Report = dict[str, Any]

KINDS = {
    "jpeg_full_size": "JPEG, up to 2,500 pixels wide",
    "dicom_jpeg": "DICOM of 1,024 pixels, JPEG, 8 bit",
    "dicom_uncompressed": "DICOM of 1,024 pixels, uncompressed",
    "dicom_jpeg2000": "DICOM of 1,024 pixels, JPEG 2000",
    "dicom_jpeg_lossless": "DICOM of 1,024 pixels, JPEG lossless",
}
CANDIDATES = {
    "fp32": "this, single precision",
    "fp32-openvino": "this, single precision by OpenVINO",
    "int8": "this, int8",
    "bf16": "this, bfloat16 by OpenVINO",
    "int8-bf16": "this, int8 and bfloat16 by OpenVINO",
    "score_alone": "onnxruntime, no map",
    "eager": "PyTorch, no map",
    "captum_one_pass": "PyTorch and captum, one pass",
    "captum": "PyTorch, then captum",
    "grad_cam": "PyTorch and grad-cam",
    "origin_eager": "the write-up's network, PyTorch, no map",
    "origin": "the write-up's network, grad-cam",
}
QUOTIENTS = {
    "map_costs": "score and map, to the score alone",
    "grad_cam_fp32": "PyTorch and grad-cam, to ours as shipped",
    "grad_cam_exact": "PyTorch and grad-cam, to our fastest in single precision",
    "captum_fp32": "PyTorch, then captum, to ours as shipped",
    "captum_exact": "PyTorch, then captum, to our fastest in single precision",
    "captum_one_pass_fp32": "PyTorch and captum in one pass, to ours as shipped",
    "grad_cam_best": "PyTorch and grad-cam, to our fastest",
    "captum_best": "PyTorch, then captum, to our fastest",
    "origin_best": "the write-up's network with grad-cam, to our fastest",
}
COSTS = frozenset({"map_costs"})  # small is good


def main() -> None:
    speed = ROOT / "docs" / "speed.md"
    text = speed.read_text(encoding="utf-8")
    for name, table in (
        ("peers", peers),
        ("precision", precision),
        ("end to end", end_to_end),
        ("cold start", cold_start),
        ("endurance", endurance),
    ):
        text = filled(text, name, of_results(name.replace(" ", "_"), table), COMMAND)
    speed.write_text(text, encoding="utf-8")
    serving = ROOT / "docs" / "serving.md"
    text = filled(serving.read_text(encoding="utf-8"), "load", of_results("serving", load), COMMAND)
    serving.write_text(text, encoding="utf-8")
    measured = RESULTS / "peers.json"
    if measured.exists():
        plot(json.loads(measured.read_text(encoding="utf-8")))


def of_results(name: str, table: Callable[[Report], str]) -> str:
    """The table of one result file, with a word where the machine was busy."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return "Not measured yet on a quiet machine."
    report = json.loads(path.read_text(encoding="utf-8"))
    busy = "" if report.get("quiet", True) else "**The machine was busy: these figures are no result.**\n\n"
    return busy + table(report)


def rows(titles: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    titles = list(titles)
    return "\n".join(
        [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
        + [f"| {' | '.join(line)} |" for line in lines]
    )


def peers(report: Report) -> str:
    median, agreement = report["median_ms"], report["agreement"]
    bundle, libraries = report["bundles"]["fp32"], report["libraries"]
    head = (
        f"{bundle}, {report['size']} pixels, {report['machine']}; medians of {report['rounds']} rounds over "
        f"{report['films']} {'real' if report['real_films'] else 'made'} films; "
        + ", ".join(f"{name} {number}" for name, number in libraries.items())
        + ":"
    )
    times = rows(
        ("one film, one thread", "ms"),
        ((CANDIDATES[name], f"{median[name]:.1f}") for name in CANDIDATES if name in median),
    )
    quotients = rows(
        ("quotient", "measured", "wanted"),
        (
            (
                title,
                f"{report['quotients'][name]:.2f}",
                f"{'at most' if name in COSTS else 'at least'} {report['wanted'][name]:g}"
                if name in report["wanted"]
                else "",
            )
            for name, title in QUOTIENTS.items()
        ),
    )
    agree = rows(
        ("map against the peers'", "grad-cam, of 1", "captum, logits", "same hottest cell"),
        (
            (
                CANDIDATES[name],
                f"{one['grad_cam']:.2g}",
                f"{one['captum']:.2g}",
                f"{one['same_hottest_cell']:.0%}",
            )
            for name, one in agreement.items()
        ),
    )
    return "\n\n".join((head, times, quotients, agree))


def precision(report: Report) -> str:
    exact = f"Against {report['exact']} on {report['films']:,} films ({report['split']}):"
    lines = []
    for name, loss in report["losses"].items():
        worst = max(loss["auc_change"].values(), key=abs)
        lines.append(
            (
                CANDIDATES[name],
                f"{worst:+.5f}",
                f"{loss['largest_logit_change']:.3f}",
                f"{sum(loss['findings_changed'].values())}",
                f"{loss['margin']:.3f}",
                "yes" if loss["kept"] else "no",
            )
        )
    titles = (
        "precision",
        "largest change of AUC on a source",
        "largest change of a logit",
        "findings changed at three points",
        "farthest from its threshold",
        "within the margins",
    )
    return f"{exact}\n\n{rows(titles, lines)}"


def end_to_end(report: Report) -> str:
    lines = []
    for kind, found in report["kinds"].items():
        median = found["median"]
        lines.append(
            (
                KINDS.get(kind, kind),
                f"{median['decode_one_core']:.0f}",
                f"{median['network_one_core']:.0f}",
                f"{median['threads']:.0f}, {median['processes']:.0f}",
                f"{max(median['threads_of_slower_limit'], median['processes_of_slower_limit']):.2f}",
                f"{max(median['threads_of_possible'], median['processes_of_possible']):.2f}",
                f"{median['evidence_from_file']:.2f}",
            )
        )
    titles = (
        "files",
        "decoding alone, films/s",
        "network alone, films/s",
        "files to records by threads, processes, films/s",
        "of the slower limit (wanted: 0.85)",
        "of all work spread evenly",
        "evidence costs (wanted: at most 1.10)",
    )
    return f"{report['bundle']}, {report['machine']}:\n\n{rows(titles, lines)}"


def _bundle(report: Report) -> str:
    """Which one was measured; reports of before 0.5.0 do not say."""
    return f"{report['bundle']}, " if "bundle" in report else ""


def cold_start(report: Report) -> str:
    names = {
        "libraries": "importing numpy, Pillow, pydicom and onnxruntime",
        "predict_png": "`predict one.png`, to the table",
        "predict_dicom": "`predict one.dcm`",
        "help": "`--help`",
    }
    lines = (
        (title, f"{1000 * report['median_seconds'][name]:.0f}", f"{report['ratio'][name]:.2f}")
        for name, title in names.items()
    )
    head = f"{_bundle(report)}{report['machine']}, {report['rounds']} rounds:"
    return f"{head}\n\n{rows(('started', 'ms', 'ratio (wanted for a PNG: at most 1.5)'), lines)}"


def endurance(report: Report) -> str:
    short, long = report["short"], report["long"]
    lines = (
        ("films", f"{short['films']:,}", f"{long['films']:,}"),
        ("peak of all processes, MB", f"{short['peak_mb']:.0f}", f"{long['peak_mb']:.0f}"),
        ("films/s, start", "", f"{long['start']['films_per_second']:.1f}"),
        ("films/s, end to start (wanted: at least 0.95)", "", f"{long['speed_at_end']:.3f}"),
        ("the same by processor time", "", f"{long['speed_at_end_by_processor']:.3f}"),
    )
    head = (
        f"{_bundle(report)}{report['different_films']:,} different films, {report['workers']} processes, "
        f"{report['machine']}:"
    )
    return f"{head}\n\n{rows(('', 'short job', 'long job'), lines)}"


def load(report: Report) -> str:
    lines = (
        (
            "films/s of the predictor in as many threads",
            f"{middle(report['predictor_films_per_second']):.1f}",
        ),
        ("films/s of the server", f"{middle(report['served_films_per_second']):.1f}"),
        ("ratio (wanted: at least 0.80)", f"{report['ratio']:.2f}"),
        ("requests, and those that failed", f"{report['requests']:,}, {report['no_success']:,}"),
        ("95th percentile of a request", f"{report['p95_seconds']:.2f} s"),
        (
            "memory of the server at the beginning, at the end",
            f"{report['memory_mb'][0]}, {report['memory_mb'][-1]} MB",
        ),
    )
    by_batch = report.get("network_ms_per_film_by_batch")
    if by_batch:
        lines += (
            (
                f"network per film, in batches of {', '.join(by_batch)}",
                f"{', '.join(f'{each:.1f}' for each in by_batch.values())} ms",
            ),
        )
    head = (
        f"{report['bundle']}, {report['clients']} clients for {report['seconds']:.0f} s, "
        f"{report['workers']} threads, {report['machine']}; the clients take their share of the cores:"
    )
    return f"{head}\n\n{rows(('', 'measured'), lines)}"


def middle(values: list[float]) -> float:
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def plot(report: Report) -> None:
    """Bars of milliseconds per film, ours darker; equal reports give equal files."""
    median = report["median_ms"]
    names = sorted((name for name in CANDIDATES if name in median), key=lambda name: -median[name])
    mpl.rcParams.update({"svg.hashsalt": "speed", "svg.fonttype": "none", "font.family": "sans-serif"})
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    colours = ["#0072b2" if name in report["bundles"] else "#b0b0b0" for name in names]
    bars = axes.barh([CANDIDATES[name] for name in names], [median[name] for name in names], color=colours)
    axes.bar_label(bars, labels=[f"{median[name]:.1f}" for name in names], padding=3)
    axes.set_xlabel("milliseconds per film, one thread")
    axes.spines[["top", "right"]].set_visible(False)
    PLOT.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PLOT, metadata={"Date": None})


if __name__ == "__main__":
    main()

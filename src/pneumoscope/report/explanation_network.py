"""Parts of the page of `pneumoscope evaluate-map` that needed the network itself."""

from collections.abc import Iterator, Mapping
from typing import Any

from pneumoscope.report.estimates import IntervalRow, interval_plot, interval_text
from pneumoscope.report.page import table

__all__ = ["methods_part", "randomisation_part"]

Told = Mapping[str, Any]

_MEASURES = {"rank_correlation": "Rank correlation", "structural_similarity": "Structural similarity"}


def randomisation_part(told: Told | None) -> str:
    """What random weights do to the map; nothing where that was not looked at."""
    if told is None:
        return ""
    rows = []
    for seed in told["seeds"]:
        whole = seed["stages"][-1]["similarity"]
        cells = [interval_text(whole[measure]) for measure in _MEASURES]
        margins = [interval_text(seed["margin"][measure], signed=True) for measure in _MEASURES]
        rows.append((seed["seed"], *cells, *margins, "passed" if seed["passed"] else "FAILED"))
    head = (
        "Seed",
        *_MEASURES.values(),
        *(f"{title}: below other patients by" for title in _MEASURES.values()),
        "",
    )
    verdict = f"seeds {', '.join(map(str, told['failed']))} fail" if told["failed"] else "no seed fails"
    return (
        f"<h2>Random weights: {verdict}</h2><p>{told['films']:,} films of {told['patients']:,} patients. "
        "A seed passes where, with all weights random, a film's map is less like the trained network's map "
        "of the same film than the trained network's maps of different patients are like each other, by both "
        f"measures and with the whole interval.</p>{table(head, rows)}<div>{''.join(_cascades(told))}</div>"
    )


def _cascades(told: Told) -> Iterator[str]:
    """Per measure: likeness to the trained map, stage by stage; mean, lowest and highest of the seeds."""
    for measure, title in _MEASURES.items():
        other = told["other_patients"][measure]["value"]
        lines = [IntervalRow("trained", {"value": 1.0, "low": 1.0, "high": 1.0})]
        for at, stage in enumerate(told["seeds"][0]["stages"]):
            values = [seed["stages"][at]["similarity"][measure]["value"] for seed in told["seeds"]]
            spread = {"value": sum(values) / len(values), "low": min(values), "high": max(values)}
            lines.append(IntervalRow(f"{stage['stage']} ({stage['share']:.0%} random)", spread, own=True))
        yield interval_plot(
            f"{title} with the trained map: mean, lowest and highest of {len(told['seeds'])} seeds",
            lines,
            (-1.0, 1.0),
            x_label=f"{title}; shaded: less alike than maps of different patients ({other:.2f})",
            step=0.5,
            band=(-1.0, other),
        )


def methods_part(told: Told | None) -> str:
    """Other methods on the same network; nothing where they were not asked."""
    if told is None:
        return ""
    rows = []
    for method in told["methods"]:
        random, repeats = method["randomisation"], method["repeatability"]
        milliseconds = method["milliseconds"]
        rows.append(
            (
                method["title"],
                interval_text(method["pointing"]),
                interval_text(method["ours_points_better"], signed=True),
                interval_text(method["average_precision"]),
                interval_text(method["evidence_in_lungs"]),
                "-" if random is None else f"{len(random['failed'])} of {len(random['seeds'])}",
                "-" if repeats is None else _mean_of_changes(repeats, "displacement"),
                "-" if repeats is None else _mean_of_changes(repeats, "correlation"),
                "-" if milliseconds is None else f"{milliseconds:,.0f}",
            )
        )
    head = (
        "Method",
        "Hottest point in a lesion",
        "Ours hits more often by",
        "AUPRC",
        "Evidence inside the lungs",
        "Seeds failed",
        "Hottest point moves by",
        "Correlation after changes",
        "Milliseconds",
    )
    guided = (
        ""
        if told["guided_units"]
        else " This network has no plain ReLU, so Guided Grad-CAM here is Grad-CAM times the gradient."
    )
    few = told["methods"][0]["repeatability"]["films"]
    return (
        f"<h2>Other methods on the same network</h2><p>{told['films']:,} films of {told['patients']:,} "
        f"patients, torch on {told['threads']} threads, one film at a time; random weights and changes on "
        f"{few:,} of them. "
        "Our map and captum's Grad-CAM (times the number of cells, before its ReLU) differ by at most "
        f"{told['grad_cam_difference']:.1e} of the film's extreme.{guided}</p>{table(head, rows)}"
    )


def _mean_of_changes(told: Told, key: str) -> str:
    values = [change[key]["value"] for change in told["changes"]]
    return f"{sum(values) / len(values):.3f}"

"""The figures of `pneumoscope evaluate-map` as one HTML page that needs nothing else: no script, no network."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from pneumoscope.report.estimates import IntervalRow, interval_plot, interval_text, signed_interval_text
from pneumoscope.report.figures import BLUE, GREY, Marker, Series, square_plot
from pneumoscope.report.page import page, table

__all__ = ["render_explanation_page"]

Told = Mapping[str, Any]

_MAPS = {
    "map": "The map",
    "others": "Hottest points of other patients",
    "lungs": "Somewhere in the lungs",
    "centre": "Centre of the film",
    "film": "Somewhere on the film",
}
_METRICS = {
    "pointing": ("Hottest point in a lesion", "Share of films"),
    "average_precision": ("Pixels against the lesions'", "Average precision (AUPRC)"),
    "evidence_in_lungs": ("Positive evidence inside the lungs", "Share of the evidence"),
}
_MEASURES = {"rank_correlation": "Rank correlation", "structural_similarity": "Structural similarity"}
_MISSED = 20


def render_explanation_page(told: Told) -> str:
    """The page; equal figures give equal text.

    Args:
        told: what `ExplanationReport.to_json` gives, or the same read back from its file.
    """
    films = told["groups"][0]["films"]
    title = f"{told['model']}: where its map lies, on {films:,} films of the {told['split']} split"
    body = [
        f"<h1>{escape(title)}</h1>",
        '<p class="note">Research use only; not a medical device. In brackets: 95 % intervals, which count '
        f"patients, not films. Bundle SHA-256 <code>{escape(told['sha256'])}</code></p>",
        *(_group(group) for group in told["groups"]),
        _repeatability(told["repeatability"]),
        _randomisation(told["randomisation"]),
        _methods(told["methods"]),
        _missed(told["films"]),
        _failures(told["failures"]),
    ]
    return page(title, body)


def _group(group: Told) -> str:
    rows = []
    for name, title in _MAPS.items():
        cells = [interval_text(group["metrics"][metric].get(name)) for metric in _METRICS]
        better = signed_interval_text(group["advantage"]["pointing"].get(name))
        rows.append((title, cells[0], better, *cells[1:]))
    head = ("", "Hottest point in a lesion", "Map hits more often by", "AUPRC", "Evidence inside the lungs")
    plots = [
        interval_plot(
            title,
            [
                IntervalRow(_MAPS[name], estimates[name], own=name == "map")
                for name in _MAPS
                if name in estimates
            ],
            (0.0, 1.0),
            x_label=x_label,
            step=0.2,
        )
        for metric, (title, x_label) in _METRICS.items()
        if (estimates := group["metrics"][metric])
    ]
    without = group["without_evidence"]
    cold = f" {without:,} films have no positive evidence anywhere." if without else ""
    return (
        f"<h2>{escape(group['group'])}</h2><p>{group['films']:,} films of {group['patients']:,} patients; "
        f"lesions or boxes take {group['lesion_share']:.1%} of a film. Of the {group['found']:,} films that "
        f"the bundle finds, {interval_text(group['pointing_of_found'])} have their hottest point in a lesion."
        f"{cold}</p>{table(head, rows)}<div>{''.join(plots)}{_by_size(group['by_size'])}</div>"
    )


def _by_size(bins: Sequence[Told]) -> str:
    markers = [
        Marker(
            (row["chance"], row["pointing"]["value"]),
            f"{row['films']:,} films: {row['chance']:.3f} by chance, {interval_text(row['pointing'])} by the map",
            BLUE,
            (row["pointing"]["low"], row["pointing"]["high"]),
        )
        for row in bins
    ]
    chance = Series([(0.0, 0.0), (1.0, 1.0)], GREY, dashed=True)
    return square_plot(
        "Hits, by how large the lesions are",
        "Chance of a point anywhere in the lungs",
        "Hottest point in a lesion",
        [chance],
        markers,
    )


def _repeatability(told: Told) -> str:
    lines = [*told["changes"], *([told["other_patients"]] if told["other_patients"] else [])]
    rows = [
        (
            line["name"],
            interval_text(line["displacement"]),
            f"{line['displacement_median']:.3f}",
            f"{line['displacement_90']:.3f}",
            interval_text(line["correlation"]),
            interval_text(line["logit_change"]),
            interval_text(line["finding_kept"]),
        )
        for line in lines
    ]
    head = (
        "Change of the film",
        "Hottest point moves by, mean",
        "Median",
        "90th percentile",
        "Correlation of maps",
        "Change of logit",
        "Finding kept",
    )
    plots = [
        interval_plot(
            title,
            [IntervalRow(line["name"], line[key], own=line["kind"] != "other patient") for line in lines],
            (0.0, end),
            x_label=x_label,
            step=end / 5,
        )
        for title, key, x_label, end in (
            ("How far the hottest point moves", "displacement", "Share of the film's longest side", 0.5),
            ("How alike the maps stay", "correlation", "Correlation of pixels", 1.0),
        )
    ]
    return (
        f"<h2>Small changes of the film</h2><p>{told['films']:,} films of {told['patients']:,} patients. Maps "
        "and points are brought back onto the film before they are compared; the last line compares films of "
        f"different patients.</p>{table(head, rows)}<div>{''.join(plots)}</div>"
    )


def _randomisation(told: Told | None) -> str:
    if told is None:
        return ""
    rows = []
    for seed in told["seeds"]:
        whole = seed["stages"][-1]["similarity"]
        cells = [interval_text(whole[measure]) for measure in _MEASURES]
        margins = [signed_interval_text(seed["margin"][measure]) for measure in _MEASURES]
        rows.append((seed["seed"], *cells, *margins, "passed" if seed["passed"] else "FAILED"))
    head = (
        "Seed",
        *_MEASURES.values(),
        *(f"{title}: below other patients by" for title in _MEASURES.values()),
        "",
    )
    verdict = f"seeds {', '.join(map(str, told['failed']))} fail" if told["failed"] else "no seed fails"
    return (
        f"<h2>Random weights: {verdict}</h2><p>{told['films']:,} films of {told['patients']:,} patients. A seed "
        "passes where, with all weights random, a film's map is less like the trained network's map of the same "
        "film than the trained network's maps of different patients are like each other, by both measures and "
        f"with the whole interval.</p>{table(head, rows)}<div>{''.join(_cascades(told))}</div>"
    )


def _cascades(told: Told) -> Iterator[str]:
    """Per measure: likeness to the trained map, stage by stage; mean over seeds, from the lowest to the highest."""
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


def _methods(told: Told | None) -> str:
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
                signed_interval_text(method["ours_points_better"]),
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
        f"<h2>Other methods on the same network</h2><p>{told['films']:,} films of {told['patients']:,} patients, "
        f"torch on {told['threads']} threads, one film at a time; random weights and changes on {few:,} of them. "
        "Our map and captum's Grad-CAM (times the number of cells, before its ReLU) differ by at most "
        f"{told['grad_cam_difference']:.1e} of the film's extreme.{guided}</p>{table(head, rows)}"
    )


def _mean_of_changes(told: Told, key: str) -> str:
    values = [change[key]["value"] for change in told["changes"]]
    return f"{sum(values) / len(values):.3f}"


def _missed(films: Sequence[Told]) -> str:
    missed = [film for film in films if not film["hit"]]
    if not missed:
        return ""
    largest = sorted(missed, key=lambda film: (-film["lesion_share"], film["path"]))[:_MISSED]
    rows = (
        (
            film["path"],
            f"{film['lesion_share']:.1%}",
            f"{film['point'][0]:.2f} down, {film['point'][1]:.2f} right",
            "found" if film["found"] else "missed",
        )
        for film in largest
    )
    head = ("Film", "Lesion's share", "Hottest point", "Finding")
    title = f"Hottest point outside: {len(missed):,} films, those with the largest lesions first"
    return f"<h2>{title}</h2>{table(head, rows)}"


def _failures(failures: Sequence[Told]) -> str:
    if not failures:
        return ""
    rows = ((failure["path"], failure["status"], failure["reason"]) for failure in failures)
    return f"<h2>{len(failures):,} films without a map</h2>{table(('Film', 'Status', 'Reason'), rows)}"

"""The figures of `pneumoscope evaluate-map` as one HTML page: no script, nothing loaded."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from pneumoscope.report.estimates import IntervalRow, interval_plot, interval_text
from pneumoscope.report.explanation_network import methods_part, randomisation_part
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
        f"patients, not films.{_left_out(told['empty'])} Bundle SHA-256 "
        f"<code>{escape(told['sha256'])}</code></p>",
        *(_group(group) for group in told["groups"]),
        _repeatability(told["repeatability"]),
        randomisation_part(told["randomisation"]),
        methods_part(told["methods"]),
        _missed(told["films"]),
        _failures(told["failures"]),
    ]
    return page(title, body)


def _left_out(empty: int) -> str:
    return f" {empty:,} films are left out: nothing is drawn on them." if empty else ""


def _group(group: Told) -> str:
    rows = []
    for name, title in _MAPS.items():
        cells = [interval_text(group["metrics"][metric].get(name)) for metric in _METRICS]
        better = interval_text(group["advantage"]["pointing"].get(name), signed=True)
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
            f"{row['films']:,} films: chance {row['chance']:.3f}, map {interval_text(row['pointing'])}",
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
        f"<h2>Small changes of the film</h2><p>{told['films']:,} films of {told['patients']:,} patients. "
        "Maps and points are brought back onto the film before they are compared; the last line compares "
        f"films of different patients.</p>{table(head, rows)}<div>{''.join(plots)}</div>"
    )


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

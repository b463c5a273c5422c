"""The figures of `pneumoscope evaluate` as one HTML page that needs nothing else: no script, no network."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import PurePath
from types import MappingProxyType
from typing import Any

from pneumoscope.report.estimates import interval_text
from pneumoscope.report.evaluation_films import PICTURE_NOTICE, worst_section
from pneumoscope.report.evaluation_robustness import (
    baselines_section,
    stress_section,
    thresholds_section,
)
from pneumoscope.report.figures import BLUE, GREEN, GREY, Marker, Series, square_plot
from pneumoscope.report.page import page, table

__all__ = ["render_evaluation_page"]

Told = Mapping[str, Any]

_METRICS = {
    "auc": "AUC",
    "average_precision": "Average precision",
    "brier": "Brier score",
    "expected_calibration_error": "Calibration error",
}
_RATES = {"sensitivity": "Sensitivity", "specificity": "Specificity", "accuracy": "Accuracy", "f1": "F1"}
_CONFUSION = {
    "true_positives": "Found",
    "false_negatives": "Missed",
    "false_positives": "Overcalled",
    "true_negatives": "Left alone",
}
_SECTIONS = {
    "kinds": "by view, age and population",
    "thresholds": "thresholds elsewhere",
    "cheating": "without seeing the disease",
    "stress": "stress",
    "compared": "comparison",
    "curves": "curves",
    "worst": "farthest from the truth",
    "failures": "without a score",
}
_STYLE = """
body{max-width:78rem}table{font-size:14px}th,td{padding:.25rem .5rem}
.wide{overflow-x:auto}.caution{color:#8a4b00;font-weight:600}nav a{margin-right:1rem;white-space:nowrap}
td:first-child{min-width:9rem}h3{margin:1.6rem 0 .3rem}figure{max-width:100%}
figure svg{max-width:100%;height:auto}p{overflow-wrap:anywhere}
.films{display:flex;flex-wrap:wrap;gap:1rem}.films figure{margin:0;max-width:31rem}
.films img{width:100%;height:auto;display:block}.films figcaption{font-weight:400}
"""
_NO_PICTURES: Mapping[str, str] = MappingProxyType({})


def render_evaluation_page(told: Told, pictures: Mapping[str, str] = _NO_PICTURES) -> str:
    """The page; equal figures give equal text.

    Args:
        told: what `EvaluationReport.to_json` gives, or the same read back from its file.
        pictures: path to data URI, of the films to show among those farthest from the truth.
    """
    title = f"{told['model']}: measured on {told['groups'][0]['films']:,} films"
    sections = [
        _facets(told["facets"]),
        thresholds_section(told["thresholds"]),
        baselines_section(told["baselines"]),
        stress_section(told["stress"], told["lungs"]),
        _comparison(told),
        '<h2 id="curves">Curves and confusion</h2>',
        *(_group(group) for group in told["groups"]),
        worst_section(told["worst"], pictures),
        _failures(told["failures"]),
    ]
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="caution">{PICTURE_NOTICE}</p>' if pictures else "",
        '<p class="note">Research use only; not a medical device. In brackets: 95 % intervals, which count '
        "patients, not films; a film of an unknown patient counts as one patient. "
        f"Bundle SHA-256 <code>{escape(told['sha256'])}</code></p>",
        _films_of(told["films_of"]),
        _contents("".join(sections)),
        _overview(told),
        *sections,
    ]
    return page(title, body, _STYLE)


def _films_of(films_of: Told) -> str:
    """Which films these are and what was told from what, as far as the caller said."""
    told = {name: ", ".join(value) if isinstance(value, list) else value for name, value in films_of.items()}
    contrast = [told.pop(kind) for kind in ("positive", "negative") if kind in told]
    parts = [" against ".join(contrast)] if contrast else []
    parts += [f"{name.replace('_', ' ')} {value}" for name, value in told.items()]
    text = escape("; ".join(parts))
    return f"<p>{text}</p>" if text else ""


def _contents(sections: str) -> str:
    """Links to the sections that there are."""
    links = (
        f'<a href="#{anchor}">{name}</a>'
        for anchor, name in _SECTIONS.items()
        if f'<h2 id="{anchor}">' in sections
    )
    return f"<nav>{' '.join(links)}</nav>"


def _overview(told: Told) -> str:
    trained_on = set(told["trained_on"])
    rows = (
        (
            group["group"],
            f"{group['films']:,}",
            f"{group['patients']:,}",
            f"{group['positives']:,}",
            _in_training(group["group"], trained_on, told["films_of"]),
            *(interval_text(group["metrics"].get(metric)) for metric in _METRICS),
        )
        for group in told["groups"]
    )
    head = ("Films of", "Films", "Patients", "With pneumonia", "Source in training", *_METRICS.values())
    return f'<div class="wide">{table(head, rows)}</div>'


def _in_training(source: str, trained_on: set[str], films_of: Told) -> str:
    """Whether the card names a source; nothing is said of films pooled, or where nobody named their source.

    Of films of a folder, and of a table that tells no sources, the name is that of the folder or the table.
    """
    named = "folder" not in films_of and source != PurePath(films_of.get("table", "")).stem
    if not (named and trained_on) or source == "all sources":
        return "-"
    return "yes" if source in trained_on else "no"


def _facets(facets: Sequence[Told]) -> str:
    parts = []
    for facet in facets:
        names = list(facet["groups"][0]["operating_points"])
        head = (
            facet["facet"].capitalize(),
            "Films",
            "With pneumonia",
            "AUC",
            "Calibration error",
            *(f"{name}: sensitivity, specificity" for name in names),
        )
        unknown = f" Unknown of {facet['unknown']:,} films." if facet["unknown"] else ""
        parts.append(
            f"<h3>By {escape(facet['facet'])}</h3>"
            + (f'<p class="note">{unknown.strip()}</p>' if unknown else "")
            + f'<div class="wide">{table(head, map(_facet_row, facet["groups"]))}</div>'
        )
    if not parts:
        return ""
    return '<h2 id="kinds">By view, age and population</h2>' + "".join(parts)


def _facet_row(group: Told) -> tuple[str, ...]:
    metrics = group["metrics"]
    points = (
        ", ".join(
            f"{rates[rate]['value']:.3f}" if rate in rates else "-" for rate in ("sensitivity", "specificity")
        )
        for rates in (point["metrics"] for point in group["operating_points"].values())
    )
    return (
        group["group"],
        f"{group['films']:,}",
        f"{group['positives']:,}",
        interval_text(metrics.get("auc")),
        interval_text(metrics.get("expected_calibration_error")),
        *points,
    )


def _group(group: Told) -> str:
    points = group["operating_points"]
    rows = (
        (
            name,
            f"{point['threshold']:.4f}",
            *(interval_text(point["metrics"].get(rate)) for rate in _RATES),
            *(f"{point[count]:,}" for count in _CONFUSION),
        )
        for name, point in points.items()
    )
    head = ("Operating point", "Threshold", *_RATES.values(), *_CONFUSION.values())
    plots = [_reliability(group["reliability"])]
    if group["roc"]:
        plots = [_roc(group["roc"], points), _precision_recall(group), *plots]
    shown = f'<div class="wide">{table(head, rows)}</div><div>{"".join(plots)}</div>'
    return f"<h3>{escape(group['group'])}</h3>{shown}"


def _roc(curve: Sequence[tuple[float, float]], points: Told) -> str:
    markers = [
        Marker(
            (1.0 - rates["specificity"]["value"], rates["sensitivity"]["value"]),
            f"{name}: sensitivity {interval_text(rates['sensitivity'])}, "
            f"specificity {interval_text(rates['specificity'])}",
        )
        for name, point in points.items()
        for rates in (point["metrics"],)
    ]
    chance = Series([(0.0, 0.0), (1.0, 1.0)], GREY, dashed=True)
    return square_plot(
        "ROC, with operating points",
        "1 - specificity",
        "Sensitivity",
        [chance, Series(curve)],
        markers,
    )


def _precision_recall(group: Told) -> str:
    share = group["positives"] / group["films"]
    chance = Series([(0.0, share), (1.0, share)], GREY, dashed=True)
    curve = Series(group["precision_recall"], BLUE)
    return square_plot("Precision and recall", "Recall (sensitivity)", "Precision", [chance, curve])


def _reliability(bins: Sequence[Told]) -> str:
    markers = [
        Marker(
            (row["mean_probability"], row["frequency"]["value"]),
            f"{row['films']:,} films: said {row['mean_probability']:.3f}, "
            f"were {interval_text(row['frequency'])}",
            GREEN,
            (row["frequency"]["low"], row["frequency"]["high"]),
        )
        for row in bins
    ]
    honest = Series([(0.0, 0.0), (1.0, 1.0)], GREY, dashed=True)
    return square_plot("Reliability", "Calibrated probability", "Share with pneumonia", [honest], markers)


def _comparison(told: Told) -> str:
    if not told["comparison"]:
        return ""
    rows = []
    for pair in told["comparison"]:
        test = pair["auc"]
        rows.append(
            (
                pair["group"],
                f"{pair['films']:,}",
                interval_text(test["difference"] if test else None),
                f"{test['p_value']:.3g}" if test else "-",
                *(f"{p_value:.3g}" for p_value in pair["mcnemar"].values()),
            )
        )
    names = (f"McNemar, {name}: p" for name in told["comparison"][0]["mcnemar"])
    head = ("Films of", "Films", "Difference of AUC", "DeLong: p", *names)
    shown = f'<div class="wide">{table(head, rows)}</div>'
    return f'<h2 id="compared">Compared with {escape(told["compared_with"])}</h2>{shown}'


def _failures(failures: Sequence[Told]) -> str:
    if not failures:
        return ""
    rows = ((failure["path"], failure["status"], failure["reason"]) for failure in failures)
    listed = f'<div class="wide">{table(("Film", "Status", "Reason"), rows)}</div>'
    return f'<h2 id="failures">{len(failures):,} films without a score</h2>{listed}'

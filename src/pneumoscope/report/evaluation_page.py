"""The figures of `pneumoscope evaluate` as one HTML page that needs nothing else: no script, no network."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

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


def render_evaluation_page(told: Told) -> str:
    """The page; equal figures give equal text.

    Args:
        told: what `EvaluationReport.to_json` gives, or the same read back from its file.
    """
    title = f"{told['model']}: measured on {told['groups'][0]['films']:,} films"
    body = [
        f"<h1>{escape(title)}</h1>",
        '<p class="note">Research use only; not a medical device. In brackets: 95 % intervals, which count '
        "patients, not films; a film of an unknown patient counts as one patient. "
        f"Bundle SHA-256 <code>{escape(told['sha256'])}</code></p>",
        _overview(told["groups"]),
        *(_group(group) for group in told["groups"]),
        _comparison(told),
        _worst(told["worst"]),
        _failures(told["failures"]),
    ]
    return page(title, body)


def _interval(estimate: Told | None) -> str:
    if estimate is None:
        return "-"
    return f"{estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"


def _overview(groups: Sequence[Told]) -> str:
    rows = (
        (
            group["group"],
            f"{group['films']:,}",
            f"{group['patients']:,}",
            f"{group['positives']:,}",
            *(_interval(group["metrics"].get(metric)) for metric in _METRICS),
        )
        for group in groups
    )
    return table(("Films of", "Films", "Patients", "With pneumonia", *_METRICS.values()), rows)


def _group(group: Told) -> str:
    points = group["operating_points"]
    rows = (
        (
            name,
            f"{point['threshold']:.4f}",
            *(_interval(point["metrics"].get(rate)) for rate in _RATES),
            *(f"{point[count]:,}" for count in _CONFUSION),
        )
        for name, point in points.items()
    )
    head = ("Operating point", "Threshold", *_RATES.values(), *_CONFUSION.values())
    plots = [_reliability(group["reliability"])]
    if group["roc"]:
        plots = [_roc(group["roc"], points), _precision_recall(group), *plots]
    return f"<h2>{escape(group['group'])}</h2>{table(head, rows)}<div>{''.join(plots)}</div>"


def _roc(curve: Sequence[tuple[float, float]], points: Told) -> str:
    markers = [
        Marker(
            (1.0 - rates["specificity"]["value"], rates["sensitivity"]["value"]),
            f"{name}: sensitivity {_interval(rates['sensitivity'])}, "
            f"specificity {_interval(rates['specificity'])}",
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
            f"{row['films']:,} films: said {row['mean_probability']:.3f}, were {_interval(row['frequency'])}",
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
                _interval(test["difference"] if test else None),
                f"{test['p_value']:.3g}" if test else "-",
                *(f"{p_value:.3g}" for p_value in pair["mcnemar"].values()),
            )
        )
    names = (f"McNemar, {name}: p" for name in told["comparison"][0]["mcnemar"])
    head = ("Films of", "Films", "Difference of AUC", "DeLong: p", *names)
    return f"<h2>Compared with {escape(told['compared_with'])}</h2>{table(head, rows)}"


def _worst(films: Sequence[Told]) -> str:
    if not films:
        return ""
    rows = (
        (
            film["path"],
            film["source"],
            "pneumonia" if film["target"] else "none",
            f"{film['probability']:.4f}",
        )
        for film in films
    )
    return "<h2>Farthest from the truth</h2>" + table(("Film", "Source", "Truth", "Probability"), rows)


def _failures(failures: Sequence[Told]) -> str:
    if not failures:
        return ""
    rows = ((failure["path"], failure["status"], failure["reason"]) for failure in failures)
    return f"<h2>{len(failures):,} films without a score</h2>{table(('Film', 'Status', 'Reason'), rows)}"

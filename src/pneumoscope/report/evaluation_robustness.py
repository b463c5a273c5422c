"""Of the evaluation page, whether its figures can be trusted: thresholds elsewhere, cheating, and stress."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import groupby
from typing import Any

from pneumoscope.report.estimates import IntervalRow, interval_plot, interval_text
from pneumoscope.report.page import table

__all__ = ["baselines_section", "stress_section", "thresholds_section"]

Told = Mapping[str, Any]

GEOMETRY_TARGET = 0.01
"""By how much a change of geometry may move the AUC."""

_LUNGS = {
    "mask": "by a mask of each",
    "cut": "by their cut",
    "network": "by a network, with a margin of 7 % of the height",
    "template": "by a template: the 60 % of the area in which lungs mostly lie",
}


def thresholds_section(thresholds: Sequence[Told]) -> str:
    """What each threshold promised on the films it was chosen on, and what it gives on these."""
    if not thresholds:
        return ""
    splits = ", ".join(sorted({row["split"] for row in thresholds}))
    parts = [
        '<h2 id="thresholds">Do the thresholds carry over?</h2>',
        f'<p class="note">Promised: on the card, measured on {escape(splits)}. Shift: found minus promised, '
        "with its 95 % interval (Newcombe). The last column is the threshold that the same rule would have "
        "chosen on these very films: how far their scores are shifted, not a threshold to use.</p>",
    ]
    head = ("Films of", *_rate_head("Sensitivity"), *_rate_head("Specificity"), "Own threshold")
    for name in dict.fromkeys(row["operating_point"] for row in thresholds):
        listed = [row for row in thresholds if row["operating_point"] == name]
        parts.append(f"<h3>{escape(name)}: from {listed[0]['threshold']:.4f}</h3>")
        parts.append(_wide(table(head, map(_threshold_row, listed))))
    return "".join(parts)


def _rate_head(rate: str) -> tuple[str, str, str]:
    return f"{rate}: promised", "found", "shift"


def _threshold_row(row: Told) -> tuple[str, ...]:
    rates = (
        cell
        for rate in (row["sensitivity"], row["specificity"])
        for cell in (
            f"{rate['promised']['value']:.3f}",
            interval_text(rate["found"]),
            interval_text(rate["shift"], signed=True),
        )
    )
    own = row["own_threshold"]
    return (row["group"], *rates, "-" if own is None else f"{own:.4f}")


def baselines_section(baselines: Sequence[Told]) -> str:
    """What simple classifiers reach that see everything but the disease."""
    if not baselines:
        return ""
    parts = [
        '<h2 id="cheating">What can be reached without seeing the disease</h2>',
        '<p class="note">Simple classifiers that see one thing each, on the same films; fitted on films of '
        "earlier splits of the same sources where there are enough, else on other patients of these films. "
        "Where one comes near the bundle, the bundle may have learnt the same, and its figure on these films "
        "shows little. A thumbnail also shows large opacities.</p>",
    ]
    for group, rows in groupby(baselines, lambda row: row["group"]):
        listed = sorted(rows, key=lambda row: -row["auc"]["value"])
        parts.append(f"<h3>{escape(group)}</h3>")
        whole = max(listed, key=lambda row: row["films"])
        drawn = [IntervalRow("the bundle", whole["model"], own=True)]
        drawn += [IntervalRow(row["title"], row["auc"]) for row in listed]
        parts.append(
            interval_plot(
                f"{group}: AUC of the bundle, and of what is no disease",
                drawn,
                (0.4, 1.0),
                x_label="AUC, 95 % interval",
                step=0.1,
            )
        )
        own = ("The bundle", f"{whole['films']:,}", interval_text(whole["model"]), "", "", "")
        parts.append(_wide(table(_BASELINE_HEAD, [own, *map(_baseline_row, listed)])))
    return "".join(parts)


_BASELINE_HEAD = ("Seen", "Films", "AUC", "Bundle minus it", "", "Fitted on")


def _baseline_row(row: Told) -> tuple[str, ...]:
    difference = row["difference"]["difference"]
    return (
        row["title"],
        f"{row['films']:,}",
        interval_text(row["auc"]),
        interval_text(difference, signed=True),
        "clearly below" if difference["low"] > 0 else "not clearly below",
        row["fitted_on"],
    )


def stress_section(stress: Sequence[Told], lungs: Mapping[str, int]) -> str:
    """The same films changed: geometry must not matter, the lungs must."""
    if not stress:
        return ""
    found = ", ".join(
        f"on {films:,} films {_LUNGS.get(origin, origin)}" for origin, films in sorted(lungs.items())
    )
    parts = [
        '<h2 id="stress">Stress: the same films, changed</h2>',
        '<p class="note">Differences are of the same films, changed minus as they are. Claimed: mean '
        "distance of the probability from the share of pneumonia among these films; 0 where the bundle says "
        "no more than how common pneumonia is, which is all that can be said without lungs. Refused: by the "
        f"bundle's guard, which stands aside for these figures. Lungs were found: {escape(found)}.</p>",
    ]
    for group, rows in groupby(stress, lambda row: row["group"]):
        listed = list(rows)
        parts.append(f"<h3>{escape(group)}</h3>")
        geometry = [row for row in listed if row["kind"] == "geometry"]
        evidence = [row for row in listed if row["kind"] == "evidence"]
        if geometry:
            parts.append(_geometry_plot(group, geometry))
            parts.append(_wide(table(_STRESS_HEAD, (_stress_row(row, _kept(row)) for row in geometry))))
        if evidence:
            parts.append(_wide(table(_STRESS_HEAD, (_stress_row(row, _lost(row)) for row in evidence))))
    return "".join(parts)


_STRESS_HEAD = (
    "Changed",
    "Films",
    "AUC before",
    "AUC after",
    "Difference",
    "",
    "Mean probability",
    "Claimed",
    "PNEUMONIA (balanced)",
    "Refused",
)


def _geometry_plot(group: str, rows: Iterable[Told]) -> str:
    drawn = [IntervalRow(row["title"], row["difference"]["difference"]) for row in rows if row["difference"]]
    if not drawn:
        return ""
    return interval_plot(
        f"{group}: what geometry does to the AUC (shaded: at most {GEOMETRY_TARGET:g})",
        drawn,
        (-0.1, 0.1),
        x_label="Difference of AUC, 95 % interval",
        step=0.05,
        band=(-GEOMETRY_TARGET, GEOMETRY_TARGET),
    )


def _kept(row: Told) -> str:
    if row["difference"] is None:
        return ""
    moved = abs(row["difference"]["difference"]["value"])
    return f"{'within' if moved <= GEOMETRY_TARGET else 'beyond'} {GEOMETRY_TARGET:g}"


def _lost(row: Told) -> str:
    if row["difference"] is None:
        return ""
    return "clearly lower" if row["difference"]["difference"]["high"] < 0 else "not clearly lower"


def _stress_row(row: Told, verdict: str) -> tuple[str, ...]:
    before, after, difference = row["before"], row["after"], row["difference"]
    blank = f" ({row['blank']:,} more blank)" if row["blank"] else ""
    return (
        row["title"],
        f"{row['films']:,}{blank}",
        interval_text(before["auc"]),
        interval_text(after["auc"]),
        interval_text(difference["difference"] if difference else None, signed=True),
        verdict,
        _change(f"{before['mean']:.3f}", f"{after['mean']:.3f}"),
        _change(f"{before['distance']['value']:.3f}", f"{after['distance']['value']:.3f}"),
        _change(_share(before["findings"]), _share(after["findings"])),
        "-" if after["refused"] is None else _change(f"{before['refused']:.0%}", f"{after['refused']:.0%}"),
    )


def _change(before: str, after: str) -> str:
    return f"{before}\u00a0to\u00a0{after}"


def _share(findings: Told) -> str:
    found = findings.get("balanced")
    return "-" if found is None else f"{found['value']:.0%}"


def _wide(content: str) -> str:
    return f'<div class="wide">{content}</div>'

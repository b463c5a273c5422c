"""The part of the page of results that tells of one network's stress test, baselines and map."""

from collections.abc import Mapping
from typing import Any

from pneumoscope.report.markdown import estimate_text, markdown_table

__all__ = ["render_extras"]

Told = Mapping[str, Any]

_MAPS = {
    "map": "the map",
    "others": "maps of other patients",
    "lungs": "the lungs, evenly",
    "centre": "the centre",
    "film": "the film, evenly",
}
_MAP_METRICS = {
    "pointing": "hottest point in a lesion",
    "average_precision": "AUPRC of lesion pixels",
    "evidence_in_lungs": "positive evidence inside the lungs",
}


def render_extras(extras: Told, title: str) -> str:
    """Markdown; empty where nothing was asked of the network.

    Args:
        extras: its entry of `extras` in what is gathered.
        title: of the network.
    """
    sections = []
    if extras["stress"] is not None:
        sections += [_changes(extras["stress"], title), _baselines(extras["stress"], title)]
    if extras["map"] is not None:
        sections.append(_map(extras["map"], title))
    return "\n\n".join(section for section in sections if section)


def _interval(estimate: Told | None) -> str:
    if estimate is None:
        return "-"
    return estimate_text(estimate["value"], estimate["low"], estimate["high"])


def _negatives(told: Told) -> str:
    return f"Negatives are films labelled {' or '.join(told['negative'])}."


_CHANGE = (
    "before",
    "after",
    "difference",
    "sure_before",
    "sure_after",
    "positive_before",
    "positive_after",
)


def _changes(told: Told, title: str) -> str:
    if not told["changes"]:
        return ""
    head = (
        "films of",
        "films changed",
        "films",
        "AUC before",
        "AUC after",
        "difference",
        "sureness before",
        "sureness after",
        "positive before",
        "positive after",
    )
    lines = [
        (
            row["group"],
            row["title"],
            f"{row['films']:,}",
            *(_interval(row[key]) for key in _CHANGE),
        )
        for row in told["changes"]
    ]
    return (
        f"## Films changed: {title}\n\nOther geometry must not move the AUC, missing evidence must. Sureness "
        "is the mean distance of the probability from the share of pneumonia among the films; positive is "
        "the share of films at or above the balanced threshold, which films without evidence must not reach. "
        f"{_negatives(told)}\n\n{markdown_table(head, lines)}"
    )


def _baselines(told: Told, title: str) -> str:
    if not told["baselines"]:
        return ""
    head = ("films of", "seen", "films", "AUC of that", "AUC of the network", "difference")
    lines = [
        (
            row["group"],
            row["title"],
            f"{row['films']:,}",
            *(_interval(row[key]) for key in ("auc", "model", "difference")),
        )
        for row in told["baselines"]
    ]
    return (
        f"## Without seeing the disease: {title}\n\nWhat a simple classifier reaches that sees one thing "
        f"which is no disease. {_negatives(told)}\n\n{markdown_table(head, lines)}"
    )


def _map(told: Told, title: str) -> str:
    head = ("films of", "films", "", *_MAP_METRICS.values())
    lines = [
        (
            group["group"],
            f"{group['films']:,}",
            words,
            *(_interval(group["metrics"].get(metric, {}).get(name)) for metric in _MAP_METRICS),
        )
        for group in told["groups"]
        for name, words in _MAPS.items()
        if any(name in figures for figures in group["metrics"].values())
    ]
    change_head = (
        "change of the film",
        "hottest point moves, share of the longest side",
        "correlation of maps",
    )
    changes = [
        (change["name"], _interval(change["displacement"]), _interval(change["correlation"]))
        for change in told["changes"]
    ]
    parts = [
        f"## Where the evidence lies: {title}",
        markdown_table(head, lines),
        markdown_table(change_head, changes),
    ]
    if told["seeds"] is not None:
        parts.append(
            f"With random weights the map fails the test for {told['seeds_failed']} of {told['seeds']} seeds."
        )
    if told["methods"]:
        method_head = ("method, on the same network", "hottest point in a lesion", "AUPRC of lesion pixels")
        methods = [
            (method["title"], _interval(method["pointing"]), _interval(method["average_precision"]))
            for method in told["methods"]
        ]
        parts.append(markdown_table(method_head, methods))
    return "\n\n".join(parts)

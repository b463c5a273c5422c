"""The page of results as Markdown: every figure on it comes from the values that it is given."""

from collections.abc import Iterable, Mapping
from typing import Any

from pneumoscope.report.markdown import estimate_text, markdown_table
from pneumoscope.report.results_extras import render_extras

__all__ = ["render_results_page"]

Told = Mapping[str, Any]

_METRICS = {
    "auc": "AUC",
    "accuracy": "accuracy",
    "f1": "F1",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "brier": "Brier",
    "expected_calibration_error": "calibration error",
}
_LADDER_GROUPS = 2
_INTERVALS = (
    "In brackets: 95 % intervals that count patients, not films (AUC by DeLong with patients as clusters, "
    "shares by Wilson at the effective number of films, F1, Brier and calibration error by 2,000 bootstrap "
    "resamples of patients); a film of an unknown patient counts as one patient."
)


def render_results_page(told: Told, command: str) -> str:
    """The page; equal values give equal text.

    Args:
        told: what `pneumoscope.release.results.gather_results` gives, or the same read back from JSON.
        command: that wrote the page.
    """
    sections = (
        _head(told, command),
        _missing(told),
        _kept(told),
        _films(told),
        _ladder(told),
        _costs(told),
        _groups(told),
        _view_tests(told),
        _comparisons(told),
        *(_points(points, told) for points in told["points"]),
        _left_out(told),
        *(render_extras(extras, told["entries"][extras["entry"]]) for extras in told["extras"]),
        _commands(told),
    )
    return "\n\n".join(section.strip() for section in sections if section) + "\n"


def _interval(estimate: Told | None, digits: int = 3) -> str:
    if estimate is None:
        return "-"
    return estimate_text(estimate["value"], estimate["low"], estimate["high"], digits)


def _count(number: float) -> str:
    return f"{number:,.0f}"


def _p_value(value: float | None) -> str:
    if value is None:
        return "-"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _head(told: Told, command: str) -> str:
    paragraphs = [
        f"# {told['title']}",
        f"*Written by `{command}` from run records and evaluations; no figure on this page was typed.*",
        *told["introduction"],
        f"Split: {told['split']}, of the manifest with SHA-256 `{told['manifest_sha256']}`. Temperature and "
        "thresholds of every network were fixed on validation films; findings are made at its "
        f"{told['operating_point']} operating point. {_INTERVALS}",
    ]
    return "\n\n".join(paragraphs)


def _missing(told: Told) -> str:
    if not told["missing"]:
        return ""
    return "## Not here\n\n" + "\n".join(f"- {sentence}" for sentence in told["missing"])


def _kept(told: Told) -> str:
    if not told["kept"]:
        return ""
    names = "\n".join(f"- {told['entries'][name]}" for name in told["kept"])
    return (
        "## Measured earlier\n\nThese were not at hand when this page was written. Their scores of every "
        "film, and what their training cost, were kept when they were, and every figure below is computed "
        f"from those.\n\n{names}"
    )


def _films(told: Told) -> str:
    head = list(dict.fromkeys(key for row in told["films"] for key in row))
    rows = [
        [_count(row[key]) if isinstance(row[key], int) else row[key] for key in head] for row in told["films"]
    ]
    return (
        "## Films\n\nNo patient and no copy of a film stands in two splits. A network may leave sources and "
        f"labels out.\n\n{markdown_table(head, rows)}"
    )


def _figures_table(rows: Iterable[Told], titles: Mapping[str, str], digits: int) -> str:
    head = ("network", *_METRICS.values())
    lines = [
        (titles[row["entry"]], *(_interval(row["metrics"].get(metric), digits) for metric in _METRICS))
        for row in rows
    ]
    return markdown_table(head, lines)


def _group(group: Told, titles: Mapping[str, str], digits: int = 3) -> str:
    if not group["rows"]:
        return ""
    first = group["rows"][0]
    films, positives = first["films"], first["positives"]
    counts = (
        f"{_count(films)} films of {_count(first['patients'])} patients, {_count(positives)} with pneumonia."
    )
    unseen = "" if group["trained"] else "No network was trained on films of these sources."
    note = " ".join(text for text in (counts, unseen, group["note"]) if text)
    return f"### {group['name']}\n\n{note}\n\n{_figures_table(group['rows'], titles, digits)}"


def _ladder(told: Told) -> str:
    groups = [_group(group, told["entries"], digits=4) for group in told["groups"][:_LADDER_GROUPS]]
    if not any(groups):
        return ""
    text = "## The ladder\n\n" + "\n\n".join(group for group in groups if group)
    if told["reported"]:
        rows = [
            (row["title"], *(f"{row[metric]:.4f}" for metric in ("auc", "accuracy", "f1")))
            for row in told["reported"]
        ]
        table = markdown_table(("network", "AUC", "accuracy", "F1"), rows)
        text += f"\n\n### Reported by others\n\n{told['reported_note']}\n\n{table}"
    return text


def _costs(told: Told) -> str:
    if not told["costs"]:
        return ""
    head = [
        "network",
        "architecture",
        "parameters",
        "multiply-adds per film, at pixels",
        "films trained on, at pixels",
        "multiply-adds of training",
        "precision",
        "on",
        "validation AUC",
    ]
    rows = [_cost(cost, told["entries"]) for cost in told["costs"]]
    note = (
        "A film counts every time that it is drawn. Multiply-adds are of convolutions and linear layers; "
        "training takes three times those of the films trained on, for the way there and the two ways back, "
        "and once those of the networks that teach it. "
        "The validation AUC is of the epoch kept, pooled or the mean over sources, as the recipe says. "
        "An ensemble, or an average of weights, costs what its members cost and what these started from; a "
        "network that was taught, what its teachers cost besides."
    )
    if told["timed"]:
        head.append("seconds")
        rows = [(*row, _count(cost["seconds"])) for row, cost in zip(rows, told["costs"], strict=True)]
        note += " Seconds are of training and validation."
    return f"## What training cost\n\n{note}\n\n{markdown_table(head, rows)}"


def _cost(cost: Told, titles: Mapping[str, str]) -> tuple[str, ...]:
    stages = cost["stages"]
    training = sum(stage["films"] * (3 * stage["multiply_adds"] + stage["of_teachers"]) for stage in stages)
    processes = f"{cost['processes']} process{'es' if cost['processes'] > 1 else ''}"
    return (
        titles[cost["entry"]],
        f"`{cost['network']}`",
        f"{cost['parameters'] / 1e6:.2f} million",
        ", ".join(f"{stage['multiply_adds'] / 1e9:.2f} billion at {stage['size']}" for stage in stages),
        ", ".join(f"{_count(stage['films'])} at {stage['size']}" for stage in stages),
        f"{training:.1e}",
        cost["precision"],
        f"{cost['device']}, {processes}",
        "-" if cost["metric"] is None else f"{cost['metric']:.3f}",
    )


def _groups(told: Told) -> str:
    groups = [_group(group, told["entries"]) for group in told["groups"][_LADDER_GROUPS:]]
    texts = [group for group in groups if group]
    return "## Per source and population\n\n" + "\n\n".join(texts) if texts else ""


def _view_tests(told: Told) -> str:
    rows = told["view_tests"]
    if not rows:
        return ""
    names = list(rows[0]["aucs"])
    head = ("network", *(f"{name} ({_count(rows[0]['films'][name])} films)" for name in names))
    lines = [
        (told["entries"][row["entry"]], *(_interval(row["aucs"][name]) for name in names)) for row in rows
    ]
    return (
        "## Does the score tell the view?\n\nWho is too ill to stand is filmed from the front (AP), others "
        "from behind (PA). AUC with which the score tells AP films from PA films of the same label: 0.5 is "
        f"not at all.\n\n{markdown_table(head, lines)}"
    )


def _comparisons(told: Told) -> str:
    if not told["comparisons"]:
        return ""
    titles = told["entries"]
    head = ("first", "second", "films of", "films", "AUC, first minus second", "p (DeLong)", "p (McNemar)")
    rows = [
        (
            titles[row["first"]],
            titles[row["second"]],
            row["group"],
            _count(row["films"]),
            _interval(row["auc"], 4),
            _p_value(row["p_auc"]),
            _p_value(row["p_mcnemar"]),
        )
        for row in told["comparisons"]
    ]
    return (
        "## Film by film\n\nMcNemar's test asks whether the findings of both are right equally often. The "
        f"p-values are not corrected for their number.\n\n{markdown_table(head, rows)}"
    )


def _points(points: Told, told: Told) -> str:
    head = ("films of", "operating point", "threshold", "sensitivity", "specificity", "accuracy", "F1")
    rows = [
        (
            row["group"],
            row["point"],
            f"{row['threshold']:.4f}",
            *(_interval(row["metrics"].get(key)) for key in ("sensitivity", "specificity", "accuracy", "f1")),
        )
        for row in points["rows"]
    ]
    title = told["entries"][points["entry"]]
    return f"## Operating points of: {title}\n\n{markdown_table(head, rows)}"


def _left_out(told: Told) -> str:
    rows = told["left_out"]
    if not rows:
        return ""
    head = (
        "network",
        "films of",
        "films",
        "AUC, never trained on them",
        "sensitivity",
        "specificity",
        "AUC, trained on them",
        "difference",
    )
    lines = [
        (
            told["entries"][row["entry"]],
            row["group"],
            _count(row["films"]),
            *(_interval(row["metrics"].get(key)) for key in ("auc", "sensitivity", "specificity")),
            _interval((row.get("reference") or {"metrics": {}})["metrics"].get("auc")),
            _interval((row.get("difference") or {}).get("auc")),
        )
        for row in rows
    ]
    note = "Each network was trained, calibrated and given its threshold without the source of these films."
    return (
        f"## One source left out\n\n{' '.join((note, told['left_out_note'])).strip()}\n\n"
        f"{markdown_table(head, lines)}"
    )


def _commands(told: Told) -> str:
    titles = told["entries"]
    blocks = [
        f"### {titles[name]}: `{name}`\n\n```sh\n{lines}\n```"
        for name, lines in ((name, "\n".join(commands)) for name, commands in told["commands"].items())
    ]
    return (
        "## Commands\n\nFrom the manifest (`pneumoscope data build`) to the evaluation; `DIR` holds the "
        "films as downloaded. As one command, for everything that is not there yet, or for one entry:\n\n"
        "```sh\npneumoscope results --films DIR --commands | sh -e\n"
        "pneumoscope results --films DIR --commands --entry NAME | sh -e\n```\n\n" + "\n\n".join(blocks)
    )

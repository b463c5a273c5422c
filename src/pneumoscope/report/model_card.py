"""README.md of a bundle: the model card, written from card.json and nothing else."""

from collections.abc import Sequence

from pneumoscope.report.markdown import estimate_text, markdown_table
from pneumoscope.report.model_card_checklist import checklist_section
from pneumoscope.report.model_card_facts import failures_section, films_section, runs_section
from pneumoscope.runtime.card import Card, Estimate, Evaluation

__all__ = ["render_model_card"]

_POINT_PURPOSE = {
    "screening": "miss as few as possible",
    "balanced": "miss and overcall equally often",
    "rule-in": "overcall as few as possible",
}
_METRIC_NAMES = {
    "auc": "AUC",
    "average_precision": "Average precision",
    "brier": "Brier score",
    "expected_calibration_error": "Calibration error",
}
_RATES = ("sensitivity", "specificity", "accuracy", "f1")


def render_model_card(card: Card) -> str:
    """The card as Markdown; equal cards give equal text.

    Sections and their order follow Mitchell et al. 2019, "Model Cards for Model Reporting"; what a journal of
    radiology would ask besides follows CLAIM (`checklist_section`).

    Args:
        card: of the bundle.
    """
    sections = (
        _details(card),
        _lower_precision(card),
        _use(card),
        _operating_points(card),
        _evaluations(card.evaluations),
        failures_section(card.evaluations),
        _training_data(card),
        films_section(card),
        runs_section(card),
        _limitations(card),
        checklist_section(card),
    )
    return "\n\n".join(section.strip() for section in sections if section) + "\n"


def _with_interval(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    return estimate_text(estimate.value, estimate.low, estimate.high)


def _details(card: Card) -> str:
    prepare = card.prepare
    rows = [
        ("Version", card.version),
        ("Created", card.created),
        ("Architecture", f"`{card.architecture}`"),
        (
            "Input",
            f"{prepare.size} x {prepare.size} pixels, {prepare.fit}, "
            f"{'empty frames cut off, ' if prepare.cut_frame else ''}intensity {prepare.intensity}, "
            f"mean {prepare.mean:g}, standard deviation {prepare.std:g}",
        ),
        ("Output", f"logit of {card.labels[1]} against {card.labels[0]}, and its signed map in logit units"),
        ("Calibration", f"probability = sigmoid(logit / {card.temperature:.4g})"),
        ("Colours of the map saturate at", f"{card.heatmap_limit:g} logit units"),
        ("Prepare parameters, SHA-256", f"`{card.prepare_sha256}`"),
        ("Training manifest, SHA-256", f"`{card.training_manifest_sha256}`"),
        ("Code revision", f"`{card.code_revision}`"),
    ]
    return f"# {card.name}\n\n{markdown_table(('', ''), rows)}"


def _lower_precision(card: Card) -> str:
    loss = card.lower_precision
    if loss is None:
        return ""
    arithmetic = {
        "int8": "8-bit integers in most layers",
        "bf16": "16-bit floating point (bfloat16), by OpenVINO",
        "int8-bf16": "8-bit integers in most layers and bfloat16 between them, by OpenVINO",
        "fp32-openvino": "the same single precision, by OpenVINO",
    }
    ranges = f"; ranges from {loss.calibrated_on}" if loss.calibrated_on else ""
    rows = [
        *(
            (f"AUC on {name}", f"{before:.4f}", f"{loss.auc_change[name]:+.5f}")
            for name, before in loss.auc.items()
        ),
        ("Logit", "-", f"at most {loss.largest_logit_change:.3f}, rms {loss.rms_logit_change:.3f}"),
        *(
            (f"Findings at {name}", loss.films, f"{count} changed")
            for name, count in loss.findings_changed.items()
        ),
        (
            "Map",
            "-",
            f"{loss.rms_map_change:.1%} of its size, at most {loss.largest_map_change:.2f} logits in a cell",
        ),
        ("Maps with the same hottest cell", loss.films, f"{loss.same_hottest_cell:.1%}"),
    ]
    return (
        "## Lower precision\n\n"
        f"This is {loss.made_from} (SHA-256 `{loss.made_from_sha256}`) computing with "
        f"{arithmetic[loss.arithmetic]}{ranges}. Temperature and thresholds are the same. Both scored "
        f"{loss.films} films ({loss.split}). No film whose exact probability is farther than "
        f"{loss.margin:.3f} from a threshold changed its finding there.\n\n"
        f"{markdown_table(('', 'exact', 'change'), rows)}"
    )


def _use(card: Card) -> str:
    return (
        f"## Intended use\n\n{card.intended_use}\n\n"
        f"## Who was in the training films\n\n{card.intended_population}"
    )


def _operating_points(card: Card) -> str:
    rows = [
        (
            name,
            _POINT_PURPOSE[name],
            f"{card.operating_points[name].threshold:.4f}",
            _with_interval(card.operating_points[name].sensitivity),
            _with_interval(card.operating_points[name].specificity),
            card.operating_points[name].split,
        )
        for name in ("screening", "balanced", "rule-in")
        if name in card.operating_points
    ]
    head = ("operating point", "purpose", "threshold", "sensitivity", "specificity", "measured on")
    return (
        "## Operating points\n\n"
        f"A film is {card.labels[1]} where its calibrated probability is at least the threshold. Thresholds "
        "belong to this version only. In brackets: 95 % intervals, which count patients, not films; a film "
        "of an unknown patient counts as one patient.\n\n"
        f"{markdown_table(head, rows)}"
    )


def _evaluations(evaluations: Sequence[Evaluation]) -> str:
    if not evaluations:
        return ""
    head = ("films of", "films", "patients", "with pneumonia", *_METRIC_NAMES.values())
    rows = [
        (
            each.split,
            each.films,
            "-" if each.patients is None else each.patients,
            each.positives,
            *(_with_interval(each.metrics.get(metric)) for metric in _METRIC_NAMES),
        )
        for each in evaluations
    ]
    points = [
        (
            each.split,
            name,
            *(_with_interval(each.metrics.get(f"{metric}@{name}")) for metric in _RATES),
        )
        for each in evaluations
        for name in _POINT_PURPOSE
        if any(f"{metric}@{name}" in each.metrics for metric in _RATES)
    ]
    text = f"## Measured\n\n{_held_back(evaluations)}\n\n{markdown_table(head, rows)}"
    if points:
        point_head = ("films of", "operating point", "sensitivity", "specificity", "accuracy", "F1")
        text += f"\n\n{markdown_table(point_head, points)}"
    commands = "\n".join(dict.fromkeys(each.command for each in evaluations))
    return f"{text}\n\nMeasured by:\n\n```\n{commands}\n```"


def _held_back(evaluations: Sequence[Evaluation]) -> str:
    """How far the films that were measured had a say in what was measured."""
    splits = {each.split.rpartition(":")[2] for each in evaluations}
    chose = (
        "Validation films chose the epoch, the temperature and the thresholds, so that figures on them are "
        "somewhat too good."
    )
    if "test" not in splits:
        return f"No test film was measured. {chose}"
    blind = "Test films had no say in anything."
    return f"{blind} {chose}" if "validation" in splits else blind


def _training_data(card: Card) -> str:
    if not card.training_data:
        return ""
    columns = list(dict.fromkeys(key for source in card.training_data for key in source))
    rows = [[source.get(column, "-") for column in columns] for source in card.training_data]
    return (
        f"## Training data\n\n{markdown_table(columns, rows)}\n\n"
        "No film is part of this bundle. The resolved training recipe is in `card.json`."
    )


def _limitations(card: Card) -> str:
    return "## Limitations\n\n" + "\n".join(f"- {sentence}" for sentence in card.limitations)

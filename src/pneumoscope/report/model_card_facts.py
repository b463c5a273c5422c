"""Sections of a model card that reporting guidelines ask for: failures, films, runs, and a checklist."""

from collections.abc import Mapping, Sequence
from typing import Any

from pneumoscope.report.markdown import estimate_text, markdown_table
from pneumoscope.runtime.card import Card, Evaluation
from pneumoscope.runtime.provenance import AgeSpread, Cohort, TrainingRun, recipes_of

__all__ = ["failures_section", "films_section", "runs_section", "unseen_sources"]

_POINT = "balanced"
_RECIPE_KEYS = {
    "model.pretrained": "starts from published weights",
    "optimiser.name": "optimiser",
    "optimiser.learning_rate": "learning rate",
    "optimiser.weight_decay": "weight decay",
    "schedule.name": "schedule",
    "loss.name": "loss",
    "batch_size": "films per step",
    "precision": "precision",
    "ema_decay": "average of weights",
    "selection.average": "validation AUC",
}
_RUN_HEAD = (
    "recipe",
    "network",
    "parameters",
    "films trained on, each time counted",
    "steps",
    "seconds",
    "on",
    "torch",
    "epoch kept",
    "its validation AUC",
)


def failures_section(evaluations: Sequence[Evaluation]) -> str:
    """How many films are missed and overcalled, and where it is worst; empty without figures.

    Args:
        evaluations: of the card.
    """
    rows = []
    for each in evaluations:
        sensitivity = each.metrics.get(f"sensitivity@{_POINT}")
        specificity = each.metrics.get(f"specificity@{_POINT}")
        negatives = each.films - each.positives
        missed = "-" if sensitivity is None else _of((1 - sensitivity.value) * each.positives, each.positives)
        overcalled = "-" if specificity is None else _of((1 - specificity.value) * negatives, negatives)
        if (missed, overcalled) != ("-", "-"):
            rows.append((each.split, missed, overcalled))
    if not rows:
        return ""
    table = markdown_table(("films of", "pneumonia missed", "overcalled"), rows)
    text = f"## Failures\n\nAt the {_POINT} operating point.\n\n{table}"
    tested = [each for each in evaluations if each.split.endswith(":test") and "auc" in each.metrics]
    if tested:
        worst = min(tested, key=lambda each: each.metrics["auc"].value)
        auc = worst.metrics["auc"]
        measured = estimate_text(auc.value, auc.low, auc.high)
        text += f"\n\nWeakest of what was tested: {worst.split}, AUC {measured}."
    return text


def _of(part: float, whole: int) -> str:
    return f"{round(part):,} of {whole:,}"


def unseen_sources(card: Card) -> list[str]:
    """Sources that were measured and that no film was learnt of, in the order of the card."""
    learnt = {cohort.source for cohort in card.cohorts if cohort.learnt}
    learnt |= {str(source["name"]) for source in card.training_data if "name" in source}
    named = dict.fromkeys(each.split.rpartition(":")[0] for each in card.evaluations)
    return [name for name in named if name and name != "all sources" and name not in learnt]


def films_section(card: Card) -> str:
    """Which files became films, and who is on them; empty where the card does not say."""
    if not card.cohorts:
        return ""
    parts = [
        "## Films",
        "No patient and no copy of a film stands in two splits. Sex is not recorded.",
        markdown_table(
            (
                "source",
                "split",
                "role",
                "films",
                "known patients",
                "films of unknown patients",
                "labels",
                "population",
                "view",
                "age, years",
            ),
            [_cohort(cohort) for cohort in card.cohorts],
        ),
    ]
    if card.source_flows:
        fates = list(dict.fromkeys(fate for flow in card.source_flows for fate in flow.fates))
        rows = [
            (
                flow.source,
                " ".join(text for text in (flow.title, flow.url) if text) or "-",
                f"{flow.files:,}",
                *(f"{flow.fates.get(fate, 0):,}" for fate in fates),
            )
            for flow in card.source_flows
        ]
        parts += [
            "What became of every file of these data sets:",
            markdown_table(("source", "data set", "files", *fates), rows),
        ]
    return "\n\n".join(parts)


def _cohort(cohort: Cohort) -> tuple[str, ...]:
    return (
        cohort.source,
        cohort.split,
        "learnt from" if cohort.learnt else "measured only",
        f"{cohort.films:,}",
        f"{cohort.known_patients:,}",
        f"{cohort.films_of_unknown_patients:,}",
        *(_counts(words) for words in (cohort.labels, cohort.populations, cohort.views)),
        "unknown" if cohort.ages is None else _ages(cohort.ages, cohort.films),
    )


def _counts(words: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {word}" for word, count in words.items())


def _ages(ages: AgeSpread, films: int) -> str:
    known = "" if ages.films == films else f", known of {ages.films:,}"
    quartiles = f"{ages.lower_quartile:g} to {ages.upper_quartile:g}"
    return f"median {ages.median:g}, half {quartiles}, all {ages.youngest:g} to {ages.oldest:g}{known}"


def runs_section(card: Card) -> str:
    """What was run, on what, and how; empty where the card does not say."""
    if not card.training_runs:
        return ""
    chosen = [
        [recipe.get("name", "-"), *(_value(recipe, key) for key in _RECIPE_KEYS), _augmentation(recipe)]
        for recipe in recipes_of(card.recipe)
    ]
    head = ("recipe", *_RECIPE_KEYS.values(), "augmentation")
    mean = ""
    if "average" in card.recipe:
        mean = f"The weights are the mean of those of {len(card.training_runs)} runs.\n\n"
    return (
        f"## Training\n\n{mean}{markdown_table(_RUN_HEAD, map(_run, card.training_runs))}\n\n"
        f"{markdown_table(head, chosen)}\n\n"
        "Every key of the recipe is in `card.json`."
    )


def _run(run: TrainingRun) -> tuple[str, ...]:
    return (
        _name(run),
        f"`{run.network}`",
        _number(run.parameters),
        _cost(run.films_seen, run.films_seen_before, run.films_seen_by_teachers),
        _number(run.steps),
        _cost(run.seconds, run.seconds_before, run.seconds_of_teachers),
        _machine(run),
        run.torch or "-",
        _number(run.selected_epoch),
        "-" if run.selected_metric is None else f"{run.selected_metric:.3f}",
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _name(run: TrainingRun) -> str:
    """A run by its recipe, with those that it came from."""
    words = [run.recipe]
    words += [] if run.started_from is None else [f"from {run.started_from}"]
    words += [f"taught by {' and '.join(run.taught_by)}"] if run.taught_by else []
    return ", ".join(words)


def _cost(own: float | None, before: float | None, teachers: float | None) -> str:
    """A number of a run, after that of the run it started from, beside that of its teachers."""
    words = [_number(own)]
    words += [] if before is None else [f"after {_number(before)}"]
    words += [] if teachers is None else [f"teachers {_number(teachers)}"]
    return ", ".join(words)


def _machine(run: TrainingRun) -> str:
    words = [run.hardware or run.device or "-"]
    words += [] if run.precision is None else [run.precision]
    if run.processes is not None and run.processes > 1:
        words.append(f"{run.processes} processes")
    return ", ".join(words)


def _value(recipe: Mapping[str, Any], key: str) -> str:
    level: Any = recipe
    for part in key.split("."):
        level = level.get(part) if isinstance(level, Mapping) else None
    if isinstance(level, bool):
        return "yes" if level else "no"
    return "-" if level is None else str(level)


def _augmentation(recipe: Mapping[str, Any]) -> str:
    """What may change in a film: keys of the recipe whose value does something."""
    keys = recipe.get("augment", {})
    never = tuple(key.removesuffix("probability") for key, value in keys.items() if not value)
    active = {
        key: value
        for key, value in keys.items()
        if value and value != [1.0, 1.0] and not key.startswith(never)  # of "blur_probability: 0", blur_scale
    }
    return ", ".join(f"{key} {value}" for key, value in active.items()) or "none"

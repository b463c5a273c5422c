"""What a card says in words: who was in the training films, whose they are, and what cannot be claimed."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pneumoscope.data.composed_films import composed_from, is_drawn_on
from pneumoscope.data.manifest import ManifestRow
from pneumoscope.data.sources.contract import Source
from pneumoscope.release.shift import TRAINED_THRESHOLDS
from pneumoscope.training.dataset import trained_rows
from pneumoscope.training.recipe import DataChoice

__all__ = [
    "INTENDED_USE",
    "intended_population",
    "limitations",
    "training_data",
]

INTENDED_USE = (
    "Research use only; not a medical device. It tells frontal chest radiographs with signs of pneumonia "
    "from those without and shows where the network saw its evidence, for research on and teaching of such "
    "methods. No diagnosis, triage or treatment may rest on it."
)

_GENERAL_LIMITATIONS = (
    "Research use only; not a medical device.",
    "It knows frontal chest films. Lateral views, other modalities and other parts of the body are outside "
    "of what it was made for, also where they are not refused.",
    "It answers pneumonia or normal. What it gives on a film with another disease (effusion, tumour, heart "
    "failure, tuberculosis) is not a statement about that disease.",
    "Labels are those of public data sets. Some were text-mined from reports or follow from a laboratory "
    "test, so that a share of them does not say what the film shows.",
    TRAINED_THRESHOLDS,
    "The map is exact evidence of this network on a coarse grid. It is not the outline of a lesion.",
)


def _used(rows: Iterable[ManifestRow], data: DataChoice, split: str) -> dict[str, list[ManifestRow]]:
    """Films of one split, "train" or "validation", that the recipe uses, by source, sources in order."""
    by_source: dict[str, list[ManifestRow]] = defaultdict(list)
    for row in trained_rows(rows, data):
        if row.split == split:
            by_source[row.source].append(row)
    return dict(sorted(by_source.items()))


def _patients(rows: Iterable[ManifestRow]) -> tuple[int, int]:
    """How many patients are known, and how many films are of an unknown one."""
    names = [row.patient for row in rows]
    return len(set(names) - {None}), names.count(None)


def training_data(
    rows: Sequence[ManifestRow], data: DataChoice, facts: Mapping[str, Source]
) -> tuple[dict[str, Any], ...]:
    """One entry per source that was trained on, with counts of films of the train split.

    Args:
        rows: of the manifest.
        data: sources and targets of the recipe.
        facts: what sources declare, by name; a source without is a user's own.
    """
    entries = []
    for source, films in _used(rows, data, "train").items():
        original = composed_from(source)
        declared = facts.get(original or source)
        made = "" if original is None else f"composed from films of {original}: "
        origin = declared.label_origin if declared else "not declared"
        if is_drawn_on(source):
            made = f"opacities drawn on films of {original}: "
            origin = f"PNEUMONIA: a program drew the opacity; NORMAL: {origin}"
        patients, unknown = _patients(films)
        entries.append(
            {
                "name": source,
                "films": len(films),
                "known patients": patients,
                "films of unknown patients": unknown,
                **{label: sum(film.label == label for film in films) for label in sorted(data.targets)},
                "population": ", ".join(sorted({film.population or "unknown" for film in films})),
                "labels come from": origin,
                "licence": declared.licence if declared else "not declared",
                "citation": made + declared.citation if declared else "not declared",
            }
        )
    return tuple(entries)


def intended_population(rows: Sequence[ManifestRow], data: DataChoice) -> str:
    """Who was in the training films, in a sentence of counts."""
    by_population: dict[str, list[ManifestRow]] = defaultdict(list)
    for films in _used(rows, data, "train").values():
        for film in films:
            by_population[film.population or "unknown age"].append(film)
    parts = [f"{population}: {_counted(films)}" for population, films in sorted(by_population.items())]
    return f"{'; '.join(parts)}. Films of anybody else are outside of what was learnt."


def _counted(films: Sequence[ManifestRow]) -> str:
    """Films as they were taken, of known patients and of unknown ones, and those that were made of others."""
    taken = [film for film in films if composed_from(film.source) is None]
    patients, unknown = _patients(taken)
    counts = (
        (len(taken) - unknown, f"films of {patients:,} patients"),
        (unknown, "films of unknown patients"),
        (len(films) - len(taken), "films composed of others or drawn on"),
    )
    return ", ".join(f"{count:,} {what}" for count, what in counts if count)


def limitations(
    rows: Sequence[ManifestRow],
    data: DataChoice,
    facts: Mapping[str, Source],
    *,
    measured: Iterable[str] = (),
) -> tuple[str, ...]:
    """What cannot be claimed: in general, and for these very training, validation and measured films.

    Args:
        rows: of the manifest.
        data: sources and targets of the recipe.
        facts: what sources declare, by name.
        measured: names of sources that figures on the card are of, beside those that were trained on.
    """
    trained, validated = _used(rows, data, "train"), _used(rows, data, "validation")
    sentences = list(_GENERAL_LIMITATIONS)
    for source in sorted({composed_from(name) or name for name in (*trained, *measured)}):
        if source in facts and facts[source].caveat:
            sentences.append(f"{source}: {facts[source].caveat}")
    for source, films in trained.items():
        labels = {film.label for film in films}
        if len({data.targets[str(label)] for label in labels}) == 1:
            shown = " or ".join(sorted(str(label) for label in labels))
            sentences.append(
                f"Every training film of {source} is {shown}: whatever tells these films apart may pass for "
                "the label, so that figures pooled over sources flatter the model."
            )
        if is_drawn_on(source):
            sentences.append(
                f"The opacities of {source} were drawn by a program, in number, place and size as "
                "radiologists boxed them on other films: they are no disease."
            )
        if source not in validated:
            sentences.append(f"No film of {source} was left for validation.")
    return tuple(sentences)

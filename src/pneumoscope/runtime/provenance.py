"""Facts on a card that reporting guidelines ask for: who is on the films, which were left out, what was run.

Source: Tejani et al. 2024, "Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 Update",
Radiology: Artificial Intelligence 6(4):e240300, items 8, 13, 19, 22 to 26, 35 and 36.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

__all__ = ["AgeSpread", "Cohort", "SourceFlow", "TrainingRun", "recipes_of"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AgeSpread(_Record):
    """Ages of films on which the age is known, years.

    Attributes:
        films: on which it is known.
        youngest: of them.
        lower_quartile: of them.
        median: of them.
        upper_quartile: of them.
        oldest: of them.
    """

    films: int
    youngest: float
    lower_quartile: float
    median: float
    upper_quartile: float
    oldest: float


class Cohort(_Record):
    """Films of one source in one split, of the labels that were learnt or measured.

    Attributes:
        source: name of the data set.
        split: train, validation or test.
        films: how many.
        known_patients: how many different ones are known.
        films_of_unknown_patients: whose patient is not known.
        labels: label to films.
        populations: paediatric, adult, mixed or unknown to films.
        views: view position, or unknown, to films.
        ages: where they are known of any film.
        learnt: the weights were trained on these films, or chosen and calibrated by them.
    """

    source: str
    split: str
    films: int
    known_patients: int
    films_of_unknown_patients: int
    labels: dict[str, int]
    populations: dict[str, int]
    views: dict[str, int]
    ages: AgeSpread | None = None
    learnt: bool


class SourceFlow(_Record):
    """What became of every file of a data set.

    Attributes:
        source: its name.
        title: as its authors call it.
        url: its home page.
        files: found.
        fates: what became of them, to files; their sum is `files`.
    """

    source: str
    title: str = ""
    url: str = ""
    files: int
    fates: dict[str, int]


class TrainingRun(_Record):
    """One run of training that weights come from; None where its record does not say.

    Attributes:
        recipe: its name.
        network: name in the registry.
        parameters: of the network.
        films_seen: how many films it was trained on, each counted every time.
        steps: of the optimiser.
        seconds: of training and validation.
        device: "cpu" or "cuda".
        hardware: what that was.
        precision: that it computed in: "bf16" or "fp32"; both, where a run went on on another machine.
        processes: that shared the work.
        torch: version of the library.
        selected_epoch: whose weights were kept, counted from 0.
        selected_metric: its validation AUC.
        started_from: recipe of the run whose weights it started from; None for random or published ones.
        films_seen_before: by that run, and those before it.
        seconds_before: of their training, likewise.
        taught_by: recipes of the runs whose judgement it learnt.
        films_seen_by_teachers: by those runs, and those that they started from.
        seconds_of_teachers: of their training, likewise.
    """

    recipe: str
    network: str
    parameters: int | None = None
    films_seen: int | None = None
    steps: int | None = None
    seconds: float | None = None
    device: str | None = None
    hardware: str | None = None
    precision: str | None = None
    processes: int | None = None
    torch: str | None = None
    selected_epoch: int | None = None
    selected_metric: float | None = None
    started_from: str | None = None
    films_seen_before: int | None = None
    seconds_before: float | None = None
    taught_by: tuple[str, ...] = ()
    films_seen_by_teachers: int | None = None
    seconds_of_teachers: float | None = None


def recipes_of(recipe: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The recipes of the runs that a network is made from.

    Args:
        recipe: of a card; that of an ensemble, or of an average of weights, holds a list of them.
    """
    several: Sequence[Mapping[str, Any]] = recipe.get("ensemble") or recipe.get("average") or [recipe]
    return several

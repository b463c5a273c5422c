"""card.json: what a bundle says about itself, as a schema that refuses unknown keys."""

from itertools import pairwise
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pneumoscope.image.prepare import PrepareParameters
from pneumoscope.runtime.provenance import Cohort, SourceFlow, TrainingRun

__all__ = [
    "FORMAT_VERSION",
    "Card",
    "Curve",
    "Estimate",
    "Evaluation",
    "LowerPrecision",
    "OperatingPoint",
    "OperatingPointName",
]

FORMAT_VERSION: Final = 1

OperatingPointName = Literal["screening", "balanced", "rule-in"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimate(_Record):
    """A measured number with its 95 % interval."""

    value: float
    low: float
    high: float


class OperatingPoint(_Record):
    """A threshold on the calibrated probability, and what it gave on the split it was measured on.

    A film is PNEUMONIA where its probability is at least `threshold`.
    """

    threshold: float = Field(gt=0, lt=1)
    sensitivity: Estimate
    specificity: Estimate
    split: str


class Curve(_Record):
    """What other thresholds gave, on the split that the operating points were measured on.

    Attributes:
        split: the films.
        thresholds: on the calibrated probability, rising.
        sensitivity: at each threshold.
        specificity: at each threshold.
    """

    split: str
    thresholds: tuple[float, ...] = Field(min_length=1)
    sensitivity: tuple[Estimate, ...]
    specificity: tuple[Estimate, ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not len(self.thresholds) == len(self.sensitivity) == len(self.specificity):
            raise ValueError("a curve needs a sensitivity and a specificity for each threshold")
        if not all(lower < upper for lower, upper in pairwise((0.0, *self.thresholds, 1.0))):
            raise ValueError("the thresholds of a curve must rise between 0 and 1")
        return self


class Evaluation(_Record):
    """Metrics of this version on one split; `metrics` maps a name such as "auc" to its estimate."""

    split: str
    films: int
    patients: int | None = None
    positives: int
    metrics: dict[str, Estimate]
    command: str


class LowerPrecision(_Record):
    """How far a bundle in lower precision departs from the exact one that it was made from, film by film.

    Attributes:
        arithmetic: "int8": most layers compute with 8-bit integers, which the network says itself; "bf16":
            16-bit floating point, which is asked of OpenVINO and which not every processor has; "int8-bf16":
            both; "fp32-openvino": nothing is lower, but OpenVINO computes it.
        made_from: name and version of the exact bundle.
        made_from_sha256: of it.
        calibrated_on: films that the integers' ranges come from; empty where there are none.
        split: films that both scored.
        films: how many.
        auc: by source, what the exact bundle reached on them.
        auc_change: by source, what this one reached less that.
        largest_logit_change: of any film.
        rms_logit_change: root of the mean square over films.
        findings_changed: films whose finding is another one, at each operating point.
        margin: none of these films' exact probabilities lies farther from the threshold.
        largest_map_change: of any cell of any map, logit units.
        rms_map_change: over all cells, as a share of the exact maps' own root mean square.
        same_hottest_cell: share of maps whose hottest cell is the same.
    """

    arithmetic: Literal["int8", "bf16", "int8-bf16", "fp32-openvino"]
    made_from: str
    made_from_sha256: str
    calibrated_on: str = ""
    split: str
    films: int
    auc: dict[str, float]
    auc_change: dict[str, float]
    largest_logit_change: float
    rms_logit_change: float
    findings_changed: dict[OperatingPointName, int]
    margin: float
    largest_map_change: float
    rms_map_change: float
    same_hottest_cell: float


class Card(_Record):
    """Everything a bundle says about itself.

    Attributes:
        format_version: of this schema.
        name: of the bundle, for example "pneumoscope-lite0".
        version: of the weights; a threshold belongs to one version.
        architecture: name in the model registry.
        prepare: parameters of `pneumoscope.image.prepare.prepare`.
        prepare_sha256: their digest.
        labels: of logit below and above the threshold.
        temperature: the calibrated probability is sigmoid(logit / temperature).
        operating_points: by name; all three are present.
        curve: sensitivity and specificity between the operating points, where they were measured.
        heatmap_limit: logit units at which the colours of an overlay saturate, for every film alike.
        training_manifest_sha256: of the list of films it was trained on.
        recipe: the resolved training recipe.
        code_revision: git commit of the training code, of several runs all that there are, or "unknown".
        evaluations: on named splits.
        intended_use: in a sentence or two.
        intended_population: who was in the training films.
        limitations: one sentence each.
        training_data: one entry per source: name, films, citation, licence.
        training_runs: that the weights come from; an ensemble has several.
        cohorts: who is on the films, by source and split.
        source_flows: what became of every file of the data sets.
        lower_precision: what it lost, where it is another bundle in lower precision, else None.
        created: ISO date.
    """

    format_version: Literal[1] = FORMAT_VERSION
    name: str
    version: str
    architecture: str
    prepare: PrepareParameters
    prepare_sha256: str
    labels: tuple[str, str] = ("NORMAL", "PNEUMONIA")
    temperature: float = Field(gt=0)
    operating_points: dict[OperatingPointName, OperatingPoint]
    curve: Curve | None = None
    heatmap_limit: float = Field(gt=0)
    training_manifest_sha256: str
    recipe: dict[str, Any]
    code_revision: str
    evaluations: tuple[Evaluation, ...] = ()
    intended_use: str
    intended_population: str
    limitations: tuple[str, ...]
    training_data: tuple[dict[str, Any], ...]
    training_runs: tuple[TrainingRun, ...] = ()
    cohorts: tuple[Cohort, ...] = ()
    source_flows: tuple[SourceFlow, ...] = ()
    lower_precision: LowerPrecision | None = None
    created: str

    @property
    def arithmetic(self) -> str:
        """In which the network computes: "fp32", "int8" or "bf16"."""
        return "fp32" if self.lower_precision is None else self.lower_precision.arithmetic

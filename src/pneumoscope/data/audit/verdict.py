"""What an audit found: the schema of audit.json, and the verdict in colours and words."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pneumoscope.data.audit.association import Association
from pneumoscope.data.audit.checks import CheckKind
from pneumoscope.data.audit.separation import Separation
from pneumoscope.errors import DataError
from pneumoscope.runtime.card import Estimate

__all__ = [
    "Audit",
    "AuditVerdict",
    "Check",
    "Colour",
    "Result",
    "audit_verdict",
    "colour_of",
    "judge",
    "judge_figure",
    "worst",
]

FORMAT: Literal[1] = 1
Colour = Literal["green", "amber", "red"]
_ORDER: tuple[Colour, ...] = ("green", "amber", "red")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Result(_Record):
    """One figure of a check.

    Attributes:
        films_of: which films, in words.
        positive: the kind that is sought.
        negative: the kind it is told from.
        films: how many.
        positives: of them.
        patients: how many.
        auc: on patients that nothing was fitted on.
        raw: AUC of the one number as it stands, where the check rests on one.
        fitted_on: films of other patients by cross-validation, or the source's other splits.
        in_use: the manifest uses these films; others do not count towards the colour of the check.
        colour: of this figure.
    """

    films_of: str
    positive: str
    negative: str
    films: int
    positives: int
    patients: int
    auc: Estimate
    raw: Estimate | None
    fitted_on: Literal["other patients of these films", "the source's other splits"]
    in_use: bool
    colour: Colour


class Check(_Record):
    """One question with its answer.

    Attributes:
        name: key.
        title: for people.
        question: what was asked.
        amber_from: lower end of the interval, or count or share, above which a figure is amber.
        red_from: above which it is red.
        measure: what is compared with these.
        colour: of the check; None where nothing could be asked.
        words: the verdict.
        results: figures with intervals.
        figure: the count or share of a check without intervals.
    """

    name: str
    title: str
    question: str
    amber_from: float
    red_from: float
    measure: Literal["lower end of the 95 % interval of the AUC", "count", "share"]
    colour: Colour | None
    words: str
    results: tuple[Result, ...] = ()
    figure: float | None = None


class Audit(_Record):
    """audit.json.

    Attributes:
        format: of this schema.
        manifest_sha256: of the rows that were audited.
        seed: of folds, permutations and samples.
        films: audited.
        unreadable: paths of labelled films that could not be read.
        colour: of the worst check.
        words: the verdict in one paragraph.
        checks: worst first.
        association: of source and label.
        separation: of the splits.
        method: how figures were made, in sentences.
    """

    format: Literal[1] = FORMAT
    manifest_sha256: str
    seed: int
    films: int
    unreadable: tuple[str, ...]
    colour: Colour
    words: str
    checks: tuple[Check, ...]
    association: Association
    separation: Separation
    method: tuple[str, ...]


class AuditVerdict(_Record):
    """What `pneumoscope train` needs to know.

    Attributes:
        colour: of the audit.
        manifest_sha256: of the manifest that was audited; another manifest needs another audit.
        red: the verdicts in words of the red checks.
        amber: of the amber ones.
    """

    colour: Colour
    manifest_sha256: str
    red: tuple[str, ...]
    amber: tuple[str, ...]


def worst(colours: Sequence[Colour | None]) -> Colour:
    """The worst of some colours; green where there is none."""
    return max((colour for colour in colours if colour is not None), key=_ORDER.index, default="green")


def colour_of(value: float, kind: CheckKind) -> Colour:
    """Colour of the lower end of an interval, a share or a count.

    One threshold on the lower end, far from 0.5, keeps a data set without a shortcut green although many
    figures are looked at: by chance alone it takes four standard errors at 600 films.
    """
    if value > kind.red_from:
        return "red"
    return "amber" if value > kind.amber_from else "green"


def judge(kind: CheckKind, results: Sequence[Result]) -> Check:
    """Answer a question from its figures: as bad as the worst figure on films in use."""
    counted = [result for result in results if result.in_use]
    colour = worst([result.colour for result in counted]) if counted else None
    if not results:
        words = "Not asked: no group has enough films and patients of both kinds for which this is known."
    elif colour is None:
        words = "Only films that the manifest does not use could be asked."
    else:
        ordered = sorted(counted, key=lambda result: -result.auc.low)
        telling = (
            [result for result in ordered if result.colour == colour] if colour != "green" else ordered[:1]
        )
        shown = "; ".join(_sentence(result) for result in telling[:4])
        more = f"; and {len(telling) - 4} more" if len(telling) > 4 else ""
        words = f"Highest: {shown}." if colour == "green" else f"Yes: {shown}{more}. {kind.remedy}"
    return Check(
        name=kind.name,
        title=kind.title,
        question=kind.question,
        amber_from=kind.amber_from,
        red_from=kind.red_from,
        measure="lower end of the 95 % interval of the AUC",
        colour=colour,
        words=words,
        results=tuple(results),
    )


def _sentence(result: Result) -> str:
    auc = result.auc
    return (
        f"{result.positive} against {result.negative}, {result.films_of}: "
        f"AUC {auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})"
    )


def judge_figure(kind: CheckKind, figure: float, measure: Literal["count", "share"], words: str) -> Check:
    """Answer a question whose answer is one count or share."""
    colour = colour_of(figure, kind)
    return Check(
        name=kind.name,
        title=kind.title,
        question=kind.question,
        amber_from=kind.amber_from,
        red_from=kind.red_from,
        measure=measure,
        colour=colour,
        words=words if colour == "green" else f"{words} {kind.remedy}",
        figure=figure,
    )


def audit_verdict(audit: str | Path | dict[str, Any]) -> AuditVerdict:
    """Read the verdict of an audit.

    Args:
        audit: path of audit.json or of the folder that holds it, or its content.

    Raises:
        DataError: it is missing, or no audit of this format.
    """
    source = "audit"
    if not isinstance(audit, dict):
        path = Path(audit)
        path = path / "audit.json" if path.is_dir() else path
        source = str(path)
        try:
            audit = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: no audit ({error}); run: pneumoscope data audit") from error
    try:
        found = Audit.model_validate(audit)
    except ValidationError as error:
        raise DataError(f"{source}: not an audit of format {FORMAT}; run: pneumoscope data audit") from error
    return AuditVerdict(
        colour=found.colour,
        manifest_sha256=found.manifest_sha256,
        red=tuple(f"{check.title}: {check.words}" for check in found.checks if check.colour == "red"),
        amber=tuple(f"{check.title}: {check.words}" for check in found.checks if check.colour == "amber"),
    )

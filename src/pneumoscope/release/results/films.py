"""An evaluation, read back film by film: what `pneumoscope evaluate` wrote, joined with the manifest."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumoscope.data.manifest import ManifestRow
from pneumoscope.errors import DataError
from pneumoscope.evaluation.intervals import PairedTest, auc_interval, delong_test, mcnemar
from pneumoscope.evaluation.summary import GroupSummary, summarise_group
from pneumoscope.release.results.plan import Group, ViewTest
from pneumoscope.runtime.card import Estimate

__all__ = ["Measured", "compare", "group_figures", "in_group", "read_measured", "tells_view"]

POSITIVE = "PNEUMONIA"


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One bundle on the films of one split.

    Attributes:
        model: name and version of the bundle.
        sha256: of the bundle.
        thresholds: on the calibrated probability, by operating point.
        rows: of the manifest, N films that were scored.
        probabilities: (N,) float64, calibrated.
        failures: films that could not be scored.
    """

    model: str
    sha256: str
    thresholds: dict[str, float]
    rows: tuple[ManifestRow, ...]
    probabilities: NDArray[np.float64]
    failures: int

    def inside(self, group: Group) -> NDArray[np.bool_]:
        """(N,) bool: films of a group."""
        return np.array([in_group(row, group) for row in self.rows], dtype=bool)

    def targets(self) -> NDArray[np.bool_]:
        """(N,) bool, True is PNEUMONIA."""
        return np.array([row.label == POSITIVE for row in self.rows], dtype=bool)

    def patients(self) -> NDArray[np.str_]:
        """(N,) str; a film of an unknown patient is a patient of its own."""
        return np.array([row.patient or f"film {row.path}" for row in self.rows], dtype=str)


def in_group(row: ManifestRow, group: Group) -> bool:
    """Whether a film is one of a group's, whatever its split."""
    return (
        (row.label == POSITIVE or row.label in group.negatives)
        and (group.sources is None or row.source in group.sources)
        and (group.populations is None or row.population in group.populations)
        and (group.views is None or row.view in group.views)
    )


def read_measured(
    figures: Path, scores: Path, rows: Sequence[ManifestRow], split: str, groups: Sequence[Group]
) -> Measured:
    """Read what `pneumoscope evaluate --out FIGURES --scores SCORES` wrote.

    Args:
        figures: JSON of the evaluation.
        scores: CSV of the same evaluation.
        rows: of the manifest that was evaluated.
        split: of it.
        groups: that figures are wanted for: all their films must have been scored, or have failed.

    Raises:
        DataError: a file is missing, damaged, or of another evaluation, manifest or split.
    """
    told = _read_figures(figures)
    by_path = {row.path: row for row in rows}
    found: list[ManifestRow] = []
    probabilities: list[float] = []
    failed: set[str] = set()
    for line, path, status, probability in _lines(scores):
        row = _row_of(path, by_path)
        if row is None or row.split != split:
            what = "is not in the manifest" if row is None else f"is a film of its {row.split} split"
            raise DataError(f"{scores}, line {line}: {path} {what}: evaluate again with this manifest")
        if status != "ok":
            failed.add(row.path)
            continue
        found.append(row)
        probabilities.append(probability)
    measured = Measured(
        model=told["model"],
        sha256=told["sha256"],
        thresholds={
            name: point["threshold"] for name, point in told["groups"][0]["operating_points"].items()
        },
        rows=tuple(found),
        probabilities=np.array(probabilities, dtype=np.float64),
        failures=len(failed),
    )
    _check_complete(measured, failed, rows, split, groups, scores)
    _check_same(measured, told["groups"][0], figures, scores)
    return measured


def _read_figures(path: Path) -> Any:
    """The JSON, with the keys that are relied on."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): run pneumoscope evaluate") from error
    except ValueError as error:
        raise DataError(f"{path} is no JSON: {error}") from error
    try:
        pooled = told["groups"][0]
        known = isinstance(told["model"], str) and isinstance(told["sha256"], str)
        known = known and all("threshold" in point for point in pooled["operating_points"].values())
    except (KeyError, IndexError, TypeError, AttributeError):
        known = False
    if not known:
        raise DataError(f"{path} is no evaluation of this version: write it by pneumoscope evaluate --out")
    return told


def _lines(path: Path) -> list[tuple[int, str, str, float]]:
    """Line number, path, status and probability of every film."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            missing = {"path", "status", "probability"} - set(table.fieldnames or ())
            if missing:
                raise DataError(f"{path} has no column {sorted(missing)[0]!r}: write it by evaluate --scores")
            return [
                (table.line_num, line["path"], line["status"], float(line["probability"] or "nan"))
                for line in table
            ]
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}): run pneumoscope evaluate --scores"
        ) from error
    except ValueError as error:
        raise DataError(f"{path} holds a score that is no number: {error}") from error


def _row_of(path: str, by_path: Mapping[str, ManifestRow]) -> ManifestRow | None:
    """The row of a file, whatever root its films were found under."""
    rest = path.replace("\\", "/")
    while rest:
        if rest in by_path:
            return by_path[rest]
        _, _, rest = rest.partition("/")
    return None


def _check_complete(
    measured: Measured,
    failed: set[str],
    rows: Sequence[ManifestRow],
    split: str,
    groups: Sequence[Group],
    scores: Path,
) -> None:
    labels = {POSITIVE, *(label for group in groups for label in group.negatives)}
    wanted = {row.path for row in rows if row.split == split and row.label in labels}
    absent = wanted - {row.path for row in measured.rows} - failed
    if absent:
        raise DataError(
            f"{scores} lacks {len(absent)} of {len(wanted)} films of the {split} split, such as "
            f"{min(absent)}: evaluate again without --source, and with every --negative of the plan"
        )
    if len({row.path for row in measured.rows}) < len(measured.rows):
        raise DataError(f"{scores} holds a film twice: evaluate again")


def _check_same(measured: Measured, pooled: Any, figures: Path, scores: Path) -> None:
    """JSON and CSV must be of one evaluation: their pooled counts and Brier scores agree."""
    brier = float(np.mean((measured.probabilities - measured.targets()) ** 2))
    stated = pooled["metrics"]["brier"]["value"]
    if pooled["films"] != len(measured.rows) or not abs(brier - stated) < 1e-9:
        raise DataError(
            f"{scores} and {figures} are not of one evaluation: let one pneumoscope evaluate write both"
        )


def group_figures(measured: Measured, group: Group, points: Iterable[str]) -> GroupSummary | None:
    """All figures of one group of films; None where it holds no film.

    Args:
        measured: the bundle on all films.
        group: which of them.
        points: names of operating points.
    """
    inside = measured.inside(group)
    if not inside.any():
        return None
    return summarise_group(
        group.name,
        measured.targets()[inside],
        measured.probabilities[inside],
        measured.patients()[inside],
        {point: measured.thresholds[point] for point in points},
    )


def tells_view(measured: Measured, asked: ViewTest) -> tuple[int, Estimate] | None:
    """Whether the score tells AP from PA films that have the same label: an AUC of 0.5 is no.

    Args:
        measured: the bundle on all films.
        asked: which of them.

    Returns:
        films; AUC with AP as positive. None where there are not two patients of either view.
    """
    inside = np.array(
        [
            row.source in asked.sources and row.label == asked.label and row.view in ("AP", "PA")
            for row in measured.rows
        ],
        dtype=bool,
    )
    is_ap = np.array([row.view == "AP" for row in measured.rows], dtype=bool)[inside]
    patients = measured.patients()[inside]
    if min(np.unique(patients[is_ap == view]).size for view in (True, False)) < 2:
        return None
    return int(inside.sum()), auc_interval(is_ap, measured.probabilities[inside], patients)


def compare(
    first: Measured, second: Measured, group: Group, point: str
) -> tuple[int, PairedTest | None, float] | None:
    """Two bundles on the films of a group that both have scored.

    Args:
        first: minus
        second: this one.
        group: which films.
        point: name of the operating point that findings are made at.

    Returns:
        films; difference of the AUCs by DeLong's test with patients as clusters, None where it is undefined;
        p-value of McNemar's test of the findings. None where there is no such film.
    """
    chosen = dict(zip((row.path for row in second.rows), second.probabilities.tolist(), strict=True))
    inside = first.inside(group) & np.array([row.path in chosen for row in first.rows], dtype=bool)
    if not inside.any():
        return None
    targets, patients, mine = first.targets()[inside], first.patients()[inside], first.probabilities[inside]
    theirs = np.array([chosen[row.path] for row, wanted in zip(first.rows, inside, strict=True) if wanted])
    pairs = [np.unique(patients[targets == label]).size for label in (True, False)]
    right = [
        (values >= bundle.thresholds[point]) == targets
        for values, bundle in ((mine, first), (theirs, second))
    ]
    difference = delong_test(targets, mine, theirs, patients) if min(pairs) > 1 else None
    return int(inside.sum()), difference, mcnemar(*right)

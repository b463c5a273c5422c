"""Run a whole audit: manifest and films in, figures and verdict out."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pneumoscope.data.audit.association import Association, associate
from pneumoscope.data.audit.checks import COUNT_CHECKS, SHARE_CHECKS, TELLING_CHECKS, CheckKind
from pneumoscope.data.audit.features import AUDIT_PREPARE, Features, label_features, plate_features
from pneumoscope.data.audit.films import (
    Comparison,
    Films,
    audited_rows,
    comparisons,
    gather_films,
    source_comparisons,
    split_comparisons,
)
from pneumoscope.data.audit.page import write_page
from pneumoscope.data.audit.separation import Separation, separate
from pneumoscope.data.audit.telling import mostly_known, raw_auc, tell_apart
from pneumoscope.data.audit.verdict import Audit, Check, Result, colour_of, judge, judge_figure, worst
from pneumoscope.data.cache import build_cache, cache_name
from pneumoscope.data.manifest import ManifestRow, manifest_sha256
from pneumoscope.errors import DataError
from pneumoscope.image.read import FilmRoot

__all__ = ["run_audit"]

Progress = Callable[[str, int, int], None]

_METHOD = (
    "Films: labelled PNEUMONIA, NORMAL or OTHER, readable, no copies. Figures on films that the manifest "
    "does not use (split is null) are shown but do not colour a check.",
    "Plates: 96 x 96, stretched, grey scale as stored; so geometry does not reach the pixel checks.",
    "AUC: gradient boosting (scikit-learn, 30 trees of at most 15 leaves), averaged with logistic regression "
    "where there are more than 16 numbers per film; five folds by patient, at most 5,000 films per figure; "
    "the test split of a source is scored by what was fitted on its other films.",
    "Unfitted: the AUC of one number as it stands, turned to be at least 0.5.",
    "Intervals: 95 %, DeLong's with films clustered by patient (Obuchowski 1997).",
    "Colours: the lower end of the interval against the thresholds of the check, which are far from 0.5, so "
    "that looking at many figures does not turn chance into a finding.",
    "Lungs: one fixed template on a 24 x 24 grid, where at least 5 % of 9,396 adult films have lung, joined "
    "with its mirror image; 60 % of the film is blacked out.",
    "Copies: every pair of films in two splits is compared: correlation above 0.98 at 24 x 24, and above "
    "0.85 of what 96 x 96 shows beyond that.",
)


def run_audit(
    rows: Sequence[ManifestRow],
    root: str | FilmRoot,
    out: str | Path,
    *,
    seed: int = 0,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Audit a manifest; writes audit.json and audit.html, and keeps its plate cache for the next time.

    Args:
        rows: the whole manifest.
        root: its paths are relative to it.
        out: folder for the results.
        seed: of folds, permutations and samples.
        workers: processes that read films.
        progress: called with (what, done, of how many).

    Raises:
        DataError: no labelled film can be read.
    """
    out = Path(out)
    tell = progress or _say_nothing
    labelled = audited_rows(rows)
    cache = build_cache(
        labelled,
        root,
        AUDIT_PREPARE,
        out / "plates" / cache_name(AUDIT_PREPARE),
        workers=workers,
        progress=lambda done, total: tell("reading films", done, total),
    )
    films = gather_films(labelled, cache)
    if len(films) == 0:
        raise DataError(f"{root}: no labelled film of the manifest can be read; check the root")
    held = plate_features(films)
    features: dict[str, Features] = {
        **label_features(films.rows, held),
        "source": held.thumbnail,
        "split-shift": held.thumbnail,
    }
    association = associate(films, seed)
    separation = separate(films, rows, held.cells, seed)
    checks = [_share_check(association), *_count_checks(separation)]
    checks += _telling_checks(films, features, seed, tell)
    checks = _source_matters(checks)
    checks.sort(key=lambda check: ("red", "amber", "green", None).index(check.colour))
    colour = worst([check.colour for check in checks])
    audit = Audit(
        manifest_sha256=manifest_sha256(rows),
        seed=seed,
        films=len(films),
        unreadable=tuple(sorted(row.path for row in labelled if row.sha256 not in cache)),
        colour=colour,
        words=_summary(checks),
        checks=tuple(checks),
        association=association,
        separation=separation,
        method=_METHOD,
    )
    out.mkdir(parents=True, exist_ok=True)
    (out / "audit.json").write_text(audit.model_dump_json(indent=1) + "\n", encoding="utf-8")
    write_page(audit, out / "audit.html")
    return audit


def _say_nothing(_what: str, _done: int, _total: int) -> None:
    pass


def _telling_checks(films: Films, features: dict[str, Features], seed: int, tell: Progress) -> list[Check]:
    asked = {
        "label": comparisons(films),
        "source": source_comparisons(films),
        "split": split_comparisons(films),
    }
    total = sum(len(asked[kind.compares]) for kind in TELLING_CHECKS)
    done = 0
    checks = []
    for kind in TELLING_CHECKS:
        results = []
        for comparison in asked[kind.compares]:
            result = _result(kind, comparison, features[kind.name], films, seed)
            if result is not None:
                results.append(result)
            done += 1
            tell("asking classifiers", done, total)
        checks.append(judge(kind, results))
    return checks


def _result(
    kind: CheckKind, comparison: Comparison, features: Features, films: Films, seed: int
) -> Result | None:
    """One figure; None where the films of one kind do not have what is asked about."""
    if not mostly_known(comparison, features):
        return None
    target = comparison.target
    auc = tell_apart(comparison, features, films.patient, seed)
    return Result(
        films_of=comparison.films,
        positive=comparison.positive,
        negative=comparison.negative,
        films=int(target.size),
        positives=int(target.sum()),
        patients=int(np.unique(films.patient[comparison.members]).size),
        auc=auc,
        raw=raw_auc(comparison, features, films.patient) if kind.single else None,
        fitted_on=(
            "other patients of these films" if comparison.fitted_on is None else "the source's other splits"
        ),
        in_use=comparison.in_use,
        colour=colour_of(auc.low, kind),
    )


def _share_check(association: Association) -> Check:
    (kind,) = SHARE_CHECKS
    words = (
        f"The source says {association.bits:.3f} of the label's {association.label_bits:.3f} bits "
        f"({association.null_bits:.3f} by chance): {association.share:.0%}."
    )
    return judge_figure(kind, association.share, "share", words)


def _count_checks(separation: Separation) -> list[Check]:
    of_patients, of_copies = COUNT_CHECKS
    copies = separation.files + separation.near_duplicates
    return [
        judge_figure(
            of_patients, separation.patients, "count", f"{separation.patients} patients stand in two splits."
        ),
        judge_figure(
            of_copies,
            copies,
            "count",
            f"{separation.files} byte-identical films and {separation.near_duplicates} pairs of "
            "near-duplicates stand in two splits.",
        ),
    ]


def _source_matters(checks: Sequence[Check]) -> list[Check]:
    """A source that can be seen is a shortcut where it goes with the label: then amber becomes red."""
    found = {check.name: check for check in checks}
    source = found["source"]
    if source.colour == "amber" and found["source-label"].colour == "red":
        words = f"{source.words} And the source goes with the label: see there."
        return [
            check.model_copy(update={"colour": "red", "words": words}) if check is source else check
            for check in checks
        ]
    return list(checks)


def _summary(checks: Sequence[Check]) -> str:
    red = [check.title for check in checks if check.colour == "red"]
    amber = [check.title for check in checks if check.colour == "amber"]
    if not red and not amber:
        return "Nothing was found that a model could cheat with."
    parts = []
    if red:
        parts.append(
            f"A model can cheat on this data set with: {_listed(red)}. Do not trust a figure on it alone."
        )
    if amber:
        parts.append(f"To be kept in mind: {_listed(amber)}.")
    return " ".join(parts)


def _listed(titles: Sequence[str]) -> str:
    lowered = [title[0].lower() + title[1:] for title in titles]
    return "; ".join(lowered)

"""The flow of films: every file accounted for, from found to used, as JSON and as one page of HTML."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pneumoscope.data.build import Pool
from pneumoscope.data.duplicates import ALIKE, HASH_RADIUS, SAME_FILM
from pneumoscope.data.fates import FATES, fate_of
from pneumoscope.data.manifest import SPLITS, manifest_sha256
from pneumoscope.data.pages import render_template
from pneumoscope.data.sources import find_source

__all__ = ["Flow", "flow_of", "render_flow", "write_flow"]

_NO_SOURCE = "(no data set)"


@dataclass(frozen=True, slots=True)
class Flow:
    """Numbers of a build; none depends on when or where it ran.

    Attributes:
        manifest_sha256: of the rows.
        seed: of the splits.
        files: found under the root.
        readable: films of all data sets that could be read.
        distinct: of those, not a copy of another one that was kept.
        used: films with a split.
        patients: known persons among the films used, by split.
        straddling: persons and films that stand in two splits; none, unless the build is wrong.
        fates: data set to fate to number of files; its sum is `files`.
        use: (data set, label) to split to number of films.
        copies: (data set of the copy, data set of the film that was kept) to number of copies.
        alike: pairs that look alike without being copies: kept together, not left out.
        problems: path and reason of every file that is unreadable, rejected, blank or in conflict.
        sources: facts of the data sets found, as declared.
    """

    manifest_sha256: str
    seed: int
    files: int
    readable: int
    distinct: int
    used: int
    patients: dict[str, int]
    straddling: int
    fates: dict[str, dict[str, int]]
    use: dict[tuple[str, str], dict[str, int]]
    copies: dict[tuple[str, str], int]
    alike: int
    problems: list[tuple[str, str]]
    sources: list[dict[str, str]]

    def as_json(self) -> dict[str, Any]:
        """Plain values for `flow.json`; pairs become objects."""
        return {
            "manifest_sha256": self.manifest_sha256,
            "seed": self.seed,
            "thresholds": {"same_film": SAME_FILM, "alike": ALIKE, "hash_radius": HASH_RADIUS},
            "files": self.files,
            "readable": self.readable,
            "distinct": self.distinct,
            "used": self.used,
            "patients": self.patients,
            "straddling": self.straddling,
            "fates": self.fates,
            "use": [
                {"source": source, "label": label, **splits} for (source, label), splits in self.use.items()
            ],
            "copies": [
                {"copy": copy, "kept": kept, "files": count} for (copy, kept), count in self.copies.items()
            ],
            "alike": self.alike,
            "problems": [{"path": path, "reason": reason} for path, reason in self.problems],
            "sources": self.sources,
        }


def flow_of(pool: Pool, *, seed: int) -> Flow:
    """Count a build.

    Args:
        pool: the build.
        seed: what it was split with.
    """
    rows = pool.rows
    by_path = {row.path: row for row in rows}
    fates: defaultdict[str, Counter[str]] = defaultdict(Counter)
    use: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    copies: Counter[tuple[str, str]] = Counter()
    patients: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        fates[row.source or _NO_SOURCE][fate_of(row)] += 1
        if row.split is not None:
            use[row.source, str(row.label)][row.split] += 1
            if row.patient is not None:
                patients[row.split].add(row.patient)
        if row.duplicate_of is not None:
            copies[row.source, by_path[row.duplicate_of].source] += 1
    bad = {"unreadable", "rejected", "blank", "label conflict", "outside the layout"}
    unknown = {fate for counts in fates.values() for fate in counts} - {fate for fate, _ in FATES}
    assert not unknown, f"files with a fate that has no meaning: {unknown}"
    return Flow(
        manifest_sha256=manifest_sha256(rows),
        seed=seed,
        files=len(rows),
        readable=len(pool.films),
        distinct=len(pool.films) - sum(copies.values()),
        used=sum(row.split is not None for row in rows),
        patients={split: len(patients[split]) for split in SPLITS},
        straddling=_straddling(pool),
        fates={
            source: {fate: counts[fate] for fate, _ in FATES if counts[fate]}
            for source, counts in sorted(fates.items())
        },
        use={key: {split: counts[split] for split in SPLITS} for key, counts in sorted(use.items())},
        copies=dict(sorted(copies.items(), key=lambda item: (-item[1], item[0]))),
        alike=sum(not match.same_film for match in pool.matches),
        problems=[(row.path, row.reason or "") for row in rows if fate_of(row) in bad],
        sources=[_facts(name, folder) for name, folder in sorted(pool.folders.items())],
    )


def render_flow(flow: Flow) -> str:
    """The page as HTML, self-contained and without a film; equal flows give equal pages.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    totals = {fate: sum(counts.get(fate, 0) for counts in flow.fates.values()) for fate, _ in FATES}
    meanings = [(fate, meaning) for fate, meaning in FATES if totals[fate]]
    values = {"flow": flow, "totals": totals, "meanings": meanings, "splits": SPLITS}
    return render_template(
        "pneumoscope.data", "flow.html.j2", values | {"same_film": SAME_FILM, "alike": ALIKE}
    )


def write_flow(flow: Flow, directory: Path) -> None:
    """Write `flow.json` and `flow.html` into a folder."""
    directory.mkdir(parents=True, exist_ok=True)
    text = json.dumps(flow.as_json(), indent=2, ensure_ascii=False)
    (directory / "flow.json").write_text(text + "\n", encoding="utf-8")
    (directory / "flow.html").write_text(render_flow(flow), encoding="utf-8")


def _straddling(pool: Pool) -> int:
    """Persons, and pairs of look-alikes or copies, with films in two splits."""
    splits: defaultdict[str, set[str]] = defaultdict(set)
    split_of = {row.path: row.split for row in pool.rows}
    for row in pool.rows:
        if row.split is not None and row.patient is not None:
            splits[row.patient].add(row.split)
    pairs = ((pool.films[match.left].path, pool.films[match.right].path) for match in pool.matches)
    torn = sum(len({split_of[left], split_of[right]} - {None}) > 1 for left, right in pairs)
    return torn + sum(len(found) > 1 for found in splits.values())


def _facts(name: str, folder: str) -> dict[str, str]:
    source = find_source(name)
    return {
        "name": name,
        "folder": folder or ".",
        "title": source.title,
        "population": source.population,
        "label_origin": source.label_origin,
        "patient_key": source.patient_key,
        "licence": source.licence,
        "citation": source.citation,
        "url": source.url,
        "held_out": "yes" if source.held_out else "no",
    }

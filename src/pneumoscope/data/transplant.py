"""Lungs of read films, put into other whole films.

Where a source gives opacities only as films cut to the lungs, and whole films only as normals, "whole" would
mean "normal" to a model; where all films of a source are of one label, its style would mean that label. A
transplant is a whole film whose lungs, label and boxes come from one film, and whose everything else comes
from another one: positives, other diseases and normals alike are made so, and none can be told by its
surroundings. Normal films are the plain choice of hosts; films of the ill as hosts teach that a portable
film of a patient in bed, with tubes and folds, is not yet a pneumonia.

Or the two lungs come from two films. A network that is shown the same few thousand pairs of lungs again and
again knows them by heart; of their halves there are millions of pairs, and an opacity in one lung is on a
film with whatever the other one shows.
"""

import copy
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from json import dumps, loads
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pneumoscope.data.composed_films import (
    SMALLEST_DONOR,
    SMALLEST_HOST,
    TRANSPLANTS,
    FoundLungs,
    Look,
    Made,
    Plate,
    Progress,
    as_png,
    draw_rows,
    file_names,
    find_film_lungs,
    plate_of,
    unpacked,
    with_progress,
    write_film,
)
from pneumoscope.data.lungs import Mask, Transplant, join_halves, transplant
from pneumoscope.data.manifest import ManifestRow, check_sources, write_manifest
from pneumoscope.data.processes import processes
from pneumoscope.errors import DataError

__all__ = ["transplant_films"]

_NEIGHBOURS = 400  # hosts next in shape to choose from
_SHOWN = 0.5  # share of the boxes that must be there


def transplant_films(
    rows: Sequence[ManifestRow],
    root: Path,
    out: Path,
    *,
    donor_sources: Sequence[str],
    cut_sources: Sequence[str] = ("rsna-lungs",),
    host_source: str,
    host_labels: Sequence[str] = ("NORMAL",),
    copies: int = 1,
    level_views: bool = False,
    two_donors: bool = False,
    split: Literal["train", "validation"] = "train",
    most: int | None = None,
    seed: int = 0,
    workers: int | None = 1,
    progress: Progress | None = None,
) -> list[ManifestRow]:
    """Make transplants of the films of one split, as PNG files with a manifest of their own.

    Args:
        rows: of a built manifest; only those of `split` are used, as donors and as hosts.
        root: that their paths are relative to.
        out: gets films/*.png and manifest.parquet, whose paths are relative to it; the folder of films
            names hosts other than normal ones, as manifests that are joined must have no path in common.
        donor_sources: whose lungs are taken: of every film that has a label.
        cut_sources: those of the donors whose films are black outside the lungs; `LungFinder` finds the lungs
            of others.
        host_source: whose whole films they are put into.
        host_labels: of the films that may be hosts; nothing of their own lungs is left where `LungFinder`
            sees them.
        copies: transplants per donor, into different hosts, never into itself.
        level_views: make so many times more of the rarer views' donors that every view of a source and label
            has about as many transplants: normal films of patients in bed are few, and a network that is
            shown the same few again and again knows them by heart.
        two_donors: take the lung on the picture's right from a second donor of the same source and view, and
            of the same label where nobody drew boxes; a film with a box left is PNEUMONIA, another one is
            OTHER unless both donors are NORMAL. The patient is the first donor's. Donors and hosts whose
            lungs are not seen apart are left out, and donors without another one to pair with.
        split: "train" to train on them, "validation" to choose between networks by whole films with boxes.
        most: donors of one source and label, drawn at random; None for all.
        seed: of the choice of hosts, of grey scale and of filled opacities.
        workers: processes, None for one per core; the films do not depend on it.
        progress: told what is done, how many, of how many.

    Returns:
        The new rows, as written: source of the donor + `TRANSPLANTS`; label and patient of the donor, its
        boxes moved. A film whose boxes show less than half of what they mark is left out.

    Raises:
        UsageError: the manifest has no such source.
        DataError: there are no hosts.
        FilmError: a film cannot be read.
    """
    check_sources(rows, (*donor_sources, host_source))
    films = [row for row in rows if row.split == split and row.label]
    hosts = [row for row in films if row.source == host_source and row.label in host_labels]
    donors = draw_rows(
        [row for row in films if row.source in donor_sources],
        lambda row: (row.source, str(row.label)),
        most,
        seed,
    )
    tasks = [Look(root / row.path, row.source in cut_sources) for row in (*hosts, *donors)]
    with processes(workers) as each:
        lungs = list(with_progress(each(find_film_lungs, tasks), len(tasks), "lungs found", progress))
        fit_hosts = [
            index
            for index, found in enumerate(lungs[: len(hosts)])
            if found.share >= SMALLEST_HOST and (found.parts == 2 or not two_donors)
        ]
        if not fit_hosts:
            kind = "training" if split == "train" else split
            raise DataError(
                f"no {kind} film of {host_source} labelled {' or '.join(host_labels)} shows lungs: "
                "transplants need whole films as hosts"
            )
        fit_donors = [
            index
            for index, found in enumerate(lungs[len(hosts) :])
            if found.share >= SMALLEST_DONOR and (found.parts == 2 or not two_donors)
        ]
        own = {hosts[index].path: place for place, index in enumerate(fit_hosts)}
        chosen = _choose(
            [lungs[len(hosts) + index] for index in fit_donors],
            [own.get(donors[index].path) for index in fit_donors],
            [lungs[index] for index in fit_hosts],
            _copies([donors[index] for index in fit_donors], copies, level_views),
            seed,
        )
        givers = {
            index: _Donor(
                root / donors[index].path,
                lungs[len(hosts) + index].packed,
                donors[index].boxes,
                str(donors[index].label),
            )
            for index in fit_donors
        }
        if two_donors:
            partners = _partners(donors, fit_donors, [len(picked) for picked in chosen], seed)
        else:
            partners = [[None] * len(picked) for picked in chosen]
        made_of = [
            _Task(
                givers[index],
                tuple(
                    _Host(
                        root / hosts[fit_hosts[host]].path,
                        lungs[fit_hosts[host]].packed,
                        None if other is None else givers[other],
                    )
                    # Where nobody may be the second donor, there are no others, and no film is made.
                    for host, other in zip(picked, others, strict=False)
                ),
                np.random.default_rng([seed, zlib.crc32(donors[index].sha256.encode())]),
            )
            for index, picked, others in zip(fit_donors, chosen, partners, strict=True)
        ]
        folder = _folder(host_labels) + ("-of-two" if two_donors else "")
        (out / folder).mkdir(parents=True, exist_ok=True)
        names = file_names(donors)
        made = []
        contents_of = with_progress(each(_make, made_of), len(made_of), "films made", progress)
        for index, contents in zip(fit_donors, contents_of, strict=True):
            for number, content in enumerate(contents):
                if content is not None:
                    path = f"{folder}/{names[index]}-{number}.png"
                    made.append(write_film(content, out, path, donors[index], TRANSPLANTS))
    write_manifest(made, out / "manifest.parquet")
    return made


@dataclass(frozen=True, slots=True)
class _Donor:
    """A film with its lungs, boxes and label."""

    path: Path
    lungs: NDArray[np.uint8]
    boxes: str | None
    label: str


@dataclass(frozen=True, slots=True)
class _Host:
    """A film that lungs go into, with its own, and the donor of the lung on the picture's right, if any."""

    path: Path
    lungs: NDArray[np.uint8]
    partner: _Donor | None


@dataclass(frozen=True, slots=True)
class _Task:
    """A donor and the hosts that it goes into."""

    donor: _Donor
    hosts: tuple[_Host, ...]
    generator: np.random.Generator


def _copies(donors: Sequence[ManifestRow], copies: int, level_views: bool) -> list[int]:
    """Transplants to make of each donor."""
    if not level_views:
        return [copies] * len(donors)
    of_view = Counter((donor.source, donor.label, donor.view) for donor in donors)
    most: dict[tuple[str, str | None], int] = {}
    for (source, label, _), count in of_view.items():
        most[source, label] = max(count, most.get((source, label), 0))
    return [
        copies * round(most[donor.source, donor.label] / of_view[donor.source, donor.label, donor.view])
        for donor in donors
    ]


def _choose(
    donors: Sequence[FoundLungs],
    own: Sequence[int | None],
    hosts: Sequence[FoundLungs],
    copies: Sequence[int],
    seed: int,
) -> list[list[int]]:
    """For each donor the indices of hosts whose lungs have much the same shape, never of itself."""
    generator = np.random.default_rng(seed)
    order = np.argsort([host.slimness for host in hosts], kind="stable")
    slimness = np.array([hosts[index].slimness for index in order])
    chosen = []
    for donor, itself, wanted in zip(donors, own, copies, strict=True):
        middle = int(np.searchsorted(slimness, donor.slimness))
        first = int(np.clip(middle - _NEIGHBOURS // 2, 0, max(0, len(hosts) - _NEIGHBOURS)))
        near = [int(index) for index in order[first : first + _NEIGHBOURS] if index != itself]
        chosen.append([int(index) for index in generator.permutation(near)[:wanted]])
    return chosen


def _partners(
    donors: Sequence[ManifestRow], fit: Sequence[int], counts: Sequence[int], seed: int
) -> list[list[int | None]]:
    """For each fit donor as many others as it has hosts: of its source, view and, without boxes, label.

    None of them is of the same patient, if that is known; where there is no other, the list is empty.
    """
    generator = np.random.default_rng([seed, 2])
    alike = defaultdict(list)
    for index in fit:
        alike[_kind(donors[index])].append(index)
    partners: list[list[int | None]] = []
    for index, count in zip(fit, counts, strict=True):
        patient = donors[index].patient
        others = [
            other
            for other in alike[_kind(donors[index])]
            if other != index and (patient is None or donors[other].patient != patient)
        ]
        partners.append([int(other) for other in generator.choice(others, size=count)] if others else [])
    return partners


def _kind(donor: ManifestRow) -> tuple[str, ...]:
    return donor.source, donor.view or "", "" if donor.boxes is not None else str(donor.label)


def _make(task: _Task) -> list[Made | None]:
    """Transplants of one donor; None for one that does not show what its boxes mark."""
    put = _putter(task.donor)
    contents: list[Made | None] = []
    for host in task.hosts:
        film, inside = plate_of(host.path), unpacked(host.lungs)
        same = copy.deepcopy(task.generator)  # so that the greys of both halves are moved alike
        made, label = put(film, inside, task.generator), task.donor.label
        if host.partner is not None:
            made = join_halves(made, _putter(host.partner)(film, inside, same), inside)
            label = _label_of(task.donor, host.partner, made)
        moved = None if task.donor.boxes is None else dumps(made.boxes)
        contents.append(Made(as_png(made.film), label, moved) if made.covered >= _SHOWN else None)
    return contents


def _putter(donor: _Donor) -> Callable[[Plate, Mask, np.random.Generator], Transplant]:
    """Puts a donor's lungs, which are read once, into hosts with these lungs."""
    plate, lungs = plate_of(donor.path), unpacked(donor.lungs)
    boxes = [(x, y, width, height) for x, y, width, height in loads(donor.boxes or "[]")]
    return lambda host, inside, generator: transplant(plate, lungs, host, inside, boxes, generator)


def _label_of(left: _Donor, right: _Donor, made: Transplant) -> str:
    """Of two halves: boxes decide where there are any, as an opacity may be in the half that is not shown."""
    if left.boxes is None:
        return left.label
    if made.boxes:
        return "PNEUMONIA"
    return "NORMAL" if left.label == right.label == "NORMAL" else "OTHER"


def _folder(host_labels: Sequence[str]) -> str:
    """Of the films, beside their manifest.

    >>> _folder(["NORMAL"]), _folder(["PNEUMONIA", "OTHER"])
    ('films', 'films-in-other-pneumonia')
    """
    labels = sorted(label.lower() for label in host_labels)
    return "films" if labels == ["normal"] else "-".join(("films-in", *labels))

"""Pairs of films that differ in opacities alone: one with, one without, of one normal film each."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from json import dumps, loads
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscope.data.composed_films import (
    OPACITIES,
    SIDE,
    SMALLEST_DONOR,
    SMALLEST_HOST,
    Look,
    Made,
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
from pneumoscope.data.lungs import Box, Mask, Seat, rectangle_of
from pneumoscope.data.manifest import ManifestRow, check_sources, write_manifest
from pneumoscope.data.opacity import draw_devices, draw_opacities
from pneumoscope.data.processes import processes
from pneumoscope.errors import DataError, UsageError

__all__ = ["opacity_films"]

_FOLDER = "opacities"
_TRIES = 6  # boxes of other films, until something can be seen
_WIDEST = 0.55  # share of the width of both lungs; a wider box comes from lungs of which one was not seen
_WITH_DEVICES = 0.4  # share of pairs, both films alike
_DRAWN_OUTSIDE = 0.5  # share of pairs, both films alike


def opacity_films(
    rows: Sequence[ManifestRow],
    root: Path,
    out: Path,
    *,
    host_sources: Sequence[str],
    box_source: str,
    cut_sources: Sequence[str] = ("rsna-lungs",),
    most: int | None = None,
    seed: int = 0,
    workers: int | None = 1,
    progress: Progress | None = None,
) -> list[ManifestRow]:
    """Draw opacities into normal training films, as PNG files with a manifest of their own.

    Each normal film gives two: one with opacities where a radiologist boxed them on a film of `box_source`,
    carried over from lungs to lungs, labelled PNEUMONIA; and one without, labelled NORMAL. Tubes, leads, and
    what the same brush has drawn outside of the lungs are on both or on neither.

    Args:
        rows: of a built manifest; only those of split "train" are used.
        root: that their paths are relative to.
        out: gets opacities/*.png and manifest.parquet, whose paths are relative to it.
        host_sources: of the normal films.
        box_source: whose boxes say where, how large and how many opacities are.
        cut_sources: those that are black outside the lungs; `LungFinder` finds the lungs of others.
        most: normal films of one source and view, drawn at random; None for all.
        seed: of all that is drawn.
        workers: processes, None for one per core; the films do not depend on it.
        progress: told what is done, how many, of how many.

    Returns:
        The new rows, as written: source of the normal film + `OPACITIES`; its patient and view.

    Raises:
        UsageError: the manifest has no such source, or the films of one are cut to the lungs.
        DataError: there are no normal films, or no boxes.
        FilmError: a film cannot be read.
    """
    check_sources(rows, (*host_sources, box_source))
    cut = sorted(set(host_sources) & set(cut_sources))
    if cut:
        raise UsageError(
            f"{', '.join(cut)}: cut to the lungs, so that nothing can be drawn on; name whole films"
        )
    training = [row for row in rows if row.split == "train"]
    hosts = draw_rows(
        [row for row in training if row.source in host_sources and row.label == "NORMAL"],
        lambda row: (row.source, row.view or ""),
        most,
        seed,
    )
    boxed = [row for row in training if row.source == box_source and loads(row.boxes or "[]")]
    looks = [Look(root / row.path, row.source in cut_sources) for row in (*hosts, *boxed)]
    with processes(workers) as each:
        lungs = list(with_progress(each(find_film_lungs, looks), len(looks), "lungs found", progress))
        places = [
            _Place(found.packed, row.boxes or "[]")
            for row, found in zip(boxed, lungs[len(hosts) :], strict=True)
            if found.share >= SMALLEST_DONOR
        ]
        fit = [index for index in range(len(hosts)) if lungs[index].share >= SMALLEST_HOST]
        if not fit or not places:
            raise DataError(
                f"{', '.join(host_sources)}: {len(fit)} normal training films that show lungs; "
                f"{box_source}: {len(places)} with boxes; both are needed"
            )
        tasks = []
        for index in fit:
            row = hosts[index]
            generator = np.random.default_rng([seed, zlib.crc32(row.sha256.encode())])
            chosen = generator.choice(len(places), size=_TRIES)
            tasks.append(
                _Task(root / row.path, lungs[index].packed, tuple(places[c] for c in chosen), generator)
            )
        (out / _FOLDER).mkdir(parents=True, exist_ok=True)
        names = file_names(hosts)
        made = []
        for index, pair in zip(
            fit, with_progress(each(_make, tasks), len(tasks), "films made", progress), strict=True
        ):
            if pair is None:
                continue
            for film in pair:
                path = f"{_FOLDER}/{names[index]}-{film.label.lower()}.png"
                made.append(write_film(film, out, path, hosts[index], OPACITIES))
    write_manifest(made, out / "manifest.parquet")
    return made


@dataclass(frozen=True, slots=True)
class _Place:
    """Lungs, packed, and the boxes in them, as a manifest holds them."""

    lungs: NDArray[np.uint8]
    boxes: str


@dataclass(frozen=True, slots=True)
class _Task:
    """A normal film, its lungs, and where opacities may lie, to be tried in this order."""

    host: Path
    lungs: NDArray[np.uint8]
    places: tuple[_Place, ...]
    generator: np.random.Generator


def _make(task: _Task) -> tuple[Made, Made] | None:
    """The film with opacities and the one without; None where none could be seen in any place."""
    film, lungs, generator = plate_of(task.host), unpacked(task.lungs), task.generator
    if generator.random() < _WITH_DEVICES:
        film = draw_devices(film, generator)
    if generator.random() < _DRAWN_OUTSIDE:
        boxes = [_anywhere(box, generator) for box in _carried(task.places[0], lungs)]
        film = draw_opacities(film, lungs, boxes, generator, outside=True).film
    for place in task.places:
        ill = draw_opacities(film, lungs, _carried(place, lungs), generator)
        if ill.boxes:
            return (
                Made(as_png(ill.film), "PNEUMONIA", dumps(ill.boxes)),
                Made(as_png(film), "NORMAL", "[]"),
            )
    return None


def _carried(place: _Place, lungs: Mask) -> list[Box]:
    """Boxes of a place, on the film that these lungs are of."""
    own = rectangle_of(lungs)
    seat = Seat(rectangle_of(unpacked(place.lungs)), own, SIDE)
    boxes = [seat.move_box((x, y, width, height)) for x, y, width, height in loads(place.boxes)]
    return [box for box in boxes if box[2] * SIDE <= _WIDEST * (own[3] - own[2])]


def _anywhere(box: Box, generator: np.random.Generator) -> Box:
    """A box of the same size anywhere on the film."""
    _, _, width, height = box
    return generator.uniform(0, 1 - width), generator.uniform(0, 1 - height), width, height

"""Lungs of films that somebody cut to the lungs, put into whole normal films of the same source.

Where a source gives opacities only as cut films, and whole films only as normals, "whole" would mean "normal"
to a model. A transplant is a whole film whose lungs, label and boxes come from a cut film, and whose
everything else comes from a normal one: positives, other diseases and normals alike are made so, and none
can be told by its surroundings. Where the cut removed what a radiologist boxed (to a segmentation network a
dense opacity looks like no lung), the gap inside the box is filled with a dense cloud at soft-tissue grey.

A host must exist whole and cut, so that its lungs are known; both are found by comparing pixels.
"""

import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from io import BytesIO
from json import loads
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscope.data.lungs import Mask, lung_mask, texture_agreement, transplant
from pneumoscope.data.manifest import ManifestRow, write_manifest
from pneumoscope.data.processes import processes
from pneumoscope.errors import DataError, UsageError
from pneumoscope.image.prepare import PrepareParameters, make_plate
from pneumoscope.image.read import read

__all__ = ["SUFFIX", "transplant_films"]

SUFFIX = "-transplants"
"""Appended to the name of the source of cut films."""

Plate = NDArray[np.uint8]
Progress = Callable[[str, int, int], None]
Item = TypeVar("Item")

_SIDE = 224
_SAME_FILM = 0.4  # agreement of texture: with its own cut at least 0.6, with others at most 0.16
_COARSE = 4  # lungs are compared on a grid this much coarser
_CANDIDATES = 20  # best-fitting hosts per cut film to choose from
_UNCOVERED_COST = 0.3  # weight of host lung that the cut film does not cover, when hosts are ranked
_SHOWN = 0.5  # share of the boxes that must be there
_AS_STORED = PrepareParameters(size=_SIDE, fit="stretch", intensity="as-stored")


def transplant_films(
    rows: Sequence[ManifestRow],
    root: Path,
    out: Path,
    *,
    cut_source: str,
    whole_source: str,
    copies: int = 2,
    seed: int = 0,
    workers: int | None = 1,
    progress: Progress | None = None,
) -> list[ManifestRow]:
    """Make transplants of the training films of one source, as PNG files with a manifest of their own.

    Args:
        rows: of a built manifest; only those of split "train" are used.
        root: that their paths are relative to.
        out: gets films/*.png and manifest.parquet, whose paths are relative to it.
        cut_source: name of the source of cut films.
        whole_source: name of the source that holds some of the same films whole.
        copies: transplants per cut film, into different hosts.
        seed: of the choice of hosts and of the filled opacities.
        workers: processes, None for one per core; the films do not depend on it.
        progress: told what is done, how many, of how many.

    Returns:
        The new rows, as written: source `cut_source` + `SUFFIX`; label, patient and boxes of the cut film.
        A film whose boxes show less than half of what they mark is left out.

    Raises:
        UsageError: the manifest has no such source.
        DataError: no film is there whole and cut.
        FilmError: a film cannot be read.
    """
    known = sorted({row.source for row in rows if row.source})
    for source in (cut_source, whole_source):
        if source not in known:
            raise UsageError(f"the manifest has no source {source!r}: it has {', '.join(known) or 'none'}")
    cut_rows = [row for row in rows if row.source == cut_source and row.split == "train" and row.label]
    with processes(workers) as each:
        read_cuts = each(_read_cut, [root / row.path for row in cut_rows])
        cuts = list(_told(read_cuts, len(cut_rows), "cut films read", progress))
        pairs = _pairs(rows, root, cut_rows, cuts, whole_source)
        compared = _told(each(_find_host, pairs), len(pairs), "whole films compared", progress)
        hosts = [host for host in compared if host is not None]
        if not hosts:
            raise DataError(
                f"no training film of {whole_source} is also among the normal films of {cut_source}: "
                "transplants need films that exist whole and cut"
            )
        usable = [index for index, cut in enumerate(cuts) if cut.packed.any()]
        tasks = _tasks(usable, cut_rows, cuts, hosts, copies, seed)
        (out / "films").mkdir(parents=True, exist_ok=True)
        names = _names(cut_rows)
        made = []
        films = _told(each(_make, tasks), len(tasks), "films made", progress)
        for index, contents in zip(usable, films, strict=True):
            for copy, content in enumerate(contents):
                if content is not None:
                    made.append(_write(content, out, f"films/{names[index]}-{copy}.png", cut_rows[index]))
    write_manifest(made, out / "manifest.parquet")
    return made


@dataclass(frozen=True, slots=True)
class _Film:
    """A film, (S, S) uint8, and its lungs, eight pixels to a byte: thousands of films are held at once."""

    plate: Plate
    packed: NDArray[np.uint8]

    @property
    def lungs(self) -> Mask:
        """(S, S) bool."""
        return np.unpackbits(self.packed).reshape(_SIDE, _SIDE).astype(np.bool_)


@dataclass(frozen=True, slots=True)
class _Pair:
    """A whole film and the cut films, by index, that may be cut from it."""

    whole: Path
    cuts: tuple[tuple[int, _Film], ...]


@dataclass(frozen=True, slots=True)
class _Host:
    """A whole film with its lungs, and the index of its own cut."""

    film: _Film
    cut: int


@dataclass(frozen=True, slots=True)
class _Task:
    """A cut film with the boxes of its row, and the whole films that it goes into."""

    cut: _Film
    boxes: str | None
    hosts: tuple[_Film, ...]
    generator: np.random.Generator


def _plate(path: Path) -> Plate:
    """(S, S) uint8, as stored."""
    return make_plate(read(path), _AS_STORED)[0]


def _read_cut(path: Path) -> _Film:
    plate = _plate(path)
    return _Film(plate, np.packbits(lung_mask(plate)))


def _pairs(
    rows: Sequence[ManifestRow],
    root: Path,
    cut_rows: Sequence[ManifestRow],
    cuts: Sequence[_Film],
    whole_source: str,
) -> list[_Pair]:
    """Whole normal training films with the cut normal films of the same patient."""
    cuts_of = defaultdict(list)
    for index, (row, cut) in enumerate(zip(cut_rows, cuts, strict=True)):
        if row.label == "NORMAL" and row.patient and cut.packed.any():
            cuts_of[row.patient].append((index, cut))
    return [
        _Pair(root / row.path, tuple(cuts_of[row.patient]))
        for row in rows
        if row.source == whole_source
        and row.split == "train"
        and row.label == "NORMAL"
        and row.patient is not None
        and row.patient in cuts_of
    ]


def _find_host(pair: _Pair) -> _Host | None:
    """The whole film with the lungs of the cut film that has its texture, if there is one."""
    whole = _plate(pair.whole)
    agreement = [texture_agreement(whole, cut.plate, cut.lungs) for _, cut in pair.cuts]
    best = int(np.argmax(agreement))
    index, cut = pair.cuts[best]
    return _Host(_Film(whole, cut.packed), index) if agreement[best] >= _SAME_FILM else None


def _tasks(
    usable: Sequence[int],
    cut_rows: Sequence[ManifestRow],
    cuts: Sequence[_Film],
    hosts: Sequence[_Host],
    copies: int,
    seed: int,
) -> list[_Task]:
    """Choose hosts for every cut film, never its own whole film; each draws from a generator of its own."""
    ranked = _ranked_hosts([cuts[index] for index in usable], [host.film for host in hosts])
    tasks = []
    for index, candidates in zip(usable, ranked, strict=True):
        row = cut_rows[index]
        generator = np.random.default_rng([seed, zlib.crc32(row.sha256.encode())])
        others = [host for host in candidates if hosts[host].cut != index]
        chosen = tuple(hosts[host].film for host in generator.permutation(others)[:copies])
        tasks.append(_Task(cuts[index], row.boxes, chosen, generator))
    return tasks


def _make(task: _Task) -> list[bytes | None]:
    """PNG files of one cut film's transplants; None for one that does not show what its boxes mark."""
    lungs, boxed = task.cut.lungs, _boxed(task.boxes)
    contents: list[bytes | None] = []
    for host in task.hosts:
        made = transplant(task.cut.plate, lungs, host.plate, host.lungs, boxed, task.generator)
        contents.append(_png(made.film) if made.covered >= _SHOWN else None)
    return contents


def _png(plate: Plate) -> bytes:
    buffer = BytesIO()
    Image.fromarray(plate).save(buffer, format="PNG")
    return buffer.getvalue()


def _told(results: Iterable[Item], total: int, what: str, progress: Progress | None) -> Iterator[Item]:
    for done, result in enumerate(results, start=1):
        yield result
        if progress is not None:
            progress(what, done, total)


def _ranked_hosts(cuts: Sequence[_Film], hosts: Sequence[_Film]) -> NDArray[np.int64]:
    """(M, candidates) indices of the hosts whose lungs hold each film's, best first."""
    cut, host = np.stack(list(map(_coarse, cuts))), np.stack(list(map(_coarse, hosts)))  # (M, C), (N, C)
    common = cut @ host.T  # (M, N), sums of 256ths: exact, so the ranking is the same everywhere
    host_area = host.sum(axis=1)[np.newaxis]
    fit = common / cut.sum(axis=1, keepdims=True)
    fit -= _UNCOVERED_COST * (host_area - common) / host_area
    return np.argsort(-fit, axis=1, kind="stable")[:, :_CANDIDATES]


def _coarse(film: _Film) -> NDArray[np.float32]:
    """(C,) share of lung in each cell."""
    cells = _SIDE // _COARSE
    blocks = film.lungs.reshape(cells, _COARSE, cells, _COARSE)  # (rows, 4, columns, 4)
    shares: NDArray[np.float32] = blocks.mean(axis=(1, 3), dtype=np.float32)
    return shares.ravel()


def _boxed(boxes: str | None) -> Mask:
    """(S, S) bool, inside the boxes of a row."""
    mask = np.zeros((_SIDE, _SIDE), dtype=np.bool_)
    for x, y, width, height in loads(boxes or "[]"):
        top, bottom = round(y * _SIDE), round((y + height) * _SIDE)
        left, right = round(x * _SIDE), round((x + width) * _SIDE)
        mask[top:bottom, left:right] = True
    return mask


def _names(rows: Sequence[ManifestRow]) -> list[str]:
    """A name for each film: that of its file without suffix, with part of its hash where two are alike."""
    stems = [Path(row.path).stem for row in rows]
    count = Counter(stems)
    return [
        stem if count[stem] == 1 else f"{stem}-{row.sha256[:12]}"
        for stem, row in zip(stems, rows, strict=True)
    ]


def _write(content: bytes, out: Path, path: str, donor: ManifestRow) -> ManifestRow:
    (out / path).write_bytes(content)
    return replace(
        donor,
        source=donor.source + SUFFIX,
        path=path,
        sha256=sha256(content).hexdigest(),
        bytes=len(content),
        phash=None,
        format="PNG",
        width=_SIDE,
        height=_SIDE,
    )

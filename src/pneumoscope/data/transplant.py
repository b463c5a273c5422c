"""Lungs of films that somebody cut to the lungs, put into whole normal films of the same source.

Where a source gives opacities only as cut films, and whole films only as normals, "whole" would mean "normal"
to a model. A transplant is a whole film whose lungs, label and boxes come from a cut film and whose everything
else comes from a normal one: positives, other diseases and normals alike are made so, and none can be told by
its surroundings. Where the cut removed what a radiologist boxed (a dense opacity looks like no lung to a
segmentation network), the gap inside the box is filled with a dense cloud at soft-tissue grey.

A host must exist whole and cut, so that its lungs are known; both are found by comparing pixels.
"""

import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from io import BytesIO
from json import loads
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from pneumoscope.data.manifest import ManifestRow, write_manifest
from pneumoscope.errors import DataError
from pneumoscope.image.prepare import PrepareParameters, make_plate
from pneumoscope.image.read import read

__all__ = ["SUFFIX", "Transplant", "lung_mask", "transplant", "transplant_films"]

SUFFIX = "-transplants"
"""Appended to the name of the source of cut films."""

Mask = NDArray[np.bool_]
Grey = NDArray[np.float32]
Progress = Callable[[str, int, int], None]
Item = TypeVar("Item")

_SIDE = 224
_OUTSIDE = 8  # grey levels: JPEG leaves up to this around a cut
_SMALLEST_PART = 0.023  # share of the film; smaller pieces are stray
_SAME_FILM = 0.4  # correlation of fine texture inside the lungs: own cut at least 0.6, others at most 0.16
_COARSE = 4  # lungs are compared on a grid this much coarser
_CANDIDATES = 20  # best-fitting hosts per cut film to choose from
_UNCOVERED_COST = 0.3  # weight of host lung that the cut film does not cover, when hosts are ranked
_SMALLEST_GAP = 60  # pixels
_AS_STORED = PrepareParameters(size=_SIDE, fit="stretch", intensity="as-stored")


@dataclass(frozen=True, slots=True)
class Transplant:
    """Grey values of a made film, (S, S) uint8, and the share of its boxes that shows what they mark."""

    film: NDArray[np.uint8]
    covered: float


def lung_mask(cut: NDArray[np.uint8]) -> Mask:
    """Lungs of a film whose outside was blackened.

    Args:
        cut: (S, S) uint8.

    Returns:
        (S, S) bool: brighter than compression noise, smoothed by an opening, without stray pieces.
    """
    opened = ndimage.binary_opening(cut > _OUTSIDE, iterations=2)
    parts, count = ndimage.label(opened)
    if count == 0:
        return np.zeros(cut.shape, dtype=np.bool_)
    sizes = np.bincount(parts.ravel())
    large = np.flatnonzero(sizes > _SMALLEST_PART * cut.size)
    return np.isin(parts, large[large > 0])


def transplant(
    cut: NDArray[np.uint8],
    cut_lungs: Mask,
    host: NDArray[np.uint8],
    host_lungs: Mask,
    boxed: Mask,
    generator: np.random.Generator,
) -> Transplant:
    """Put the lungs of one film into another.

    Args:
        cut: (S, S) uint8, black outside the lungs.
        cut_lungs: (S, S) bool, its lungs.
        host: (S, S) uint8, whole normal film.
        host_lungs: (S, S) bool, its lungs.
        boxed: (S, S) bool, inside a radiologist's box on `cut`.
        generator: of the filled opacities' grey and texture.
    """
    side = cut.shape[0]
    inside = cut_lungs.astype(np.float32)
    donor = cut * inside
    near = ndimage.gaussian_filter(inside, side / 80)
    # Beyond its edge a cut film is continued by the mean of its own neighbourhood: no dark rim.
    donor = np.where(cut_lungs, donor, ndimage.gaussian_filter(donor, side / 80) / np.maximum(near, 1e-3))
    share = ndimage.gaussian_filter(ndimage.binary_erosion(cut_lungs).astype(np.float32), side / 130)
    share = np.where(near > 1e-3, share, 0.0)
    film = host * (1 - share) + donor * share
    shown = cut_lungs
    gap = boxed & ~cut_lungs & ndimage.binary_dilation(host_lungs, iterations=2)
    if gap.sum() > _SMALLEST_GAP:
        film = _fill(film, gap, host, host_lungs, generator)
        shown = cut_lungs | gap
    covered = float((boxed & shown).sum() / boxed.sum()) if boxed.any() else 1.0
    return Transplant(np.clip(np.rint(film), 0, 255).astype(np.uint8), covered)


def _fill(
    film: Grey, gap: Mask, host: NDArray[np.uint8], host_lungs: Mask, generator: np.random.Generator
) -> Grey:
    """Cloud a gap with the grey of the host's soft tissue between and around its lungs."""
    side = host.shape[0]
    rows, columns = np.nonzero(host_lungs)
    around = host[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    level = np.percentile(around, generator.uniform(60, 85))
    grain = ndimage.gaussian_filter(generator.normal(size=host.shape).astype(np.float32), side / 27)
    cloud = np.clip(level + grain * (10.0 / grain.std()), 0, 255)
    share = ndimage.gaussian_filter(gap.astype(np.float32), side / 160 * generator.uniform(2, 5))
    share *= generator.uniform(0.5, 0.95)
    return np.asarray(film * (1 - share) + cloud * share, dtype=np.float32)


def transplant_films(
    rows: Sequence[ManifestRow],
    root: Path,
    out: Path,
    *,
    cut_source: str,
    whole_source: str,
    copies: int = 2,
    seed: int = 0,
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
        progress: told what is done, how many, of how many.

    Returns:
        The new rows, as written: source `cut_source` + `SUFFIX`; label, patient and boxes of the cut film.
        A film of which a box shows less than half of what was boxed is left out.

    Raises:
        DataError: no film is there whole and cut.
    """
    cut_rows = [row for row in rows if row.source == cut_source and row.split == "train" and row.label]
    cuts = np.stack([_plate(root, row) for row in _told(cut_rows, "cut films read", progress)])  # (N, S, S)
    lungs = np.stack([lung_mask(cut) for cut in cuts])
    usable = [index for index in range(len(cut_rows)) if lungs[index].any()]
    hosts = _hosts(rows, root, cut_rows, cuts, lungs, whole_source)
    if not hosts:
        raise DataError(
            f"no training film of {whole_source} is also among the normal films of {cut_source}: "
            "transplants need films that exist whole and cut"
        )
    ranked = _ranked_hosts(lungs[usable], np.stack([lungs[cut] for _, cut in hosts]))  # (M, candidates)
    (out / "films").mkdir(parents=True, exist_ok=True)
    made = []
    for index, candidates in zip(_told(usable, "films made", progress), ranked, strict=True):
        row = cut_rows[index]
        boxed = _boxed(row)
        own = [host for host in candidates if hosts[host][1] != index]
        generator = np.random.default_rng([seed, zlib.crc32(row.sha256.encode())])
        for copy, host in enumerate(generator.permutation(own)[:copies]):
            whole, host_cut = hosts[host]
            result = transplant(cuts[index], lungs[index], whole, lungs[host_cut], boxed, generator)
            if result.covered >= 0.5:
                made.append(_write(result.film, out, f"films/{Path(row.path).stem}-{copy}.png", row))
    write_manifest(made, out / "manifest.parquet")
    return made


def _told(items: Sequence[Item], what: str, progress: Progress | None) -> Iterable[Item]:
    for done, item in enumerate(items, start=1):
        yield item
        if progress is not None:
            progress(what, done, len(items))


def _plate(root: Path, row: ManifestRow) -> NDArray[np.uint8]:
    """(S, S) uint8, as stored."""
    return make_plate(read(root / row.path), _AS_STORED)[0]


def _hosts(
    rows: Sequence[ManifestRow],
    root: Path,
    cut_rows: Sequence[ManifestRow],
    cuts: NDArray[np.uint8],
    lungs: NDArray[np.bool_],
    whole_source: str,
) -> list[tuple[NDArray[np.uint8], int]]:
    """Whole normal films with the index of their own cut: same patient, same texture inside the lungs."""
    cut_of = defaultdict(list)
    for index, row in enumerate(cut_rows):
        if row.label == "NORMAL" and row.patient and lungs[index].any():
            cut_of[row.patient].append(index)
    hosts = []
    for row in rows:
        if row.source != whole_source or row.split != "train" or row.label != "NORMAL":
            continue
        candidates = cut_of.get(row.patient or "", [])
        if not candidates:
            continue
        whole = _plate(root, row)
        agreement = [_agreement(whole, cuts[index], lungs[index]) for index in candidates]
        best = int(np.argmax(agreement))
        if agreement[best] >= _SAME_FILM:
            hosts.append((whole, candidates[best]))
    return hosts


def _agreement(whole: NDArray[np.uint8], cut: NDArray[np.uint8], lungs: Mask) -> float:
    """Correlation of ribs and vessels well inside the lungs; the grey scales may differ."""
    well_inside = ndimage.binary_erosion(lungs, iterations=8)
    if not well_inside.any():
        return 0.0
    fine = [
        film - ndimage.gaussian_filter(film, 6) for film in (whole.astype(np.float32), cut.astype(np.float32))
    ]
    return float(np.corrcoef(fine[0][well_inside], fine[1][well_inside])[0, 1])


def _ranked_hosts(cut_lungs: NDArray[np.bool_], host_lungs: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(M, candidates) indices of the hosts whose lungs hold each film's, best first."""
    cut, host = _coarse(cut_lungs), _coarse(host_lungs)  # (M, C), (N, C)
    common = cut @ host.T  # (M, N)
    host_area = host.sum(axis=1)[np.newaxis]
    fit = common / cut.sum(axis=1, keepdims=True)
    fit -= _UNCOVERED_COST * (host_area - common) / host_area
    return np.argsort(-fit, axis=1, kind="stable")[:, :_CANDIDATES]


def _coarse(masks: NDArray[np.bool_]) -> Grey:
    cells = _SIDE // _COARSE
    blocks = masks.reshape(-1, cells, _COARSE, cells, _COARSE)  # (N, rows, 4, columns, 4)
    return blocks.mean(axis=(2, 4), dtype=np.float32).reshape(len(masks), -1)


def _boxed(row: ManifestRow) -> Mask:
    """(S, S) bool, inside the row's boxes."""
    mask = np.zeros((_SIDE, _SIDE), dtype=np.bool_)
    for x, y, width, height in loads(row.boxes or "[]"):
        top, bottom = round(y * _SIDE), round((y + height) * _SIDE)
        left, right = round(x * _SIDE), round((x + width) * _SIDE)
        mask[top:bottom, left:right] = True
    return mask


def _write(film: NDArray[np.uint8], out: Path, path: str, donor: ManifestRow) -> ManifestRow:
    buffer = BytesIO()
    Image.fromarray(film).save(buffer, format="PNG")
    content = buffer.getvalue()
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

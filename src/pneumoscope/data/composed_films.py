"""What all films that are composed of others have in common: how they are read, and how they are written."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from pneumoscope.data.lung_finder import shared_finder
from pneumoscope.data.lungs import Mask, largest_two, lung_mask
from pneumoscope.data.manifest import ManifestRow
from pneumoscope.image.prepare import PrepareParameters, make_plate
from pneumoscope.image.read import read

__all__ = [
    "OPACITIES",
    "SIDE",
    "SMALLEST_DONOR",
    "SMALLEST_HOST",
    "TRANSPLANTS",
    "FoundLungs",
    "Look",
    "Made",
    "Plate",
    "Progress",
    "as_png",
    "composed_from",
    "draw_rows",
    "file_names",
    "find_film_lungs",
    "is_drawn_on",
    "plate_of",
    "unpacked",
    "with_progress",
    "write_film",
]

Plate = NDArray[np.uint8]
Progress = Callable[[str, int, int], None]
Item = TypeVar("Item")

TRANSPLANTS = "-transplants"
"""Appended to the name of the source of the lungs that were put into other films."""

OPACITIES = "-opacities"
"""Appended to the name of the source of the normal films that opacities were drawn into."""

SIDE = 224
"""Height and width of composed films, pixels."""

SMALLEST_HOST = 0.12
"""Share of a whole film that its lungs must take to be a host."""

SMALLEST_DONOR = 0.03
"""Share of a film that its lungs must take to be given to others."""

_AS_STORED = PrepareParameters(size=SIDE, fit="stretch", intensity="as-stored")


@dataclass(frozen=True, slots=True)
class Look:
    """A file whose lungs are wanted; `cut` where it is black outside of them."""

    path: Path
    cut: bool


@dataclass(frozen=True, slots=True)
class FoundLungs:
    """A film's lungs, eight pixels to a byte, since thousands are held at once.

    Attributes:
        packed: of (S, S) bool.
        share: of the film that they take.
        slimness: logarithm of height over width of their rectangle; 0 without lungs.
        parts: pieces that they are in; 2 where they are seen apart.
    """

    packed: NDArray[np.uint8]
    share: float
    slimness: float
    parts: int


@dataclass(frozen=True, slots=True)
class Made:
    """A composed film: its file's content, and label and boxes as the manifest has them."""

    content: bytes
    label: str
    boxes: str | None


def composed_from(source: str) -> str | None:
    """The source whose films these are made of, None where they are films as they were taken.

    >>> composed_from("kermany-opacities"), composed_from("kermany")
    ('kermany', None)
    """
    for suffix in (TRANSPLANTS, OPACITIES):
        if source.endswith(suffix):
            return source.removesuffix(suffix)
    return None


def is_drawn_on(source: str) -> bool:
    """Whether the opacities of these films were drawn by a program.

    >>> is_drawn_on("kermany-opacities"), is_drawn_on("kermany-transplants")
    (True, False)
    """
    return source.endswith(OPACITIES)


def plate_of(path: Path) -> Plate:
    """(S, S) uint8, as stored."""
    return make_plate(read(path), _AS_STORED)[0]


def find_film_lungs(look: Look) -> FoundLungs:
    """Lungs of one film: by its cut, or by the network that comes with the package."""
    plate = plate_of(look.path)
    lungs = lung_mask(plate) if look.cut else largest_two(shared_finder().find(plate))
    rows, columns = np.flatnonzero(lungs.any(axis=1)), np.flatnonzero(lungs.any(axis=0))
    slimness = np.log((rows[-1] - rows[0] + 1) / (columns[-1] - columns[0] + 1)) if lungs.any() else 0.0
    _, parts = ndimage.label(lungs)
    return FoundLungs(np.packbits(lungs), float(lungs.mean()), float(slimness), int(parts))


def unpacked(packed: NDArray[np.uint8]) -> Mask:
    """(S, S) bool."""
    return np.unpackbits(packed).reshape(SIDE, SIDE).astype(np.bool_)


def draw_rows(
    rows: Sequence[ManifestRow], group: Callable[[ManifestRow], tuple[str, ...]], most: int | None, seed: int
) -> list[ManifestRow]:
    """At most so many of each group, at random, in the order of the manifest."""
    generator = np.random.default_rng([seed, 1])
    groups = defaultdict(list)
    for index, row in enumerate(rows):
        groups[group(row)].append(index)
    kept = [index for _, members in sorted(groups.items()) for index in generator.permutation(members)[:most]]
    return [rows[index] for index in sorted(kept)]


def with_progress(
    results: Iterable[Item], total: int, what: str, progress: Progress | None
) -> Iterator[Item]:
    """The same results, with each of them reported."""
    for done, result in enumerate(results, start=1):
        yield result
        if progress is not None:
            progress(what, done, total)


def as_png(plate: Plate) -> bytes:
    """A file's content."""
    buffer = BytesIO()
    Image.fromarray(plate).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def file_names(rows: Sequence[ManifestRow]) -> list[str]:
    """A name for each film: that of its file without suffix, with part of its hash where two are alike."""
    stems = [Path(row.path).stem for row in rows]
    count = Counter(stems)
    return [
        stem if count[stem] == 1 else f"{stem}-{row.sha256[:12]}"
        for stem, row in zip(stems, rows, strict=True)
    ]


def write_film(made: Made, out: Path, path: str, of: ManifestRow, suffix: str) -> ManifestRow:
    """Write a composed film.

    Args:
        made: the film.
        out: folder of the manifest.
        path: relative to it; its folder exists.
        of: the film that patient and view come from.
        suffix: appended to the name of its source.

    Returns:
        The film's row.
    """
    (out / path).write_bytes(made.content)
    return replace(
        of,
        source=of.source + suffix,
        path=path,
        sha256=sha256(made.content).hexdigest(),
        bytes=len(made.content),
        phash=None,
        format="PNG",
        width=SIDE,
        height=SIDE,
        label=made.label,
        boxes=made.boxes,
    )

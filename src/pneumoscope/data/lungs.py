"""Lungs of a film: where they are on one that was cut to them, and how they go into another film."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = [
    "Box",
    "Mask",
    "Seat",
    "Transplant",
    "join_halves",
    "largest_two",
    "lung_mask",
    "rectangle_of",
    "texture_agreement",
    "transplant",
]

Mask = NDArray[np.bool_]
Grey = NDArray[np.float32]
Box = tuple[float, float, float, float]

_OUTSIDE = 8  # grey levels: JPEG leaves up to this around a cut
_SMALLEST_PART = 0.023  # share of the film; smaller pieces are stray
_SMALLEST_LUNG = 0.01  # share of the film; a collapsed lung may be this small
_SMALLEST_GAP = 0.0012  # share of the film
_TONES = (2.0, 99.0)  # percentiles of a lung's grey that are made to agree
_GAIN = (0.5, 1.8)  # a hazy lung must stay hazy
_SEAM = 6  # pixels over which two halves meet
_MARGIN = 8  # pixels around the lungs that blurring reaches


@dataclass(frozen=True, slots=True)
class Transplant:
    """A made film.

    Attributes:
        film: (S, S) uint8.
        boxes: (x, y, width, height) in fractions of the film, moved with the lungs.
        covered: share of the boxes' area that shows what they mark; 1 without boxes.
        seen: the same of each box.
    """

    film: NDArray[np.uint8]
    boxes: tuple[Box, ...]
    covered: float
    seen: tuple[float, ...]


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


def largest_two(lungs: Mask) -> Mask:
    """The two largest pieces of a mask, if they are as large as a lung.

    >>> largest_two(np.array([[True, False, True, False, True, True]])).astype(int).tolist()
    [[1, 0, 0, 0, 1, 1]]
    """
    parts, count = ndimage.label(lungs)
    if count == 0:
        return lungs
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    order = np.argsort(-sizes, kind="stable")[:2]
    return np.isin(parts, order[sizes[order] > _SMALLEST_LUNG * lungs.size])


def texture_agreement(whole: NDArray[np.uint8], cut: NDArray[np.uint8], lungs: Mask) -> float:
    """Whether a cut film was cut from a whole one: correlation of ribs and vessels well inside the lungs.

    Only detail is compared, so that the grey scales may differ.

    Args:
        whole: (S, S) uint8.
        cut: (S, S) uint8, black outside its lungs.
        lungs: (S, S) bool, of the cut film.

    Returns:
        -1 to 1; 0 where the lungs are too small to tell.
    """
    well_inside = ndimage.binary_erosion(lungs, iterations=8)
    if not well_inside.any():
        return 0.0
    fine = [
        (film - ndimage.gaussian_filter(film, 6))[well_inside]
        for film in (whole.astype(np.float32), cut.astype(np.float32))
    ]
    return float(np.corrcoef(*fine)[0, 1]) if all(film.std() > 0 for film in fine) else 0.0


def transplant(
    donor: NDArray[np.uint8],
    donor_lungs: Mask,
    host: NDArray[np.uint8],
    host_lungs: Mask,
    boxes: Sequence[Box],
    generator: np.random.Generator,
) -> Transplant:
    """Put the lungs of one film into another.

    The donor's lungs are stretched onto the rectangle of the host's, and every pixel of the host's lungs is
    replaced: beyond its edge the donor's lung is continued by its nearest pixels. Its grey is moved a random
    part of the way to where darkest and brightest lung agree with the host's. Where a cut removed what a
    radiologist boxed (to a segmentation network a dense opacity looks like no lung), the gap is filled with a
    cloud of soft-tissue grey.

    Args:
        donor: (S, S) uint8; black outside the lungs, or a whole film.
        donor_lungs: (S, S) bool, not empty.
        host: (S, S) uint8, whole film.
        host_lungs: (S, S) bool, not empty.
        boxes: of a radiologist on `donor`, (x, y, width, height) in fractions of the film.
        generator: of grey scale and filled opacities.
    """
    side = host.shape[0]
    seat = Seat(rectangle_of(donor_lungs), rectangle_of(host_lungs), side)
    rows, columns = seat.window
    moved, inside = seat.move(donor.astype(np.float32)), seat.move(donor_lungs.astype(np.float32)) > 0.5
    lungs = host_lungs[rows, columns]
    into = host[rows, columns].astype(np.float32)
    moved = _tone(moved, donor[donor_lungs], host[host_lungs], generator.uniform(0, 1))
    own = _shrunk(inside)
    filled = _continued(moved, own, side)
    seen = lungs | inside
    share = np.where(
        seen, np.clip(2 * ndimage.gaussian_filter(seen.astype(np.float32), side / 110) - 1, 0, 1), 0
    )
    window = into * (1 - share) + filled * share
    moved_boxes = tuple(box for box in map(seat.move_box, boxes) if box[2] > 0 and box[3] > 0)
    boxed = _inside_boxes(moved_boxes, side)[rows, columns]
    gap = boxed & ~own & ndimage.binary_dilation(lungs, iterations=2)
    if gap.sum() > _SMALLEST_GAP * side * side:
        window = _cloud(window, gap, into, side, generator)
        seen = seen | gap
    film = host.astype(np.float32)
    film[rows, columns] = window
    covered = float((boxed & seen).sum() / boxed.sum()) if boxed.any() else 1.0 - bool(boxes)
    inside_window = [_inside_boxes([box], side)[rows, columns] for box in moved_boxes]
    each = tuple(float((box & seen).sum() / max(1, box.sum())) for box in inside_window)
    return Transplant(np.clip(np.rint(film), 0, 255).astype(np.uint8), moved_boxes, covered, each)


def join_halves(left: Transplant, right: Transplant, host_lungs: Mask) -> Transplant:
    """The left half of the picture of one transplant, and the right half of another, into the same host.

    They meet between the host's lungs, over a few pixels: there both show the host, or nearly.

    Args:
        left: its left half is shown.
        right: its right half is shown.
        host_lungs: (S, S) bool, not empty.

    Returns:
        The film, with what each half shows of its boxes, and the least that is seen of any of these; 0 where
        less than half of a box is left, so that nobody can say whether its opacity is.
    """
    side = left.film.shape[0]
    seam = _between(host_lungs)
    share = np.clip((np.arange(side) - seam) / _SEAM + 0.5, 0, 1)  # of the right one
    film = left.film * (1 - share) + right.film * share
    shown = [
        (box, cut, seen if cut[2] >= box[2] / 2 else 0.0)
        for half, *edges in ((left, 0.0, seam / side), (right, seam / side, 1.0))
        for box, seen in zip(half.boxes, half.seen, strict=True)
        if (cut := _cut_box(box, *edges))[2] > 0
    ]
    seen = tuple(share for _, _, share in shown)
    return Transplant(
        np.rint(film).astype(np.uint8), tuple(cut for _, cut, _ in shown), min(seen, default=1.0), seen
    )


def _between(lungs: Mask) -> int:
    """The column with least lung, in the middle third of both."""
    _, _, first, last = rectangle_of(lungs)
    third = (last - first) // 3
    middle = lungs[:, first + third : max(first + third + 1, last - third)].sum(axis=0)
    emptiest = np.flatnonzero(middle == middle.min())
    return first + third + int(emptiest[len(emptiest) // 2])


def _cut_box(box: Box, first: float, last: float) -> Box:
    """What of a box lies between two columns, in fractions of the film."""
    x, y, width, height = box
    left, right = np.clip((x, x + width), first, last)
    return round(float(left), 6), y, round(float(right - left), 6), height


@dataclass(frozen=True, slots=True)
class Seat:
    """How the donor's rectangle (top, bottom, left, right) comes to lie on the host's, on (S, S) films."""

    donor: tuple[int, int, int, int]
    host: tuple[int, int, int, int]
    side: int

    @property
    def scale(self) -> tuple[float, float]:
        """Donor's pixels per pixel of the host, down and across."""
        (top, bottom, left, right), (host_top, host_bottom, host_left, host_right) = self.donor, self.host
        return (bottom - top) / (host_bottom - host_top), (right - left) / (host_right - host_left)

    @property
    def window(self) -> tuple[slice, slice]:
        """The host's rectangle with a margin: nothing else of the film changes."""
        top, bottom, left, right = self.host
        margin = _MARGIN
        return (
            slice(max(0, top - margin), min(self.side, bottom + margin)),
            slice(max(0, left - margin), min(self.side, right + margin)),
        )

    def move(self, film: Grey) -> Grey:
        """What of the donor comes to lie in the window."""
        rows, columns = self.window
        down, across = self.scale
        offset = (
            self.donor[0] + (rows.start - self.host[0]) * down,
            self.donor[2] + (columns.start - self.host[2]) * across,
        )
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        moved = ndimage.affine_transform(film, (down, across), offset, output_shape=shape, order=1)
        return np.asarray(moved, dtype=np.float32)

    def move_box(self, box: Box) -> Box:
        """The same for a box, cut off at the film's edge."""
        down, across = self.scale
        x, y, width, height = (value * self.side for value in box)
        left = np.clip((x - self.donor[2]) / across + self.host[2], 0, self.side)
        right = np.clip((x + width - self.donor[2]) / across + self.host[2], 0, self.side)
        top = np.clip((y - self.donor[0]) / down + self.host[0], 0, self.side)
        bottom = np.clip((y + height - self.donor[0]) / down + self.host[0], 0, self.side)
        left, top, width, height = (
            round(float(value / self.side), 6) for value in (left, top, right - left, bottom - top)
        )
        return left, top, width, height


def rectangle_of(mask: Mask) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of a mask that is not empty, end-exclusive."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _shrunk(inside: Mask) -> Mask:
    """Without its rim, which a cut blurs; the whole where that would leave nothing."""
    own = ndimage.binary_erosion(inside)
    return own if own.any() else inside


def _tone(film: Grey, own: NDArray[np.uint8], wanted: NDArray[np.uint8], strength: float) -> Grey:
    """Grey moved `strength` of the way to where the percentiles of both lungs agree."""
    low, high = np.percentile(own, _TONES)
    low_wanted, high_wanted = np.percentile(wanted, _TONES)
    gain = np.clip((high_wanted - low_wanted) / max(1.0, high - low), *_GAIN)
    agreeing = (film - high) * gain + high_wanted
    return np.asarray(film + strength * (agreeing - film), dtype=np.float32)


def _continued(film: Grey, own: Mask, side: int) -> Grey:
    """`film` where it is its own; elsewhere its nearest pixels, blurred."""
    if not own.any():
        return film
    nearest = ndimage.distance_transform_edt(~own, return_distances=False, return_indices=True)
    continued = film[tuple(nearest)]
    return np.where(own, film, ndimage.gaussian_filter(continued, side / 64))


def _inside_boxes(boxes: Sequence[Box], side: int) -> Mask:
    mask = np.zeros((side, side), dtype=np.bool_)
    for x, y, width, height in boxes:
        top, bottom = round(y * side), round((y + height) * side)
        mask[top:bottom, round(x * side) : round((x + width) * side)] = True
    return mask


def _cloud(film: Grey, gap: Mask, host: Grey, side: int, generator: np.random.Generator) -> Grey:
    """Cloud a gap with the grey of the host's soft tissue between and around its lungs."""
    level = np.percentile(host, generator.uniform(60, 85))
    grain = ndimage.gaussian_filter(generator.normal(size=host.shape).astype(np.float32), side / 27)
    cloud = np.clip(level + grain * (10.0 / grain.std()), 0, 255)
    share = ndimage.gaussian_filter(gap.astype(np.float32), side / 160 * generator.uniform(2, 5))
    share *= generator.uniform(0.5, 0.95)
    return np.asarray(film * (1 - share) + cloud * share, dtype=np.float32)

"""Lungs of a film that was cut to them: where they are, whose they are, and how they go into another film."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["Transplant", "lung_mask", "texture_agreement", "transplant"]

Mask = NDArray[np.bool_]
Grey = NDArray[np.float32]

_OUTSIDE = 8  # grey levels: JPEG leaves up to this around a cut
_SMALLEST_PART = 0.023  # share of the film; smaller pieces are stray
_SMALLEST_GAP = 60  # pixels


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

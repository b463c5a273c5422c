"""Does the map lie where the lesion is? Pure functions of one map and one mask.

A lesion is large in a coarse map and many films hold several, so every figure stands beside what comes for
free: a map that is hottest in the centre of the film, and one that knows the lungs and nothing else.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pneumoscope.evaluation.metrics import average_precision

__all__ = [
    "boxes_mask",
    "centre_map",
    "evidence_share",
    "hottest_point",
    "map_average_precision",
    "pointing_chance",
    "pointing_hit",
]

FloatMap = NDArray[np.float32]
Mask = NDArray[np.bool_]


def _checked(heatmap: ArrayLike, mask: ArrayLike) -> tuple[NDArray[np.float64], Mask]:
    """Both as (H, W), or ValueError."""
    heat, inside = np.asarray(heatmap, dtype=np.float64), np.asarray(mask, dtype=bool)
    if heat.ndim != 2 or heat.shape != inside.shape:
        raise ValueError(f"map {heat.shape} and mask {inside.shape} must be of one height and width")
    if not np.isfinite(heat).all():
        raise ValueError("the map must be finite")
    return heat, inside


def boxes_mask(boxes: Iterable[tuple[float, float, float, float]], height: int, width: int) -> Mask:
    """Pixels whose centres lie in at least one box.

    Args:
        boxes: (x, y, width, height) each, fractions of the film, as in the manifest.
        height: of the film in pixels.
        width: of the film in pixels.

    Returns:
        (height, width) bool.

    >>> boxes_mask([(0.5, 0.0, 0.5, 0.5)], 2, 4).astype(int).tolist()
    [[0, 0, 1, 1], [0, 0, 0, 0]]
    """
    y = (np.arange(height) + 0.5)[:, np.newaxis] / height
    x = (np.arange(width) + 0.5)[np.newaxis, :] / width
    mask = np.zeros((height, width), dtype=bool)
    for left, top, box_width, box_height in boxes:
        mask |= (x >= left) & (x < left + box_width) & (y >= top) & (y < top + box_height)
    return mask


def hottest_point(heatmap: ArrayLike) -> tuple[float, float]:
    """Row and column of the map's maximum, in pixels; the middle of them all where several share it.

    A map that was enlarged from a few cells has plateaus and ridges; taking the first of equal pixels would
    pull every point up and left. Where the middle of several is no maximum itself (two separate ones), the
    maximum nearest to it is taken.

    Args:
        heatmap: (H, W) finite.

    >>> hottest_point([[0, 1, 1, 1], [0, 0, 0, 0]])
    (0.0, 2.0)
    """
    heat, _ = _checked(heatmap, np.ones(np.shape(heatmap), dtype=bool))
    peaks = np.argwhere(heat == heat.max())
    distance = ((peaks - peaks.mean(axis=0)) ** 2).sum(axis=1)
    row, column = peaks[distance.argmin()].tolist()
    return float(row), float(column)


def pointing_hit(heatmap: ArrayLike, mask: ArrayLike, tolerance: float = 0.0) -> bool:
    """The pointing game: does the hottest point lie in the mask?

    Source: Zhang et al. 2018 (arXiv:1608.00507), who allow 15 pixels; Saporta et al. 2022 (CheXlocalize), who
    allow none.

    Args:
        heatmap: (H, W) signed evidence.
        mask: (H, W) bool, the lesions; at least one pixel.
        tolerance: distance in pixels by which the point may miss.

    Raises:
        ValueError: shapes differ, a value is not finite, or the mask is empty.

    >>> pointing_hit([[0, 2], [1, 0]], [[False, False], [True, True]])
    False
    >>> pointing_hit([[0, 2], [1, 0]], [[False, False], [True, True]], tolerance=1.0)
    True
    """
    heat, inside = _checked(heatmap, mask)
    if not inside.any():
        raise ValueError("the mask is empty: a film without a lesion has nothing to point at")
    row, column = hottest_point(heat)
    if tolerance == 0.0:
        return bool(inside[int(row), int(column)])
    rows, columns = np.nonzero(inside)
    return bool(((rows - row) ** 2 + (columns - column) ** 2).min() <= tolerance**2)


def map_average_precision(heatmap: ArrayLike, mask: ArrayLike) -> float:
    """Area under the precision-recall curve of the map's pixels against the lesion's.

    A map without knowledge gets the lesion's share of the film. Source: Arun et al. 2021 (AUPRC of saliency
    maps); the area is average precision, without interpolation.

    Args:
        heatmap: (H, W) signed evidence, any scale.
        mask: (H, W) bool, the lesions; at least one pixel.

    Raises:
        ValueError: shapes differ, a value is not finite, or the mask is empty.
    """
    heat, inside = _checked(heatmap, mask)
    if not inside.any():
        raise ValueError("the mask is empty: a film without a lesion has no recall")
    return average_precision(inside.ravel(), heat.ravel())


def evidence_share(heatmap: ArrayLike, mask: ArrayLike) -> float:
    """Share of the positive evidence that lies inside a mask, 0 to 1; nan where there is none anywhere.

    Args:
        heatmap: (H, W) signed evidence; negative values count as none.
        mask: (H, W) bool, lungs or lesions.

    Raises:
        ValueError: shapes differ, or a value is not finite.

    >>> evidence_share([[3.0, -5.0], [1.0, 0.0]], [[True, True], [False, False]])
    0.75
    """
    heat, inside = _checked(heatmap, mask)
    positive = np.maximum(heat, 0.0)
    total = float(positive.sum())
    return float(positive[inside].sum()) / total if total > 0.0 else float("nan")


def centre_map(height: int, width: int) -> FloatMap:
    """A map that is hottest in the centre and falls to the corners: what one gets by never looking.

    Returns:
        (height, width) float32, 1 in the centre, 0 in the corners.
    """
    y = (np.arange(height) + 0.5)[:, np.newaxis] / height * 2.0 - 1.0
    x = (np.arange(width) + 0.5)[np.newaxis, :] / width * 2.0 - 1.0
    return np.asarray(1.0 - np.hypot(x, y) / 2.0**0.5, dtype=np.float32)


def pointing_chance(region: ArrayLike, mask: ArrayLike) -> float:
    """How often a point drawn at random from a region hits the lesion.

    With both lungs as the region: the pointing game of somebody who knows anatomy and no disease. Their map,
    the region itself, goes into `map_average_precision` as it is.

    Args:
        region: (H, W) bool, at least one pixel.
        mask: (H, W) bool, the lesions.

    Raises:
        ValueError: shapes differ, or the region is empty.

    >>> pointing_chance([[True, True], [False, False]], [[True, False], [True, False]])
    0.5
    """
    where, inside = np.asarray(region, dtype=bool), np.asarray(mask, dtype=bool)
    if where.shape != inside.shape:
        raise ValueError(f"region {where.shape} and mask {inside.shape} must be of one height and width")
    if not where.any():
        raise ValueError("the region is empty: no point can be drawn from it")
    return float(inside[where].mean())

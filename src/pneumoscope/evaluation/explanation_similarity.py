"""How alike are two maps? Of their signed values, whatever the scale of either and its mean."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage, stats

__all__ = ["PARTNERS", "partners", "rank_correlation", "structural_similarity"]

Maps = NDArray[np.float32]
FloatArray = NDArray[np.float64]

PARTNERS = 5
"""Films of other patients that each film is compared with."""

_SIDE = 224  # pixels on which structural similarity is looked at, as in the literature
_SIGMA, _RADIUS = 1.5, 5  # of the Gaussian window, 11 x 11 pixels
_K1, _K2 = 0.01, 0.03
_RANGE = 2.0  # signed maps lie between -1 and 1
_FLAT = 1e-5  # of a map's largest value: below it lies only what rounding leaves of one value everywhere


def _checked(first: Maps, second: Maps) -> None:
    if first.shape != second.shape or first.ndim != 3:
        raise ValueError(f"maps {first.shape} and {second.shape} must be of one shape (N, h, w)")


def rank_correlation(first: Maps, second: Maps) -> FloatArray:
    """Spearman's correlation of the cells of N pairs of maps.

    Args:
        first: (N, h, w), signed.
        second: (N, h, w), signed.

    Returns:
        (N,) float64, -1 to 1; 0 where a map is flat and orders nothing.

    Raises:
        ValueError: shapes differ.

    >>> rank_correlation(np.array([[[1.0, 2.0, 9.0]]]), np.array([[[-5.0, 0.0, 0.1]]])).tolist()
    [1.0]
    """
    _checked(first, second)
    ranks = []
    for maps in (first, second):
        rank = stats.rankdata(maps.reshape(len(maps), -1), axis=1)  # (N, h * w)
        ranks.append(rank - rank.mean(axis=1, keepdims=True))
    one, other = ranks
    norm = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    return np.asarray(
        np.divide((one * other).sum(axis=1), norm, out=np.zeros(len(one)), where=norm > 0), dtype=np.float64
    )


def structural_similarity(first: Maps, second: Maps) -> FloatArray:
    """SSIM of N pairs of enlarged maps, each less its mean and scaled to -1 to 1 by its extreme.

    What a map is on average shows nothing of where evidence lies. With it, SSIM tells little but whether two
    maps are of one sign: the maps of a network with random weights are, by the toss of a coin.

    Source: Wang et al. 2004, eq. 13, with its window and constants; Adebayo et al. 2018 for its use on maps.

    Args:
        first: (N, h, w), signed.
        second: (N, h, w), signed.

    Returns:
        (N,) float64, -1 to 1.

    Raises:
        ValueError: shapes differ.
    """
    _checked(first, second)
    return np.array(
        [_ssim(_enlarged(one), _enlarged(other)) for one, other in zip(first, second, strict=True)]
    )


def _enlarged(single: Maps) -> Maps:
    """(h, w) to (224, 224), bilinear, less its mean, divided by its largest absolute value."""
    picture = Image.fromarray(np.ascontiguousarray(single, dtype=np.float32))
    large = np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR), dtype=np.float32)
    centred = large - large.mean()
    extreme = np.abs(centred).max()
    flat = extreme <= _FLAT * np.abs(large).max()
    return np.zeros_like(centred) if flat else centred / extreme


def _ssim(one: Maps, other: Maps) -> float:
    def local(values: Maps) -> Maps:
        return np.asarray(ndimage.gaussian_filter(values, _SIGMA, radius=_RADIUS), dtype=np.float32)

    mean_one, mean_other = local(one), local(other)
    variance_one = local(one * one) - mean_one**2
    variance_other = local(other * other) - mean_other**2
    covariance = local(one * other) - mean_one * mean_other
    c1, c2 = (_K1 * _RANGE) ** 2, (_K2 * _RANGE) ** 2
    luminance = (2 * mean_one * mean_other + c1) / (mean_one**2 + mean_other**2 + c1)
    structure = (2 * covariance + c2) / (variance_one + variance_other + c2)
    inner = slice(_RADIUS, -_RADIUS)  # whole windows only
    return float((luminance * structure)[inner, inner].mean())


def partners(patients: Sequence[str], count: int = PARTNERS, seed: int = 0) -> NDArray[np.intp] | None:
    """For each film, films of other patients, drawn at random.

    Args:
        patients: (N,) names.
        count: films drawn for each; with replacement where there are fewer.
        seed: of the draws.

    Returns:
        (N, count) indices; None where all films are of one patient.

    >>> partners(["a", "b"], count=2).tolist()
    [[1, 1], [0, 0]]
    """
    names = np.asarray(patients, dtype=str)
    if np.unique(names).size < 2:
        return None
    generator = np.random.default_rng(seed)
    chosen = []
    for name in names:
        others = np.flatnonzero(names != name)
        chosen.append(generator.choice(others, count, replace=others.size < count))
    return np.stack(chosen)

"""What a film looks like in 1,056 bytes: enough to recognise a copy of it in another size, shape or format.

A film is first brought to a fixed square, which undoes scale, stretch and bit depth, and to its own 0.5 to
99.5 percentile range, which undoes a linear window. From the square come a 256-bit perceptual hash, by
which copies are *looked for*, and a 32 x 32 miniature, by which a pair that was found is *confirmed*.
"""

from dataclasses import dataclass

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscope.image.radiograph import Pixels

__all__ = ["HASH_BITS", "MINIATURE_SIDE", "Signature", "detail", "hashes_as_words", "signature"]

HASH_BITS = 256
MINIATURE_SIDE = 32
_SQUARE_SIDE = 64
_BLUR_SIGMA = 3.0
_LEAST_RANGE = 0.01


@dataclass(frozen=True, slots=True)
class Signature:
    """The look of one film.

    Attributes:
        phash: 64 hexadecimal digits, 256 bits; the sign of the low DCT coefficients about their median.
        miniature: 1,024 bytes, (32, 32) uint8 in C order, stretched to the film's own grey range.
    """

    phash: str
    miniature: bytes


def signature(pixels: Pixels) -> Signature | None:
    """Hash and miniature of a film, the same for its re-scaled, stretched and re-encoded copies.

    Source: Zauner 2010, Implementation and benchmarking of perceptual image hash functions, section 3.2.1
    (DCT hash), as the package imagehash computes it.

    Args:
        pixels: (H, W) uint8 or uint16.

    Returns:
        The signature, or None for a film without contrast, which would look like every other such film.
    """
    square = _square(pixels)
    low, high = np.percentile(square, (0.5, 99.5))
    if high - low < _LEAST_RANGE * np.iinfo(pixels.dtype).max:
        return None
    stretched = np.clip((square - low) / (high - low), 0.0, 1.0)  # (64, 64)
    grey = np.rint(stretched * 255.0).astype(np.uint8)
    picture_hash = imagehash.phash(
        Image.fromarray(grey), hash_size=16, highfreq_factor=4
    ).hash  # (16, 16) bool
    half = _SQUARE_SIDE // MINIATURE_SIDE
    blocks = stretched.reshape(MINIATURE_SIDE, half, MINIATURE_SIDE, half)  # (32, 2, 32, 2)
    miniature = np.rint(blocks.mean(axis=(1, 3)) * 255.0).astype(np.uint8)
    return Signature(np.packbits(picture_hash.ravel()).tobytes().hex(), miniature.tobytes())


def hashes_as_words(phashes: list[str]) -> NDArray[np.uint64]:
    """Hexadecimal hashes as machine words, for the search.

    >>> hashes_as_words(["0" * 63 + "1"]).tolist()
    [[0, 0, 0, 1]]

    Args:
        phashes: N strings of 64 hexadecimal digits.

    Returns:
        (N, 4) uint64, the first digits in the first word.
    """
    raw = b"".join(bytes.fromhex(phash) for phash in phashes)
    words = np.frombuffer(raw, dtype=">u8").astype(np.uint64)
    return words.reshape(-1, HASH_BITS // 64)


def detail(miniatures: NDArray[np.uint8], *, ranked: bool = False) -> NDArray[np.float32]:
    """Unit vectors of a film's detail: the dot product of two of them says how alike two films are.

    All chest films share their coarse shape: two strangers correlate at 0.9 and above as they stand. With
    the coarse part taken away (a Gaussian of 3 of 32 pixels) what is left is ribs, hila, devices and letters.

    Args:
        miniatures: (N, 32, 32) uint8.
        ranked: compare the ranks of the grey values instead, which a gamma or an equalisation leaves alone.

    Returns:
        (N, 1024) float32, each row of length one; all zero for a miniature without detail.
    """
    values = _grey_ranks(miniatures) if ranked else miniatures.astype(np.float32)
    fine = values - np.einsum("ij,njk,lk->nil", _BLUR, values, _BLUR, optimize=True).astype(np.float32)
    flat = fine.reshape(len(fine), -1)  # (N, 1024)
    flat = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.asarray(np.divide(flat, length, out=np.zeros_like(flat), where=length > 1e-3), dtype=np.float32)


def _square(pixels: Pixels) -> NDArray[np.float64]:
    """(64, 64) antialiased reduction of a film of any shape; in the film's own grey values."""
    picture = Image.fromarray(pixels if pixels.dtype == np.uint8 else pixels.astype(np.float32))
    small = picture.resize((_SQUARE_SIDE, _SQUARE_SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return np.asarray(small, dtype=np.float64)


def _grey_ranks(miniatures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, 32, 32) float32: each pixel's mid-rank among the pixels of its own miniature, 0 to 1."""
    flat = miniatures.reshape(len(miniatures), -1)
    rows = np.arange(len(flat))[:, None] * 256
    counts = np.bincount((flat + rows).ravel(), minlength=256 * len(flat)).reshape(len(flat), 256)
    mid = (np.cumsum(counts, axis=1) - counts / 2) / flat.shape[1]  # (N, 256)
    ranks = np.take_along_axis(mid, flat.astype(np.int64), axis=1)
    return ranks.reshape(miniatures.shape).astype(np.float32)


def _blur_matrix(side: int, sigma: float) -> NDArray[np.float32]:
    """(side, side) matrix of a Gaussian blur along one axis, its weights renormalised at the border."""
    index = np.arange(side)
    weights = np.exp(-((index[:, None] - index[None, :]) ** 2) / (2.0 * sigma**2))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


_BLUR = _blur_matrix(MINIATURE_SIDE, _BLUR_SIGMA)

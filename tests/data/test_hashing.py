"""Copies of a film keep its signature; films of others do not come near it."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import correlate1d
from scipy.stats import rankdata

from data.made_pool import person_film, stretched
from pneumoscope.data.duplicates import HASH_RADIUS, SAME_FILM
from pneumoscope.data.hashing import Signature, detail, hashes_as_words, signature
from pneumoscope.image.radiograph import Pixels

Change = Callable[[NDArray[np.uint8]], Pixels]


def recoded(film: NDArray[np.uint8]) -> NDArray[np.uint8]:
    buffer = BytesIO()
    Image.fromarray(film).save(buffer, "JPEG", quality=40)
    return np.asarray(Image.open(buffer))


def gamma(film: NDArray[np.uint8], power: float) -> NDArray[np.uint8]:
    return np.rint(255.0 * (film / 255.0) ** power).astype(np.uint8)


def windowed(film: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.clip(np.rint((film.astype(np.float64) - 25) * 1.25), 0, 255).astype(np.uint8)


CHANGES: dict[str, Change] = {
    "smaller": lambda film: stretched(film, 150, 130),
    "stretched": lambda film: stretched(film, 224, 224),
    "encoded again": recoded,
    "16 bit": lambda film: film.astype(np.uint16) * 257,
    "dim": lambda film: (film // 3).astype(np.uint8),
    "gamma 0.8": lambda film: gamma(film, 0.8),
    "gamma 1.3": lambda film: gamma(film, 1.3),
    "window": windowed,
}


def agreement(one: Signature, other: Signature) -> float:
    pair = np.frombuffer(one.miniature + other.miniature, np.uint8).reshape(2, 32, 32)
    return max(float(unit[0] @ unit[1]) for unit in (detail(pair), detail(pair, ranked=True)))


def bits_between(one: Signature, other: Signature) -> int:
    words = hashes_as_words([one.phash, other.phash])
    return int(np.bitwise_count(words[0] ^ words[1]).sum())


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("seed", range(5))
def test_a_changed_copy_is_near(change: str, seed: int) -> None:
    film = person_film(seed, height=300, width=260)
    original, copy = signature(film), signature(CHANGES[change](film))
    assert original is not None
    assert copy is not None
    assert bits_between(original, copy) <= HASH_RADIUS
    assert agreement(original, copy) >= SAME_FILM


def test_a_linear_window_and_depth_change_nothing() -> None:
    film = person_film(3)
    deeper = signature(film.astype(np.uint16) * 257)
    original = signature(film)
    assert original is not None
    assert deeper is not None
    assert deeper.phash == original.phash
    ours, theirs = (np.frombuffer(look.miniature, np.uint8).astype(int) for look in (original, deeper))
    assert np.abs(ours - theirs).max() <= 2  # Pillow rounds an 8-bit reduction, not one in float


def test_films_of_others_are_far() -> None:
    looks = [signature(person_film(seed)) for seed in range(40)]
    for first in range(40):
        for second in range(first):
            one, other = looks[first], looks[second]
            assert one is not None
            assert other is not None
            assert agreement(one, other) < 0.9


def test_a_film_without_contrast_has_no_signature() -> None:
    assert signature(np.full((80, 90), 7, np.uint8)) is None
    nearly = np.full((80, 90), 30_000, np.uint16)
    nearly[::2] += 40
    assert signature(nearly) is None


def test_words_are_the_digits() -> None:
    digits = "0123456789abcdef" * 4
    assert hashes_as_words([digits, "f" * 64]).tolist() == [
        [int("0123456789abcdef", 16)] * 4,
        [2**64 - 1] * 4,
    ]
    assert hashes_as_words([]).shape == (0, 4)


@pytest.mark.parametrize("ranked", [False, True])
def test_detail_agrees_with_scipy(ranked: bool) -> None:
    generator = np.random.default_rng(5)
    miniatures = generator.integers(0, 40, (3, 32, 32), dtype=np.uint8)
    offsets = np.arange(-31, 32)
    kernel = np.exp(-(offsets**2) / (2 * 3.0**2))
    for miniature, found in zip(miniatures, detail(miniatures, ranked=ranked), strict=True):
        values = miniature.astype(np.float64)
        if ranked:
            values = rankdata(miniature).reshape(32, 32) / 1024
        blurred, weight = values, np.ones((32, 32))
        for axis in (0, 1):
            blurred = correlate1d(blurred, kernel, axis=axis, mode="constant")
            weight = correlate1d(weight, kernel, axis=axis, mode="constant")
        fine = (values - blurred / weight).ravel()
        fine -= fine.mean()
        np.testing.assert_allclose(found, fine / np.linalg.norm(fine), atol=2e-5)


def test_detail_of_a_flat_miniature_is_zero() -> None:
    assert not detail(np.full((1, 32, 32), 9, np.uint8)).any()

"""Lungs of one film: found, recognised, and put into another film."""

import numpy as np
import pytest

from data.made_cuts import SIDE, brighter, cut_film, elliptical_lungs, whole_film
from pneumoscope.data.lungs import lung_mask, texture_agreement, transplant

LUNGS = elliptical_lungs()
UPPER = elliptical_lungs(bottom=0.0)
NOWHERE = np.zeros((SIDE, SIDE), dtype=bool)


def flat(grey: int) -> np.ndarray:
    return np.full((SIDE, SIDE), grey, dtype=np.uint8)


def put(cut, cut_lungs, host, host_lungs, boxed=NOWHERE, seed=0):
    return transplant(cut, cut_lungs, host, host_lungs, boxed, np.random.default_rng(seed))


def test_lungs_are_found_under_compression_noise_and_strays():
    cut = np.where(LUNGS, 120, 0) + np.random.default_rng(0).integers(0, 8, (SIDE, SIDE))
    cut[5:15, 5:15] = 200
    found = lung_mask(cut.astype(np.uint8))
    assert not found[:20, :20].any()
    overlap = (found & LUNGS).sum() / (found | LUNGS).sum()
    assert overlap > 0.98


def test_a_black_film_has_no_lungs():
    assert not lung_mask(flat(0)).any()
    assert not lung_mask(flat(8)).any()


@pytest.mark.parametrize("seed", range(4))
def test_a_film_agrees_with_its_own_cut_alone_whatever_its_grey_scale(seed):
    cut, lungs = cut_film(seed), lung_mask(cut_film(seed))
    assert texture_agreement(whole_film(seed), cut, lungs) > 0.9
    assert texture_agreement(brighter(whole_film(seed)), cut, lungs) > 0.6
    for other in range(10, 14):
        assert texture_agreement(brighter(whole_film(other)), cut, lungs) < 0.4


def test_agreement_is_the_correlation_of_what_is_finer_than_the_lungs():
    rng = np.random.default_rng(3)
    one, two = (np.clip(rng.normal(128, 20, (SIDE, SIDE)), 0, 255).astype(np.uint8) for _ in range(2))
    lungs = np.zeros((SIDE, SIDE), dtype=bool)
    lungs[20:200, 20:200] = True
    inner = (slice(28, 192), slice(28, 192))
    mixed = (0.5 * one.astype(float) + 0.5 * two).astype(np.uint8)
    raw = np.corrcoef(mixed[inner].ravel(), one[inner].ravel())[0, 1]  # white noise: the mean is nothing
    assert texture_agreement(mixed, one, lungs) == pytest.approx(raw, abs=0.02)


def test_lungs_too_small_or_without_texture_agree_with_nothing():
    small = np.zeros((SIDE, SIDE), dtype=bool)
    small[100:110, 100:110] = True
    assert texture_agreement(whole_film(0), whole_film(0), small) == 0.0
    assert texture_agreement(flat(0), whole_film(0), LUNGS) == 0.0


def test_lungs_come_from_the_cut_film_and_all_else_from_the_host():
    cut, host = np.where(LUNGS, whole_film(1), 0).astype(np.uint8), whole_film(2)
    film = put(cut, LUNGS, host, LUNGS).film
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    distance = np.min(
        [(y - row) ** 2 + (x - column) ** 2 for row, column in zip(*_edge(LUNGS), strict=True)], axis=0
    )
    far = distance > 12**2
    np.testing.assert_array_equal(film[far & ~LUNGS], host[far & ~LUNGS])
    np.testing.assert_allclose(film[far & LUNGS], cut[far & LUNGS], atol=1)


def _edge(lungs):
    inner = lungs[1:-1, 1:-1] & lungs[:-2, 1:-1] & lungs[2:, 1:-1] & lungs[1:-1, :-2] & lungs[1:-1, 2:]
    edge = lungs.copy()
    edge[1:-1, 1:-1] &= ~inner
    return np.nonzero(edge)


def test_there_is_no_dark_rim():
    film = put(np.where(LUNGS, 190, 0).astype(np.uint8), LUNGS, flat(200), LUNGS).film
    assert film.min() == 190
    assert film.max() == 200


def test_a_gap_in_a_box_is_filled_and_what_lies_outside_boxes_is_the_host():
    host = np.where(LUNGS, 60, 180).astype(np.uint8)
    cut = np.where(UPPER, 70, 0).astype(np.uint8)
    boxed = np.zeros((SIDE, SIDE), dtype=bool)
    boxed[130:170, 40:85] = True  # a place in the lower lung on the left
    bare, filled = put(cut, UPPER, host, LUNGS), put(cut, UPPER, host, LUNGS, boxed)
    assert (bare.film[140:160, 55:75] == 60).all()
    assert filled.film[140:160, 55:75].mean() > 90
    away = np.ones((SIDE, SIDE), dtype=bool)
    away[100:200, 10:115] = False
    np.testing.assert_array_equal(filled.film[away], bare.film[away])
    assert bare.covered == 1.0
    assert filled.covered > 0.8


def test_the_same_generator_fills_alike_and_another_does_not():
    host, cut = np.where(LUNGS, 60, 180).astype(np.uint8), np.where(UPPER, 70, 0).astype(np.uint8)
    boxed = np.zeros((SIDE, SIDE), dtype=bool)
    boxed[130:170, 40:85] = True
    films = [put(cut, UPPER, host, LUNGS, boxed, seed).film for seed in (1, 1, 2)]
    np.testing.assert_array_equal(films[0], films[1])
    assert (films[0] != films[2]).any()


def test_what_is_boxed_outside_all_lungs_is_not_covered():
    boxed = np.zeros((SIDE, SIDE), dtype=bool)
    boxed[:30, :30] = True
    made = put(cut_film(1), LUNGS, whole_film(2), LUNGS, boxed)
    assert made.covered == 0.0
    boxed[:] = False
    boxed[100:120, 50:60] = True
    assert put(cut_film(1), LUNGS, whole_film(2), LUNGS, boxed).covered == 1.0

"""Lungs of one film: found, recognised, and put into another film."""

import numpy as np
import pytest
from scipy import ndimage

from data.made_cuts import SIDE, brighter, cut_film, elliptical_lungs, whole_film
from pneumoscope.data.lungs import (
    Transplant,
    join_halves,
    largest_two,
    lung_mask,
    texture_agreement,
    transplant,
)

LUNGS = elliptical_lungs()
UPPER = elliptical_lungs(bottom=0.0)
NOWHERE = np.zeros((SIDE, SIDE), dtype=bool)


def flat(grey: int) -> np.ndarray:
    return np.full((SIDE, SIDE), grey, dtype=np.uint8)


def put(donor, donor_lungs, host, host_lungs, boxes=(), seed=0):
    return transplant(donor, donor_lungs, host, host_lungs, boxes, np.random.default_rng(seed))


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


def test_lungs_come_from_the_donor_and_all_else_from_the_host():
    donor, host = np.where(LUNGS, whole_film(1), 0).astype(np.uint8), whole_film(2)
    film = put(donor, LUNGS, host, LUNGS).film
    reach = ndimage.binary_dilation(LUNGS, iterations=2)
    np.testing.assert_array_equal(film[~reach], host[~reach])
    inner = ndimage.binary_erosion(LUNGS, iterations=8)
    detail = [picture - ndimage.gaussian_filter(picture.astype(float), 4) for picture in (film, donor, host)]
    of_donor, of_host = (np.corrcoef(detail[0][inner], other[inner])[0, 1] for other in detail[1:])
    assert of_donor > 0.95
    assert abs(of_host) < 0.2


def test_the_donors_lungs_are_stretched_onto_the_hosts_and_their_boxes_with_them():
    small = np.zeros((SIDE, SIDE), dtype=bool)
    small[50:100, 60:160] = True
    large = np.zeros((SIDE, SIDE), dtype=bool)
    large[20:170, 12:212] = True
    donor = np.where(small, 100, 0).astype(np.uint8)
    donor[70:80, 80:100] = 180
    made = put(donor, small, flat(100), large, [(80 / SIDE, 70 / SIDE, 20 / SIDE, 10 / SIDE)])
    # 3 times as high, twice as wide: rows 70-80 of 50-100 come to 80-110 of 20-170, columns 80-100 to 52-92.
    np.testing.assert_allclose(np.array(made.boxes[0]) * SIDE, (52, 80, 40, 30), atol=1e-3)
    bright = made.film[84:106, 56:88]
    around = (made.film[30:75, 20:200], made.film[116:160, 20:200], made.film[30:160, 20:48])
    assert bright.min() > max(part.max() for part in around) + 20
    assert made.covered == 1.0


def test_nothing_of_the_hosts_lungs_is_left():
    """A host's own lung beside the donor's would show what the label does not say."""
    host = np.where(LUNGS, 60, 180).astype(np.uint8)
    host[150:170, 55:75] = 255  # in the lower lung, where the donor has none
    donor = np.where(UPPER, 70, 0).astype(np.uint8)
    donor[LUNGS & ~UPPER] = 0
    kept = UPPER.copy()
    kept[175:183, 60:64] = LUNGS[175:183, 60:64]  # the donor's rectangle is as high as the host's
    assert put(donor, kept, host, LUNGS).film[150:170, 55:75].max() < 120


@pytest.mark.parametrize("seed", range(5))
def test_grey_moves_no_further_than_to_where_both_lungs_agree(seed):
    donor, host = np.where(LUNGS, 100, 0).astype(np.uint8), np.where(LUNGS, 40, 200).astype(np.uint8)
    inner = ndimage.binary_erosion(LUNGS, iterations=10)
    film = put(donor, LUNGS, host, LUNGS, seed=seed).film
    assert 40 <= film[inner].min() == film[inner].max() <= 100


def test_a_gap_in_a_box_is_filled():
    host = np.where(LUNGS, 60, 180).astype(np.uint8)
    hole = np.zeros((SIDE, SIDE), dtype=bool)
    hole[130:170, 40:85] = True  # cut out of the lower lung on the left
    donor = np.where(LUNGS & ~hole, 60, 0).astype(np.uint8)
    box = (40 / SIDE, 130 / SIDE, 45 / SIDE, 40 / SIDE)
    bare, filled = (put(donor, LUNGS & ~hole, host, LUNGS, boxes) for boxes in ((), (box,)))
    assert bare.film[140:160, 55:75].mean() == pytest.approx(60, abs=1)
    assert filled.film[140:160, 55:75].mean() > 90
    assert (bare.covered, filled.covered) == (1.0, pytest.approx(1.0, abs=0.2))


def test_the_same_generator_makes_the_same_film_and_another_does_not():
    films = [put(cut_film(1), LUNGS, whole_film(2), LUNGS, seed=seed).film for seed in (1, 1, 2)]
    np.testing.assert_array_equal(films[0], films[1])
    assert (films[0] != films[2]).any()


def test_halves_meet_between_the_lungs_and_keep_what_they_show_of_their_boxes():
    host = whole_film(3)
    left_box, right_box = (0.2, 0.4, 0.1, 0.2), (0.7, 0.4, 0.1, 0.2)
    one = put(cut_film(1), LUNGS, host, LUNGS, [left_box, right_box])
    two = put(cut_film(2), LUNGS, host, LUNGS, [left_box])
    joined = join_halves(one, two, LUNGS)
    middle = SIDE // 2
    np.testing.assert_array_equal(joined.film[:, : middle - 6], one.film[:, : middle - 6])
    np.testing.assert_array_equal(joined.film[:, middle + 6 :], two.film[:, middle + 6 :])
    np.testing.assert_allclose(joined.boxes, [left_box], atol=1e-4)
    assert joined.covered == 1.0
    np.testing.assert_allclose(join_halves(two, one, LUNGS).boxes, [left_box, right_box], atol=1e-4)


@pytest.mark.parametrize(("width", "known"), [(0.3, True), (0.2, True), (0.15, False)])
def test_half_a_box_and_less_says_nothing(width, known):
    across = (0.5 - 0.1, 0.4, width, 0.2)  # a tenth of the film of it is left of the seam
    made = Transplant(whole_film(1), (across,), 1.0, (0.9,))
    bare = Transplant(whole_film(2), (), 1.0, ())
    assert join_halves(bare, made, LUNGS).covered == (0.9 if known else 0.0)


def test_a_box_in_the_half_that_is_not_shown_vouches_for_nothing():
    hidden, shown = (0.1, 0.2, 0.2, 0.6), (0.7, 0.4, 0.1, 0.1)
    made = Transplant(whole_film(1), (hidden, shown), 0.95, (1.0, 0.1))
    joined = join_halves(Transplant(whole_film(2), (), 1.0, ()), made, LUNGS)
    assert (joined.boxes, joined.covered) == ((shown,), 0.1)


def test_what_is_boxed_outside_all_lungs_is_not_covered():
    assert put(cut_film(1), LUNGS, whole_film(2), LUNGS, [(0.0, 0.0, 0.1, 0.1)]).covered == 0.0
    inside = (50 / SIDE, 100 / SIDE, 10 / SIDE, 20 / SIDE)
    assert put(cut_film(1), LUNGS, whole_film(2), LUNGS, [inside]).covered == 1.0


def test_strays_are_no_lungs():
    mask = LUNGS.copy()
    mask[2:8, 2:8] = True
    np.testing.assert_array_equal(largest_two(mask), LUNGS)
    assert not largest_two(NOWHERE).any()

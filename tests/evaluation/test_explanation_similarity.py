import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image
from scipy.stats import spearmanr

from pneumoscope.evaluation.explanation_similarity import partners, rank_correlation, structural_similarity


def _maps(seed, count=4, side=7, levels=None):
    generator = np.random.default_rng(seed)
    if levels is not None:
        return generator.integers(0, levels, (count, side, side)).astype(np.float32)
    return generator.normal(size=(count, side, side)).astype(np.float32)


@pytest.mark.parametrize("levels", [None, 3])
def test_rank_correlation_equals_scipy(levels):
    first, second = _maps(0, levels=levels), _maps(1, levels=levels)
    expected = [
        spearmanr(one.ravel(), other.ravel()).statistic for one, other in zip(first, second, strict=True)
    ]
    np.testing.assert_allclose(rank_correlation(first, second), expected, rtol=1e-12)


def test_rank_correlation_sees_order_and_sign_only():
    maps = _maps(2)
    np.testing.assert_allclose(rank_correlation(maps, np.exp(maps) * 5), 1.0)
    np.testing.assert_allclose(rank_correlation(maps, -maps), -1.0)


def test_a_flat_map_resembles_nothing():
    assert rank_correlation(np.zeros((1, 3, 3), np.float32), _maps(0, 1, 3)).tolist() == [0.0]


def _slow_ssim(one, other):
    """Wang et al. 2004, window by window."""
    window = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    weights = np.outer(window, window) / window.sum() ** 2
    a, b = (sliding_window_view(values, (11, 11)) for values in (one, other))

    def mean(values):
        return (values * weights).sum(axis=(2, 3))

    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b = mean(a**2) - mean_a**2, mean(b**2) - mean_b**2
    cov = mean(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    top = (2 * mean_a * mean_b + c1) * (2 * cov + c2)
    return (top / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean()


def _scaled(maps):
    large = np.asarray(Image.fromarray(maps).resize((224, 224), Image.Resampling.BILINEAR), float)
    centred = large - large.mean()
    return centred / np.abs(centred).max()


def test_structural_similarity_equals_its_definition():
    first, second = _maps(3, 1), _maps(4, 1)
    assert structural_similarity(first, second)[0] == pytest.approx(
        _slow_ssim(_scaled(first[0]), _scaled(second[0])), abs=1e-4
    )


def test_structural_similarity_of_a_map_with_itself_at_any_scale():
    maps = _maps(5)
    np.testing.assert_allclose(structural_similarity(maps, 30 * maps), 1.0, atol=1e-6)
    assert structural_similarity(maps, -maps).max() < 0.5
    assert structural_similarity(np.zeros_like(maps), maps).max() < 0.5


def test_what_a_map_is_everywhere_makes_it_like_no_other():
    maps = _maps(6)
    for offset in (-40.0, 3.0):
        np.testing.assert_allclose(structural_similarity(maps, maps + np.float32(offset)), 1.0, atol=1e-3)
    cold, flat = maps - np.float32(3.0), np.full_like(maps, -1.7)
    assert np.abs(structural_similarity(cold, flat)).max() < 0.1
    assert np.abs(structural_similarity(cold, _maps(7) - np.float32(3.0))).max() < 0.3


@pytest.mark.parametrize("measure", [rank_correlation, structural_similarity])
def test_maps_must_be_of_one_shape(measure):
    with pytest.raises(ValueError, match="one shape"):
        measure(_maps(0), _maps(0, side=8))
    with pytest.raises(ValueError, match="one shape"):
        measure(_maps(0)[0], _maps(0)[0])


def test_partners_are_of_other_patients():
    patients = ["a"] * 5 + ["b"] * 3 + ["c", "d"]
    chosen = partners(patients)
    assert chosen.shape == (10, 5)
    for own, others in zip(patients, chosen, strict=True):
        assert all(patients[other] != own for other in others)
    assert len(set(chosen[8].tolist())) == 5, "drawn without replacement where there are enough"
    np.testing.assert_array_equal(chosen, partners(patients))


def test_one_patient_has_no_partners():
    assert partners(["a", "a"]) is None

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from sklearn.metrics import average_precision_score

from pneumoscope.evaluation import localisation
from pneumoscope.image.prepare import PrepareParameters, plate_geometry


def _disc(height, width, row, column, radius):
    y, x = np.mgrid[0:height, 0:width]
    return (y - row) ** 2 + (x - column) ** 2 <= radius**2


def test_boxes_cover_the_pixels_whose_centres_they_hold():
    mask = localisation.boxes_mask([(0.25, 0.1, 0.5, 0.2), (0.0, 0.9, 0.1, 0.1)], 100, 200)
    expected = np.zeros((100, 200), bool)
    expected[10:30, 50:150] = True
    expected[90:100, 0:20] = True
    np.testing.assert_array_equal(mask, expected)


def test_no_box_is_an_empty_mask():
    assert not localisation.boxes_mask([], 10, 10).any()


@given(st.integers(0, 39), st.integers(0, 29), st.integers(1, 12))
def test_a_hit_is_a_hottest_pixel_inside(row, column, radius):
    heat = np.full((40, 30), -1.0)
    heat[row, column] = 0.5
    mask = _disc(40, 30, 20, 15, radius)
    assert localisation.pointing_hit(heat, mask) == bool(mask[row, column])


@given(st.integers(0, 39), st.integers(0, 29), st.floats(0.5, 12))
def test_tolerance_is_the_distance_to_the_lesion(row, column, tolerance):
    heat = np.zeros((40, 30))
    heat[row, column] = 1.0
    mask = _disc(40, 30, 20, 15, 4)
    distance = ndimage.distance_transform_edt(~mask)[row, column]
    assert localisation.pointing_hit(heat, mask, tolerance) == bool(distance <= tolerance + 1e-9)


def test_a_map_that_is_negative_everywhere_still_points():
    heat = np.full((4, 4), -9.0)
    heat[1, 2] = -1.0
    assert localisation.hottest_point(heat) == (1.0, 2.0)


def test_a_plateau_points_to_its_middle():
    heat = np.zeros((20, 20))
    heat[4:9, 10:17] = 3.0
    assert localisation.hottest_point(heat) == (6.0, 13.0)


def test_two_separate_maxima_point_to_one_of_them():
    heat = np.zeros((20, 20))
    heat[2, 2] = heat[17, 17] = 1.0
    assert localisation.hottest_point(heat) in ((2.0, 2.0), (17.0, 17.0))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("levels", [3, 1000])
def test_map_precision_equals_scikit_learn(seed, levels):
    generator = np.random.default_rng(seed)
    heat = generator.integers(0, levels, (30, 20)) - levels / 2
    mask = generator.random((30, 20)) < 0.2
    expected = average_precision_score(mask.ravel(), heat.ravel())
    assert localisation.map_average_precision(heat, mask) == pytest.approx(expected)


def test_a_perfect_map_and_a_flat_one():
    mask = _disc(30, 30, 10, 10, 5)
    assert localisation.map_average_precision(mask * 2.0 - 1.0, mask) == 1.0
    assert localisation.map_average_precision(np.zeros((30, 30)), mask) == pytest.approx(mask.mean())


def test_share_of_evidence_inside():
    generator = np.random.default_rng(0)
    heat, mask = generator.normal(size=(30, 20)), generator.random((30, 20)) < 0.3
    expected = heat[mask & (heat > 0)].sum() / heat[heat > 0].sum()
    assert localisation.evidence_share(heat, mask) == pytest.approx(expected)
    everywhere = localisation.evidence_share(heat, mask) + localisation.evidence_share(heat, ~mask)
    assert everywhere == pytest.approx(1.0)


def test_without_positive_evidence_there_is_no_share():
    assert np.isnan(localisation.evidence_share(-np.ones((3, 3)), np.ones((3, 3), bool)))


@pytest.mark.parametrize(("height", "width"), [(31, 41), (32, 20)])
def test_the_centre_map_is_hottest_in_the_middle(height, width):
    heat = localisation.centre_map(height, width)
    row, column = localisation.hottest_point(heat)
    assert abs(row - (height - 1) / 2) <= 0.5
    assert abs(column - (width - 1) / 2) <= 0.5
    np.testing.assert_array_equal(heat, heat[::-1, ::-1])
    assert 0 <= heat.min() < 0.1 < 0.9 < heat.max() <= 1


def test_chance_is_what_random_points_reach():
    lungs, lesion = _disc(60, 60, 30, 20, 18), _disc(60, 60, 30, 30, 9)
    generator = np.random.default_rng(0)
    points = generator.choice(np.argwhere(lungs), size=4000)
    drawn = lesion[points[:, 0], points[:, 1]].mean()
    assert localisation.pointing_chance(lungs, lesion) == pytest.approx(drawn, abs=0.03)


def test_boxes_and_maps_meet_on_the_film():
    """A cell that is hot on the plate, carried to the film, lies in the box drawn around it there."""
    geometry = plate_geometry(300, 200, PrepareParameters(size=96))
    cam = np.zeros((12, 12), np.float32)
    cam[3, 5] = 4.0
    row, column = geometry.point_to_film((3 + 0.5) * 8, (5 + 0.5) * 8)
    box = ((column - 15) / 200, (row - 15) / 300, 30 / 200, 30 / 300)
    heat = geometry.to_film(cam)
    assert localisation.pointing_hit(heat, localisation.boxes_mask([box], 300, 200))
    flipped = ((column - 15) / 200, (300 - row - 15) / 300, 30 / 200, 30 / 300)
    assert not localisation.pointing_hit(heat, localisation.boxes_mask([flipped], 300, 200))


@pytest.mark.parametrize("function", [localisation.pointing_hit, localisation.map_average_precision])
def test_a_film_without_a_lesion_is_refused(function):
    with pytest.raises(ValueError, match="mask is empty"):
        function(np.ones((3, 3)), np.zeros((3, 3), bool))


@pytest.mark.parametrize(
    "function",
    [localisation.pointing_hit, localisation.map_average_precision, localisation.evidence_share],
)
def test_impossible_maps_are_refused(function):
    with pytest.raises(ValueError, match="one height and width"):
        function(np.ones((3, 3)), np.ones((3, 4), bool))
    with pytest.raises(ValueError, match="finite"):
        function(np.full((3, 3), np.nan), np.ones((3, 3), bool))


def test_an_impossible_region_is_refused():
    with pytest.raises(ValueError, match="region is empty"):
        localisation.pointing_chance(np.zeros((3, 3)), np.ones((3, 3)))
    with pytest.raises(ValueError, match="one height and width"):
        localisation.pointing_chance(np.ones((3, 3)), np.ones((2, 3)))


def test_examples_in_docstrings():
    result = doctest.testmod(localisation)
    assert result.attempted > 4
    assert result.failed == 0

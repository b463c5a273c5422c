import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pneumoscope.report.contour import contour_coverage

ROWS, COLUMNS = np.mgrid[0:200, 0:240].astype(np.float32)
FROM_CENTRE = np.hypot(ROWS - 99.5, COLUMNS - 119.5)


@pytest.mark.parametrize("radius", [20.0, 60.0, 90.0])
@pytest.mark.parametrize("width", [1.0, 2.2, 4.5])
def test_line_around_a_disc_has_its_length_and_width(radius: float, width: float) -> None:
    coverage = contour_coverage(FROM_CENTRE, radius, width)
    assert coverage.sum() == pytest.approx(2 * np.pi * radius * width, rel=0.02)
    assert np.abs(FROM_CENTRE[coverage > 0] - radius).max() <= width / 2 + 0.5
    assert coverage[np.abs(FROM_CENTRE - radius) <= (width - 1) / 2].min(initial=1.0) > 0.99


@given(unit=st.floats(1e-3, 1e3))
def test_line_does_not_depend_on_the_unit(unit: float) -> None:
    scaled = contour_coverage(FROM_CENTRE * np.float32(unit), 60.0 * unit, 2.0)
    assert np.abs(scaled - contour_coverage(FROM_CENTRE, 60.0, 2.0)).max() < 2e-3


@pytest.mark.parametrize("level", [-1.0, 1e4])
def test_no_line_where_the_level_is_not_reached(level: float) -> None:
    assert contour_coverage(FROM_CENTRE, level, 2.0).max() == 0


def test_no_line_in_a_flat_map() -> None:
    assert contour_coverage(np.full((9, 9), 3.0, dtype=np.float32), 3.0, 2.0).max() == 0


def test_no_line_in_a_single_row() -> None:
    assert contour_coverage(np.float32([[0.0, 1.0, 2.0]]), 1.0, 2.0).max() == 0

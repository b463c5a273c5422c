import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pneumoscope.report.colour import OPACITY_AT_LIMIT, blend, evidence_colours, evidence_opacity

LIMIT = 6.0
SCALE = np.linspace(0.0, LIMIT, 256, dtype=np.float32)

# Machado, Oliveira and Fernandes 2009, table 1, severity 1.0; on linear RGB.
COLOUR_BLINDNESS = {
    "none": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def lightness(srgb: NDArray[np.float32], sight: str) -> NDArray[np.float64]:
    """CIE L* of sRGB colours (..., 3), 0 to 255, as seen with a form of colour blindness."""
    share = srgb.astype(np.float64) / 255.0
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ COLOUR_BLINDNESS[sight].T, 0.0, 1.0)
    luminance = seen @ np.array([0.2126, 0.7152, 0.0722])
    return np.where(luminance > 216 / 24389, 116 * np.cbrt(luminance) - 16, luminance * 24389 / 27)


@pytest.mark.parametrize("sight", COLOUR_BLINDNESS)
def test_lightness_rises_with_evidence_for_every_eye(sight: str) -> None:
    steps = np.diff(lightness(evidence_colours(SCALE, LIMIT), sight))
    assert steps.min() > 0


def test_colours_are_those_of_inferno() -> None:
    expected = matplotlib.colormaps["inferno"](64 / 255 + SCALE / LIMIT * 191 / 255)[:, :3] * 255.0
    assert np.abs(evidence_colours(SCALE, LIMIT) - expected).max() < 4.0


def test_opacity_rises_from_nothing_and_never_hides_the_film() -> None:
    opacity = evidence_opacity(SCALE, LIMIT)
    assert opacity[0] == 0
    assert np.diff(opacity).min() > 0
    assert opacity[-1] == pytest.approx(OPACITY_AT_LIMIT)
    assert OPACITY_AT_LIMIT < 1
    assert evidence_opacity(np.float32([1e6]), LIMIT)[0] == opacity[-1]


@given(evidence=st.floats(-1e6, 0.0, width=32))
def test_evidence_against_leaves_the_film_as_it_is(evidence: float) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    blended = blend(grey, np.full((16, 16), evidence, dtype=np.float32), LIMIT)
    assert np.array_equal(blended, np.repeat(grey[..., None], 3, axis=-1))


@given(grey=st.integers(0, 255), share=st.floats(0.0, 1.0))
def test_blend_is_the_mean_weighted_by_opacity(grey: int, share: float) -> None:
    evidence = np.float32([[share * LIMIT]])
    opacity = float(evidence_opacity(evidence, LIMIT)[0, 0])
    expected = (1 - opacity) * grey + opacity * evidence_colours(evidence, LIMIT)[0, 0]
    assert np.abs(blend(np.uint8([[grey]]), evidence, LIMIT)[0, 0] - expected).max() <= 0.501

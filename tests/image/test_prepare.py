import dataclasses
import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydantic import ValidationError
from scipy.ndimage import map_coordinates

from generated import chest_like
from pneumoscope.errors import RejectedFilmError
from pneumoscope.image.prepare import PrepareParameters, make_plate, normalise, plate_geometry, prepare
from pneumoscope.image.read import read

FITS = ["letterbox", "stretch", "centre-crop"]
sides = st.integers(64, 400)
sizes = st.integers(16, 256)
settings.register_profile("prepare", max_examples=60, deadline=None)


def parameters(**changes) -> PrepareParameters:
    return PrepareParameters(**{"size": 64, **changes})


def film(height=150, width=131, seed=1):
    return chest_like(seed, height=height, width=width)


@settings(settings.get_profile("prepare"))
@given(
    height=sides,
    width=sides,
    fit=st.sampled_from(FITS),
    intensity=st.sampled_from(["as-stored", "percentile"]),
    seed=st.integers(0, 99),
)
def test_bit_depth_does_not_matter(height, width, fit, intensity, seed):
    shallow = film(height, width, seed)
    deep = shallow.astype(np.uint16) * 257
    chosen = parameters(fit=fit, intensity=intensity)
    plate, geometry = make_plate(read(shallow), chosen)
    deep_plate, deep_geometry = make_plate(read(deep), chosen)
    assert np.array_equal(plate, deep_plate)
    assert geometry == deep_geometry


@pytest.mark.parametrize("intensity", ["as-stored", "percentile"])
def test_an_inverted_film_stays_inverted(intensity):
    chosen = parameters(intensity=intensity, fit="stretch")
    plate = make_plate(read(film()), chosen)[0].astype(int)
    inverted = make_plate(read(255 - film()), chosen)[0].astype(int)
    assert np.corrcoef(plate.ravel(), inverted.ravel())[0, 1] < -0.95
    if intensity == "as-stored":
        assert np.abs(255 - plate - inverted).max() <= 1


def test_a_square_film_as_stored_is_its_own_plate():
    square = film(64, 64)
    for fit in FITS:
        assert np.array_equal(make_plate(read(square), parameters(fit=fit))[0], square)


@settings(settings.get_profile("prepare"))
@given(gain=st.integers(2, 250), seed=st.integers(0, 99))
def test_percentiles_undo_gain(gain, seed):
    chosen = parameters(intensity="percentile")
    deep = film(seed=seed).astype(np.uint16)
    plate = make_plate(read(deep), chosen)[0].astype(int)
    brighter = make_plate(read(deep * np.uint16(gain)), chosen)[0].astype(int)
    assert np.abs(plate - brighter).max() <= 1
    stored = make_plate(read(deep), parameters())[0]
    assert stored.max() <= 1  # while as-stored shows these few levels as black


def test_percentiles_undo_a_window():
    chosen = parameters(intensity="percentile")
    shallow = np.clip(film(), 10, 245)
    windowed = np.clip(np.rint((shallow - 5.0) * 250), 0, 65535).astype(np.uint16)
    plate = make_plate(read(shallow), chosen)[0].astype(int)
    assert np.abs(plate - make_plate(read(windowed), chosen)[0]).max() <= 2


def test_percentiles_follow_their_definition():
    deep = read(film().astype(np.uint16) * 200 + 2000).pixels
    chosen = parameters(size=150, fit="centre-crop", intensity="percentile", percentiles=(2.0, 97.0))
    square = deep[:, :131][:131]
    foreground = np.sort(square[square > 0.02 * square.max()].astype(np.int64))
    low, high = (foreground[int(np.ceil(share * foreground.size)) - 1] for share in (0.02, 0.97))
    expected = np.rint(np.clip((square - float(low)) / (high - low), 0, 1) * 255)
    plate, _ = make_plate(read(square), chosen.model_copy(update={"size": 131}))
    assert np.array_equal(plate, expected)


@pytest.mark.parametrize(
    "percentiles",
    [(99.5, 0.5), (5.0, 5.0), (-0.1, 99.0), (1.0, 100.1), (float("nan"), 99.0), (1.0,), (1, 2, 3)],
)
def test_percentiles_must_ascend_within_0_to_100(percentiles):
    with pytest.raises(ValidationError, match="percentiles"):
        PrepareParameters(percentiles=percentiles)


def test_percentile_0_and_100_are_the_films_own_extremes():
    chosen = parameters(intensity="percentile", percentiles=(0.0, 100.0), fit="stretch", size=64)
    square = np.clip(film(64, 64), 60, 180)
    plate, _ = make_plate(read(square), chosen)
    assert np.array_equal(plate, np.rint((square - 60.0) * 255 / 120))


@pytest.mark.parametrize("intensity", ["as-stored", "percentile"])
@pytest.mark.parametrize("value", [0, 7, 255])
def test_a_blank_film_is_refused(intensity, value):
    blank = read(np.full((70, 80), value, np.uint8), name="blank.png")
    with pytest.raises(RejectedFilmError, match=r"^blank\.png: the image is blank"):
        prepare(blank, parameters(intensity=intensity))


@settings(settings.get_profile("prepare"))
@given(height=sides, width=sides, size=sizes)
def test_padding_is_black_and_no_larger_than_it_must_be(height, width, size):
    bright = np.maximum(film(height, width), 40)
    chosen = parameters(size=size, mean=0.4, std=0.3)
    plate, geometry = make_plate(read(bright), chosen)
    top, left, box_height, box_width = geometry.plate_box
    inside = np.zeros((size, size), bool)
    inside[top : top + box_height, left : left + box_width] = True
    assert max(box_height, box_width) == size
    assert plate[inside].min() >= 40
    assert not plate[~inside].any()
    network_input, _ = prepare(read(bright), chosen)
    assert np.all(network_input[0][~inside] == np.float32((0.0 - 0.4) / 0.3))
    assert abs(top - (size - top - box_height)) <= 1
    assert abs(left - (size - left - box_width)) <= 1
    assert abs(box_height / box_width - height / width) <= 1.0 / min(box_height, box_width) * max(
        1, height / width
    )


def test_normalise_is_the_formula_bit_for_bit():
    plates = np.arange(256, dtype=np.uint8).reshape(4, 8, 8)
    for mean, std in ((0.5, 0.5), (0.485, 0.229), (0.0, 1.0)):
        expected = ((plates.astype(np.float64) / 255.0 - mean) / std).astype(np.float32)
        result = normalise(plates, parameters(mean=mean, std=std))
        assert result.shape == (4, 1, 8, 8)
        assert result.dtype == np.float32
        assert np.array_equal(result[:, 0], expected)


def test_prepare_is_normalised_plate():
    network_input, geometry = prepare(read(film()), parameters())
    plate, plate_box = make_plate(read(film()), parameters())
    assert network_input.shape == (1, 64, 64)
    assert np.array_equal(network_input, normalise(plate, parameters()))
    assert geometry == plate_box


@settings(settings.get_profile("prepare"))
@given(
    height=sides,
    width=sides,
    size=sizes,
    fit=st.sampled_from(FITS),
    row=st.floats(0, 1),
    column=st.floats(0, 1),
)
def test_points_go_to_the_plate_and_back(height, width, size, fit, row, column):
    geometry = plate_geometry(height, width, parameters(size=size, fit=fit))
    film_top, film_left, film_height, film_width = geometry.film_box
    top, left, box_height, box_width = geometry.plate_box
    point = (film_top + row * film_height, film_left + column * film_width)
    on_plate = geometry.point_to_plate(*point)
    assert top - 1e-6 <= on_plate[0] <= top + box_height + 1e-6
    assert left - 1e-6 <= on_plate[1] <= left + box_width + 1e-6
    assert geometry.point_to_film(*on_plate) == pytest.approx(point, abs=1e-6)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("shape", [(300, 180), (140, 260), (200, 200)])
def test_a_bright_spot_lands_where_the_geometry_says(fit, shape):
    spot = np.zeros(shape, np.uint8)
    row, column = shape[0] // 2 + 23, shape[1] // 2 - 31
    spot[row - 3 : row + 4, column - 3 : column + 4] = 255
    plate, geometry = make_plate(read(spot), parameters(size=96, fit=fit))
    weights = plate / plate.sum()
    centre = [(weights * (index + 0.5)).sum() for index in np.indices(plate.shape)]
    assert geometry.point_to_plate(row + 0.5, column + 0.5) == pytest.approx(centre, abs=0.3)


@settings(settings.get_profile("prepare"))
@given(
    height=sides,
    width=sides,
    fit=st.sampled_from(FITS),
    row=st.integers(0, 6),
    column=st.integers(0, 6),
)
def test_a_hot_cell_is_carried_to_its_place_on_the_film(height, width, fit, row, column):
    geometry = plate_geometry(height, width, parameters(size=224, fit=fit))
    cells = np.zeros((7, 7), np.float32)
    cells[row, column] = 3.0
    film_map = geometry.to_film(cells)
    assert film_map.shape == (height, width)
    assert film_map.dtype == np.float32
    expected_row, expected_column = geometry.point_to_film((row + 0.5) * 32, (column + 0.5) * 32)
    if 0 <= expected_row < height and 0 <= expected_column < width:
        peak = np.unravel_index(np.argmax(film_map), film_map.shape)
        # The centre of a cell may lie between two pixels, and at the rim the map is flat.
        reach = 32 * max(geometry.film_box[2:]) / max(geometry.plate_box[2:])
        assert abs(peak[0] + 0.5 - expected_row) <= 1 + (reach if row in (0, 6) else 0)
        assert abs(peak[1] + 0.5 - expected_column) <= 1 + (reach if column in (0, 6) else 0)
        assert film_map.max() <= 3.0 + 1e-5


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("shape", [(300, 180), (140, 260), (233, 233)])
def test_to_film_is_a_spline_with_the_cells_as_control_points(fit, shape):
    geometry = plate_geometry(*shape, parameters(size=112, fit=fit))
    cells = np.random.default_rng(0).normal(size=(7, 7)).astype(np.float32)
    film_map = geometry.to_film(cells)
    film_top, film_left, film_height, film_width = geometry.film_box
    rows, columns = np.mgrid[film_top : film_top + film_height, film_left : film_left + film_width] + 0.5
    on_plate = geometry.point_to_plate(rows, columns)
    at = [axis / 16 - 0.5 for axis in on_plate]
    sampled = map_coordinates(cells, at, order=3, prefilter=False, mode="nearest")
    kept = film_map[film_top : film_top + film_height, film_left : film_left + film_width]
    assert np.abs(kept - sampled).max() < 1e-4
    outside = np.ones(shape, bool)
    outside[film_top : film_top + film_height, film_left : film_left + film_width] = False
    assert not film_map[outside].any()
    assert outside.any() == (fit == "centre-crop" and shape[0] != shape[1])


@given(
    cells=arrays.arrays(np.float32, (7, 7), elements=st.floats(-50, 50, width=32)),
    height=st.integers(1, 300),
    width=st.integers(1, 300),
)
def test_carrying_a_map_to_the_film_never_adds_evidence(cells, height, width):
    film_map = plate_geometry(height, width, parameters(size=112)).to_film(cells)
    assert film_map.shape == (height, width)
    assert film_map.max() <= cells.max() + 1e-4
    assert film_map.min() >= cells.min() - 1e-4


def test_hash_is_stable_and_tells_every_parameter_apart():
    changes = [
        {},
        {"size": 65},
        {"fit": "stretch"},
        {"fit": "centre-crop"},
        {"cut_frame": True},
        {"intensity": "percentile"},
        {"percentiles": (1.0, 99.5)},
        {"percentiles": (0.5, 99.0)},
        {"resample": "lanczos"},
        {"mean": 0.4},
        {"std": 0.4},
    ]
    hashes = [parameters(**change).sha256() for change in changes]
    assert len(set(hashes)) == len(changes)
    assert {key for change in changes for key in change} == set(PrepareParameters.model_fields)
    # A bundle's card carries this digest: it must never change for the same parameters.
    assert PrepareParameters().sha256() == STANDARD_HASH
    assert (
        PrepareParameters.model_validate_json(PrepareParameters().model_dump_json()).sha256() == STANDARD_HASH
    )


STANDARD_HASH = "164427d823afd9974b6583ba1beb8fb73e629e84ac87ab896ab03a2d74ff8a05"


def test_impossible_parameters_are_refused():
    for change in ({"size": 8}, {"fit": "squeeze"}, {"std": 0}, {"unknown": 1}):
        with pytest.raises(ValidationError):
            parameters(**change)


def test_the_film_is_not_changed():
    source = read(film())
    before = source.pixels.copy()
    prepare(source, parameters(intensity="percentile"))
    assert np.array_equal(source.pixels, before)
    with pytest.raises(dataclasses.FrozenInstanceError):
        source.pixels = before


@pytest.mark.parametrize("intensity", ["as-stored", "percentile"])
@pytest.mark.parametrize("band", [1, 200, 8000])
def test_bands_change_nothing(intensity, band, monkeypatch):
    film = read(np.random.default_rng(1).integers(300, 60_000, (97, 83), dtype=np.uint16))
    plate, _ = make_plate(film, parameters(intensity=intensity))
    monkeypatch.setattr("pneumoscope.image.lookup._BAND_PIXELS", band)
    np.testing.assert_array_equal(make_plate(film, parameters(intensity=intensity))[0], plate)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_large_film_is_not_copied_in_wide_numbers(dtype):
    film = read(np.random.default_rng(1).integers(0, 250, (4000, 5000), dtype=dtype))
    tracemalloc.start()
    make_plate(film, parameters(intensity="percentile"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * film.pixels.size


def plain_greys(pixels, low_percentile, high_percentile):
    """The percentile scale worked out over the whole range of values, as its definition reads."""
    counts = np.bincount(pixels.ravel(), minlength=np.iinfo(pixels.dtype).max + 1)
    counts[: int(pixels.max() * 0.02) + 1] = 0
    cumulative = np.cumsum(counts)
    low, high = (
        int(np.argmax(cumulative >= max(percentile / 100 * cumulative[-1], 1)))
        for percentile in (low_percentile, high_percentile)
    )
    return np.rint(np.clip((pixels - float(low)) * (255.0 / (high - low)), 0, 255)).astype(np.uint8)


@settings(settings.get_profile("prepare"))
@given(st.integers(0, 2**32 - 1), st.sampled_from([np.uint8, np.uint16]), st.integers(3, 60_000))
def test_greys_are_those_of_the_definition(seed, dtype, spread):
    generator = np.random.default_rng(seed)
    top = np.iinfo(dtype).max
    film = generator.normal(0.4, 0.2, (64, 64)).clip(0, 1) * min(spread, top)
    pixels = film.astype(dtype)
    assume(plain_is_defined(pixels))
    plate, _ = make_plate(read(pixels), parameters(size=64, intensity="percentile", percentiles=(0.5, 99.5)))
    np.testing.assert_array_equal(plate, plain_greys(pixels, 0.5, 99.5))


def plain_is_defined(pixels):
    """More than one value lies above those that count as background."""
    return np.unique(pixels[pixels > int(pixels.max() * 0.02)]).size > 1

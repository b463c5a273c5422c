import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from generated import chest_like
from pneumoscope.data.cache import build_cache
from pneumoscope.errors import DataError
from pneumoscope.image.prepare import PrepareParameters, make_plate, prepare
from pneumoscope.image.radiograph import Radiograph
from pneumoscope.image.read import read
from pneumoscope.training.dataset import Plates, box_on_plate, select_films, trained_rows
from pneumoscope.training.recipe import DataChoice
from tiny_training import make_caches, make_recipe, make_rows


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("films")
    recipe = make_recipe(prepare={"intensity": "percentile"})
    rows = make_rows(root, train=12, validation=6)
    return root, rows, make_caches(recipe, rows, root)[32]


def test_what_training_validates_on_is_what_the_runtime_computes_bit_for_bit(made):
    root, rows, cache = made
    plates = Plates(select_films(rows, "validation", DataChoice()), cache, masks=False)
    held_out = [row for row in rows if row.split == "validation"]
    inputs = plates.inputs(np.arange(len(plates))).numpy()
    for row, found in zip(held_out, inputs, strict=True):
        expected, _ = prepare(read(root / row.path), cache.parameters)
        assert found.dtype == expected.dtype == np.float32
        assert np.array_equal(found, expected)


def test_columns_follow_the_manifest(made):
    _, rows, cache = made
    films = select_films(rows, "train", DataChoice())
    assert len(films) == 12
    assert films.targets.tolist() == [0, 1] * 6
    assert films.sources[:4] == ("east", "east", "west", "west")
    plates = Plates(films, cache, masks=False)
    assert plates.targets([1, 0]).tolist() == [1.0, 0.0]
    assert plates.masks([1, 0]) is None
    assert np.array_equal(plates.plates([3])[0].numpy(), cache.plates[cache.index_of(films.sha256[3])])


def test_sources_and_labels_choose_rows(made):
    _, rows, _ = made
    assert {row.source for row in trained_rows(rows, DataChoice(sources=("west",)))} == {"west"}
    assert {row.label for row in trained_rows(rows, DataChoice(targets={"NORMAL": 0}))} == {"NORMAL"}
    assert select_films(rows, "train", DataChoice(targets={"NORMAL": 1})).targets.tolist() == [1] * 6


def test_a_fold_is_left_out_of_training_with_all_films_of_its_patients(made):
    _, rows, _ = made
    rows = [replace(row, patient=f"made:{number // 2}") for number, row in enumerate(rows)]
    by_fold = [
        trained_rows(rows, DataChoice(left_out_fold={"of": 2, "number": number})) for number in range(2)
    ]
    training = {row.path for row in rows if row.split == "train"}
    left_out = [training - {row.path for row in kept} for kept in by_fold]
    assert all(left_out)
    assert sorted(path for paths in left_out for path in paths) == sorted(training)  # each in one fold
    for kept in by_fold:
        assert {row.path for row in kept if row.split == "validation"} == {
            row.path for row in rows
        } - training
    for paths in left_out:
        patients = {row.patient for row in rows if row.path in paths}
        assert {row.path for row in rows if row.patient in patients and row.split == "train"} == paths
    films = select_films(rows, "train", DataChoice(), folds=2)
    assert [row.path in left_out[fold] for row, fold in zip(rows, films.folds, strict=False)] == [True] * 12


def test_masks_know_who_was_looked_at(made):
    _, rows, cache = made
    films = select_films(rows, "validation", DataChoice())  # films 12 to 17; 16 and 17 were not looked at
    masks, annotated = Plates(films, cache, masks=True).masks(np.arange(6))
    assert annotated.tolist() == [1, 1, 1, 1, 0, 0]
    assert [bool(mask.any()) for mask in masks] == [False, True, False, True, False, False]
    assert set(masks.unique().tolist()) == {0, 255}
    films = select_films(rows, "validation", DataChoice(), boxed_negatives=True)
    _, annotated = Plates(films, cache, masks=True).masks(np.arange(6))
    assert annotated.tolist() == [1, 1, 1, 1, 1, 0]


@given(
    height=st.integers(64, 200),
    width=st.integers(64, 200),
    fit=st.sampled_from(["letterbox", "stretch", "centre-crop"]),
    corners=st.lists(st.floats(0, 1), min_size=4, max_size=4),
)
def test_a_box_lies_where_its_film_does(height, width, fit, corners):
    parameters = PrepareParameters(size=64, fit=fit)
    x, right = sorted(corners[:2])
    y, bottom = sorted(corners[2:])
    box = (x, y, right - x, bottom - y)
    top_row, bottom_row, left_column, right_column = box_on_plate(box, (height, width), parameters)
    drawn = np.zeros((64, 64), dtype=bool)
    drawn[top_row:bottom_row, left_column:right_column] = True

    film = np.zeros((height, width), dtype=np.uint8)
    film[round(y * height) : round(bottom * height), round(x * width) : round(right * width)] = 255
    if film.min() == film.max():
        return
    plate, _ = make_plate(Radiograph(film, "box", "ARRAY"), parameters)
    surely_in, surely_out = plate > 250, plate < 5
    # A film's pixel may be larger than a plate's: the two can only differ along the box's edges.
    margin = int(np.ceil(64 / min(height, width))) + 1
    for wrong in (drawn & surely_out, ~drawn & surely_in):
        rows, columns = np.nonzero(wrong)
        near_row = np.minimum(abs(rows - top_row), abs(rows + 1 - bottom_row)) <= margin
        near_column = np.minimum(abs(columns - left_column), abs(columns + 1 - right_column)) <= margin
        assert (near_row | near_column).all()


def test_a_box_on_a_letterboxed_film_has_the_expected_pixels():
    # 100 x 200 on a plate of 64: the film takes rows 16 to 48.
    parameters = PrepareParameters(size=64, fit="letterbox")
    assert box_on_plate((0.0, 0.0, 1.0, 1.0), (100, 200), parameters) == (16, 48, 0, 64)
    assert box_on_plate((0.5, 0.5, 0.25, 0.25), (100, 200), parameters) == (32, 40, 32, 48)
    # Cut at the centre, the left quarter of the film is gone.
    parameters = PrepareParameters(size=64, fit="centre-crop")
    assert box_on_plate((0.0, 0.0, 0.25, 1.0), (100, 200), parameters) == (0, 64, 0, 0)


def test_a_box_follows_its_film_out_of_the_frame(tmp_path):
    parameters = PrepareParameters(size=64, fit="letterbox", cut_frame=True)
    film = chest_like(1, height=100, width=200).clip(10)
    picture = np.pad(film, ((50, 30), (0, 100)))
    box = (0.25, 0.5, 0.25, 0.25)
    in_picture = (50 / 300, 100 / 180, 50 / 300, 25 / 180)
    expected = box_on_plate(box, film.shape, parameters)
    assert box_on_plate(in_picture, picture.shape, parameters, (50, 0, 100, 200)) == expected

    Image.fromarray(picture).save(tmp_path / "framed.png")
    row = make_rows(tmp_path, train=1, validation=0)[0]
    digest = hashlib.sha256((tmp_path / "framed.png").read_bytes()).hexdigest()
    row = replace(
        row, path="framed.png", sha256=digest, height=180, width=300, boxes=json.dumps([in_picture])
    )
    cache = build_cache([row], tmp_path, parameters, tmp_path / "cache", workers=1)
    mask = Plates(select_films([row], "train", DataChoice()), cache, masks=True).masks([0])[0][0]
    rows, columns = np.nonzero(mask.numpy())
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == expected


@pytest.mark.parametrize("boxes", ["[1, 2]", "{", '[["a", 0, 0, 0]]', "[[0, 0, 1]]"])
def test_boxes_that_are_none_are_refused_by_path(made, boxes):
    _, rows, _ = made
    with pytest.raises(DataError, match=r"film-000\.png"):
        select_films([replace(rows[0], boxes=boxes)], "train", DataChoice())
    assert json.loads(rows[0].boxes) == []

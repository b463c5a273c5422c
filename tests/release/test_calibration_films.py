from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from generated import chest_like
from pneumoscope.errors import DataError
from pneumoscope.evaluation.films import LabelledFilm
from pneumoscope.image.prepare import PrepareParameters, prepare
from pneumoscope.image.read import read
from pneumoscope.release.calibration_films import read_plates, spread_choice


def _films(**counts):
    return [
        LabelledFilm(Path(f"{name}-{number}.png"), int(name.endswith("ill")), str(number), name.split("_")[0])
        for name, count in counts.items()
        for number in range(count)
    ]


def test_every_source_and_label_has_an_equal_say():
    chosen = spread_choice(_films(east_ill=500, east_well=40, west_ill=3), 30)
    assert Counter(film.path.name.split("-")[0] for film in chosen) == {
        "east_ill": 10,
        "east_well": 10,
        "west_ill": 3,
    }
    assert len({film.path for film in chosen}) == len(chosen)


def test_films_of_a_group_are_spread_from_the_first_to_the_last():
    chosen = spread_choice(_films(east_ill=100), 5)
    assert [film.path.name for film in chosen] == [f"east_ill-{number}.png" for number in (0, 25, 50, 74, 99)]


def test_plates_are_what_prepare_makes_and_bad_films_are_left_out(tmp_path):
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    Image.fromarray(chest_like(1)).save(good)
    bad.write_text("no film")
    films = [LabelledFilm(path, 0, path.name, "east") for path in (bad, good)]
    parameters = PrepareParameters(size=32)
    (plate,) = read_plates(films, parameters, workers=1)
    np.testing.assert_array_equal(plate, prepare(read(good), parameters)[0])
    with pytest.raises(DataError, match="none of the 1 films"):
        read_plates(films[:1], parameters)

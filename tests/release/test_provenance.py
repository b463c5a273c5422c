from dataclasses import replace

import numpy as np
import pytest

from pneumoscope.data.manifest import ManifestRow
from pneumoscope.data.sources import SOURCES
from pneumoscope.release.provenance import cohorts, source_flows, training_run
from pneumoscope.training.recipe import DataChoice
from tiny_training import make_recipe

FACTS = {source.name: source for source in SOURCES}


def _row(number, source="kermany", label="NORMAL", split="train", **changes):
    values = {"population": "paediatric", "patient": f"p{number // 2}"} | changes
    return ManifestRow(source, f"{source}/{number}.png", "0" * 64, 1, label=label, split=split, **values)


ROWS = [
    _row(0, age=3.0, view="AP"),
    _row(1, age=4.0, view="PA", label="PNEUMONIA"),
    _row(2, age=None, patient=None),
    _row(3, label="OTHER"),
    _row(4, split="validation"),
    _row(5, split="test"),
    _row(6, split=None, reason="copy: the same film as kermany/5.png"),
    _row(7, split=None, reason="unreadable: cut short"),
    _row(8, source="clinic", population=None, split="test"),
    _row(9, source="clinic", split="train"),
]


def test_films_are_described_by_source_and_split():
    train, validation = cohorts(ROWS, DataChoice(sources=("kermany",)))
    assert (train.source, train.split, train.films, train.learnt) == ("kermany", "train", 3, True)
    assert (train.known_patients, train.films_of_unknown_patients) == (1, 1)
    assert train.labels == {"NORMAL": 2, "PNEUMONIA": 1}
    assert train.populations == {"paediatric": 3}
    assert train.views == {"AP": 1, "PA": 1, "unknown": 1}
    assert (validation.split, validation.films, validation.ages) == ("validation", 1, None)


def test_ages_are_those_that_are_known():
    rows = [_row(number, age=float(age)) for number, age in enumerate((1, 5, 30, 47, 90))]
    (cohort,) = cohorts([*rows, _row(9)], DataChoice())
    ages = cohort.ages
    assert ages.films == 5
    spread = (ages.youngest, ages.lower_quartile, ages.median, ages.upper_quartile, ages.oldest)
    assert spread == tuple(np.quantile([1, 5, 30, 47, 90], [0, 0.25, 0.5, 0.75, 1]))


@pytest.mark.parametrize(
    ("measured", "tested"),
    [
        ((), []),
        ([("kermany", "test")], [("kermany", False)]),
        ([("clinic", "test")], [("clinic", False)]),
        ([("all", "test")], [("kermany", False)]),
    ],
)
def test_films_that_are_only_measured_are_not_learnt(measured, tested):
    found = cohorts(ROWS, DataChoice(sources=("kermany",)), measured=measured)
    assert [(each.source, each.learnt) for each in found if each.split == "test"] == tested


def test_every_file_of_a_source_is_accounted_for():
    clinic, kermany = source_flows(ROWS, ["kermany", "clinic"], FACTS)
    assert kermany.files == 8
    assert kermany.fates == {"unreadable": 1, "copy": 1, "train": 4, "validation": 1, "test": 1}
    assert (kermany.title, kermany.url) == (FACTS["kermany"].title, FACTS["kermany"].url)
    assert (clinic.files, clinic.title) == (2, "")


def test_a_run_is_told_as_far_as_its_record_says():
    recipe = make_recipe()
    run = training_run(recipe, {"films_seen": 64, "torch": "2.6", "finished": True})
    assert (run.recipe, run.network, run.films_seen, run.torch) == ("made", "simple_cnn", 64, "2.6")
    assert run.seconds is None


def test_labels_that_were_not_learnt_are_not_counted():
    data = DataChoice(targets={"PNEUMONIA": 1, "NORMAL": 0, "OTHER": 0}, sources=("kermany",))
    train, _ = cohorts([*ROWS, replace(ROWS[0], path="x.png", label="UNCERTAIN")], data)
    assert train.labels == {"NORMAL": 2, "OTHER": 1, "PNEUMONIA": 1}

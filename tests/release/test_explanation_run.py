import json

import numpy as np
import pytest
import torch

from evaluation.made_marks import made_films
from models.trained import as_if_trained
from pneumoscope.errors import BundleError, UsageError
from pneumoscope.evaluation.explanation import measure_explanation
from pneumoscope.evaluation.explanation_localisation import MAP, localise_films
from pneumoscope.evaluation.explanation_randomisation import judge_randomisation
from pneumoscope.export import to_onnx
from pneumoscope.image.prepare import PrepareParameters, prepare
from pneumoscope.image.read import read
from pneumoscope.release.attributions import METHODS
from pneumoscope.release.explanation_run import measure_network
from pneumoscope.release.random_weights import cascade_maps, network_maps
from pneumoscope.runtime.bundle import Bundle
from pneumoscope.runtime.predictor import Predictor
from tiny_bundle import tiny_card

SEEDS = 2
PREPARE = PrepareParameters(size=32)  # captum passes each film hundreds of times


@pytest.fixture(scope="module")
def model():
    return as_if_trained("simple_cnn")


@pytest.fixture(scope="module")
def bundle(model, tmp_path_factory):
    return Bundle(
        tiny_card(prepare=PREPARE, prepare_sha256=PREPARE.sha256()),
        tmp_path_factory.mktemp("bundle"),
        "0" * 64,
        to_onnx(model, PREPARE.size),
    )


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    return made_films(tmp_path_factory.mktemp("films"), 4)


@pytest.fixture(scope="module")
def before(bundle, films):
    return measure_explanation(bundle, films, "test", workers=1)


@pytest.fixture(scope="module")
def told():
    return []


@pytest.fixture(scope="module")
def report(before, model, bundle, films, told):
    return measure_network(
        before,
        model,
        bundle,
        films,
        count=4,
        seeds=SEEDS,
        methods=True,
        progress=lambda *step: told.append(step),
    )


def test_random_weights_are_judged_on_the_films_maps(report, model, bundle, films):
    assert [seed.seed for seed in report.randomisation.seeds] == [0, 1]
    assert (report.randomisation.films, report.randomisation.patients) == (4, 2)
    plates = {film.path: prepare(read(film.path), bundle.card.prepare)[0] for film in films}
    stacked = np.stack(list(plates.values()))
    patients = [film.patient for film in films]
    again = judge_randomisation(
        network_maps(model, stacked), [(0, cascade_maps(model, stacked, 0))], patients
    )
    ours = report.randomisation.seeds[0].stages[-1].similarity["rank_correlation"].value
    # The films are the same in another order, so that only the draws of patients differ.
    assert again.seeds[0].stages[-1].similarity["rank_correlation"].value == pytest.approx(ours)


def test_all_methods_stand_side_by_side(report, bundle, films):
    compared = report.methods
    names = [method.name for method in compared.methods]
    assert names[:3] == ["closed_form", "grad_cam", "guided_grad_cam"]
    assert set(names) == {method.name for method in METHODS} | {
        f"{method.name}_smoothed" for method in METHODS if method.fine
    }
    assert (compared.films, compared.patients, compared.threads) == (4, 2, torch.get_num_threads())
    located, _ = localise_films(films, Predictor(bundle, guard=False).score)
    hits = [each.figures[MAP].pointing for each in located]
    by_name = {method.name: method for method in compared.methods}
    assert by_name["closed_form"].pointing.value == pytest.approx(np.mean(hits))
    assert by_name["closed_form"].ours_points_better.value == 0.0
    for method in compared.methods:
        smoothed = method.name.endswith("_smoothed")
        assert (method.milliseconds is None) == smoothed
        assert (method.randomisation is None) == (method.repeatability is None) == smoothed
        assert method.ours_points_better.value == pytest.approx(np.mean(hits) - method.pointing.value)


def test_our_map_is_grad_cam(report):
    compared = report.methods
    ours, theirs = compared.methods[:2]
    assert 0 < compared.grad_cam_difference < 1e-4
    assert ours.pointing == theirs.pointing
    assert ours.average_precision.value == pytest.approx(theirs.average_precision.value, abs=1e-3)
    assert ours.repeatability.changes[0].correlation.value == pytest.approx(
        theirs.repeatability.changes[0].correlation.value, abs=1e-3
    )


def test_progress_tells_every_step(report, told):
    assert [step for step in told if step[0] == "cascades of random weights"] == [
        ("cascades of random weights", 1, SEEDS),
        ("cascades of random weights", 2, SEEDS),
    ]
    assert ("films asked by all methods", 4, 4) in told


def test_the_report_is_json(report):
    read_back = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert read_back["randomisation"]["seeds"][0]["stages"][-1]["share"] == 1.0
    assert read_back["methods"]["methods"][0]["name"] == "closed_form"


def test_without_methods_only_random_weights(before, model, bundle, films):
    report = measure_network(before, model, bundle, films, count=3, seeds=1, methods=False)
    assert report.methods is None
    assert report.randomisation.films == 3


def test_a_bundle_of_another_network_is_refused(before, bundle, films):
    other = as_if_trained("simple_cnn", seed=1)
    with pytest.raises(BundleError, match="torch and the exported network differ"):
        measure_network(before, other, bundle, films, count=4, seeds=1, methods=False)


def test_one_patient_is_not_enough(model, bundle, films):
    alone = films[:2]
    report = measure_explanation(bundle, alone, "test")
    with pytest.raises(UsageError, match="all films are of one"):
        measure_network(report, model, bundle, alone, count=4, seeds=1, methods=False)

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import convolve1d

from pneumoscope.data.manifest import manifest_sha256
from pneumoscope.data.sources import SOURCES
from pneumoscope.errors import DataError, UsageError
from pneumoscope.evaluation.films import manifest_films
from pneumoscope.evaluation.report import evaluate_bundle
from pneumoscope.evaluation.scoring import Scores
from pneumoscope.release.build import ReleaseOptions, build_release, heatmap_limit
from pneumoscope.release.trained_run import open_run
from pneumoscope.runtime.bundle import open_bundle, write_bundle
from release.made_run import make_run

OPTIONS = ReleaseOptions(name="made", version="1.2.3", evaluate=(("east", "test"), ("all", "test")))
FACTS = {source.name: source for source in SOURCES}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def told():
    """What `release` was told of its progress."""
    return []


@pytest.fixture(scope="module")
def release(made, told):
    run = open_run(made.directory)
    return build_release(
        run, made.rows, made.root, OPTIONS, facts=FACTS, progress=lambda *now: told.append(now)
    )


def test_the_card_tells_where_it_comes_from(made, release):
    card = release.card
    assert (card.name, card.version, card.architecture) == ("made", "1.2.3", "simple_cnn")
    assert card.training_manifest_sha256 == manifest_sha256(made.rows)
    assert card.recipe["seed"] == 3
    assert card.prepare.size == 32
    assert card.code_revision == open_run(made.directory).code_revision
    assert [(entry["name"], entry["films"]) for entry in card.training_data] == [("east", 16), ("west", 16)]


def test_the_card_tells_who_is_on_the_films_and_what_was_run(made, release):
    card = release.card
    assert [(each.source, each.split, each.learnt) for each in card.cohorts] == [
        (source, split, split != "test")
        for source in ("east", "west")
        for split in ("train", "validation", "test")
    ]
    assert sum(each.films for each in card.cohorts) == len(made.rows)
    assert [(flow.source, flow.files) for flow in card.source_flows] == [("east", 36), ("west", 36)]
    assert card.training_runs == open_run(made.directory).records
    (run,) = card.training_runs
    assert (run.network, run.films_seen, run.device) == ("simple_cnn", 64, "cpu")


def test_torch_and_the_runtime_agree(release):
    assert release.parity.films >= 20
    assert release.parity.logit <= 1e-4
    assert release.parity.cam <= 1e-4


def test_every_figure_of_the_card_is_what_evaluate_gives(made, release, tmp_path):
    write_bundle(tmp_path, release.onnx, release.card, "# made\n")
    bundle = open_bundle(tmp_path)
    told = {evaluation.split: evaluation for evaluation in release.card.evaluations}
    assert set(told) == {
        f"{source}:{split}" for source in ("all sources", "east", "west") for split in ("validation", "test")
    }
    for split in ("validation", "test"):
        report = evaluate_bundle(bundle, manifest_films(made.rows, made.root, split))
        for group in report.groups:
            card = told[f"{group.group}:{split}"]
            assert (card.films, card.positives) == (group.films, group.positives)
            for name, estimate in group.metrics.items():
                assert card.metrics[name].value == pytest.approx(estimate.value, abs=1e-12)
                assert card.metrics[name].low == pytest.approx(estimate.low, abs=1e-12)
            for name, point in group.operating_points.items():
                assert card.metrics[f"sensitivity@{name}"] == point.metrics["sensitivity"]


def test_thresholds_come_from_validation_alone(made, release):
    rows = [
        replace(row, label="NORMAL" if row.label == "PNEUMONIA" else "PNEUMONIA")
        if row.split == "test"
        else row
        for row in made.rows
    ]
    run = replace(open_run(made.directory), manifest_sha256=manifest_sha256(rows))
    upside_down = build_release(run, rows, made.root, OPTIONS, facts={})
    assert upside_down.card.operating_points == release.card.operating_points
    assert upside_down.card.temperature == release.card.temperature
    assert upside_down.card.curve == release.card.curve
    assert upside_down.card.heatmap_limit == release.card.heatmap_limit
    assert upside_down.card.evaluations != release.card.evaluations
    for point in release.card.operating_points.values():
        assert point.split == "validation"


def test_the_curve_and_the_operating_points_speak_of_the_same_films(release):
    card = release.card
    assert card.curve.split == "validation"
    for point in card.operating_points.values():
        above = next(at for at, threshold in enumerate(card.curve.thresholds) if threshold >= point.threshold)
        assert card.curve.sensitivity[above].value <= point.sensitivity.value
        assert card.curve.specificity[above].value >= point.specificity.value


def test_commands_on_the_card_name_no_folder_of_this_machine(made, release):
    commands = [evaluation.command for evaluation in release.card.evaluations]
    assert commands[1] == (
        "pneumoscope evaluate made --manifest manifest.parquet --root ROOT --split validation --source east"
    )
    assert not any(str(made.root.parent) in text for text in (*commands, release.card.model_dump_json()))


def test_other_contrasts_are_part_of_the_command(made):
    run = open_run(made.directory)
    data = run.data.model_copy(update={"targets": {"PNEUMONIA": 1, "NORMAL": 0, "OTHER": 0}})
    options = replace(OPTIONS, evaluate=())
    release = build_release(replace(run, data=data), made.rows, made.root, options, facts={})
    assert "--negative NORMAL --negative OTHER --positive PNEUMONIA" in release.card.evaluations[0].command


def test_calibrating_on_the_test_split_is_refused(made):
    options = replace(OPTIONS, calibrate_on="test")
    with pytest.raises(UsageError, match="worthless"):
        build_release(open_run(made.directory), made.rows, made.root, options, facts={})


@pytest.mark.parametrize("changed", [{"version": ""}, {"name": "a b"}, {"name": "../up"}])
def test_a_name_that_is_none_is_refused(made, changed):
    with pytest.raises(UsageError, match="is no name or version"):
        build_release(open_run(made.directory), made.rows, made.root, replace(OPTIONS, **changed), facts={})


def test_a_split_that_is_not_there_is_refused_before_a_film_is_scored(made):
    told = []
    options = replace(OPTIONS, evaluate=(("east", "tset"),))
    with pytest.raises(UsageError, match="'tset' of east holds no film"):
        build_release(
            open_run(made.directory),
            made.rows,
            made.root,
            options,
            facts={},
            progress=lambda *now: told.append(now),
        )
    assert told == []


def test_thresholds_can_come_from_some_sources_only(made):
    options = replace(OPTIONS, calibrate_sources=("west",), evaluate=())
    release = build_release(open_run(made.directory), made.rows, made.root, options, facts={})
    (evaluation,) = release.card.evaluations
    assert (evaluation.split, evaluation.films) == ("west:validation", 10)
    for point in release.card.operating_points.values():
        assert point.split == "validation of west"
    assert len(release.card.training_data) == 2


def test_another_manifest_is_refused_unless_insisted_on(made):
    rows = [row for row in made.rows if row.source == "east"]
    run = open_run(made.directory)
    options = replace(OPTIONS, evaluate=())
    with pytest.raises(UsageError, match="not the manifest that made was trained on"):
        build_release(run, rows, made.root, options, facts={})
    insisted = build_release(run, rows, made.root, replace(options, other_manifest=True), facts={})
    assert any("another manifest" in sentence for sentence in insisted.card.limitations)


def test_a_run_that_was_cut_short_is_refused_unless_insisted_on(made, release):
    run = replace(open_run(made.directory), finished=False)
    options = replace(OPTIONS, evaluate=())
    with pytest.raises(UsageError, match="--resume"):
        build_release(run, made.rows, made.root, options, facts={})
    insisted = build_release(run, made.rows, made.root, replace(options, unfinished=True), facts={})
    assert any("cut short" in sentence for sentence in insisted.card.limitations)
    assert not any("cut short" in sentence for sentence in release.card.limitations)


def test_every_manifest_stands_in_the_command(made):
    options = replace(OPTIONS, evaluate=(), manifest_names=("manifest.parquet", "manifest.parquet"))
    release = build_release(open_run(made.directory), made.rows, made.root, options, facts={})
    assert " --manifest MANIFEST1 --root ROOT1 --manifest MANIFEST2 --root ROOT2 --split" in (
        release.card.evaluations[0].command
    )


def test_validation_films_of_one_label_cannot_calibrate(made):
    rows = [row for row in made.rows if row.split != "validation" or row.label == "NORMAL"]
    options = replace(OPTIONS, evaluate=(), other_manifest=True)
    with pytest.raises(DataError, match="all films have one label"):
        build_release(open_run(made.directory), rows, made.root, options, facts={})


def test_progress_names_what_is_scored(release, told):
    assert told[-1] == ("scoring all:test", 20, 20)
    assert {what for what, _, _ in told} == {"scoring validation", "scoring east:test", "scoring all:test"}


def _scores(cams, targets):
    nothing = np.zeros(len(cams))
    names = np.array([""] * len(cams))
    return Scores(("",) * len(cams), np.array(targets, bool), names, names, nothing, nothing, tuple(cams), ())


def _spline(cam):
    """What a cubic spline with these control points is at them."""
    kernel = np.array([1, 4, 1]) / 6
    return convolve1d(convolve1d(cam, kernel, axis=0, mode="nearest"), kernel, axis=1, mode="nearest")


def test_the_colour_scale_follows_films_with_pneumonia_only():
    generator = np.random.default_rng(0)
    cams = generator.normal(size=(40, 8, 8)).astype(np.float32)
    shown = np.stack([_spline(cam) for cam in cams[:20]])
    warm = shown[shown > 0]
    hot_normals = [*cams[:20], *(cams[20:] + 100)]
    limit = heatmap_limit(_scores(hot_normals, [1] * 20 + [0] * 20))
    assert limit == pytest.approx(np.sort(warm)[int(0.99 * warm.size)], rel=0.05)


def test_maps_without_evidence_have_no_colour_scale():
    with pytest.raises(DataError, match="no film with pneumonia has positive evidence"):
        heatmap_limit(_scores([-np.ones((2, 2), np.float32)] * 2, [1, 0]))

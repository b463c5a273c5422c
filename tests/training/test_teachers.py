import json
import shutil

import pytest
import torch

from pneumoscope.errors import DataError, UsageError
from pneumoscope.models import build_model, save_weights
from pneumoscope.training import checkpoint
from pneumoscope.training.folds import Fold
from pneumoscope.training.kept_network import kept_network
from pneumoscope.training.losses import taught_map_loss
from pneumoscope.training.start import open_start
from pneumoscope.training.teachers import Teachers, open_teachers
from tiny_training import make_recipe

SHORT = [{"epochs": 1, "size": 32}]
LONG = [{"epochs": 12, "size": 32}]
MAPPED = {"map_weight": 0.1}


@pytest.fixture(scope="module")
def taught(ground, tmp_path_factory):
    """Directories of two teachers: one that learnt for long, one that hardly did."""
    folder = tmp_path_factory.mktemp("teachers")
    ground.train(make_recipe(name="able", stages=LONG, ema_decay=None, loss=MAPPED), folder / "able")
    ground.train(make_recipe(name="other", seed=5, stages=SHORT, loss=MAPPED), folder / "other")
    return folder


def test_teachers_judge_by_the_mean_of_their_logits_and_of_their_maps():
    torch.manual_seed(0)
    networks = [build_model("simple_cnn").eval(), build_model("deep_cnn").eval()]  # maps of two grids
    films = torch.rand(3, 1, 64, 64)
    judged = Teachers(networks).judge(films)
    logits, maps = zip(*(network.forward_with_map(films) for network in networks), strict=True)
    torch.testing.assert_close(judged.finding, torch.stack(logits).mean(0).sigmoid())
    finest = max(cam.shape[1] for cam in maps)
    assert judged.warm.shape == (3, finest, finest)
    alone = Teachers(networks[:1]).judge(films)
    torch.testing.assert_close(alone.warm, maps[0].sigmoid())
    assert not judged.finding.requires_grad


def test_a_student_learns_from_its_teacher_even_what_the_labels_deny(ground, taught, tmp_path):
    denying = tmp_path / "denying"
    shutil.copytree(taught / "able", denying)
    _, network = kept_network(taught / "able")
    with torch.no_grad():
        network.head.weight.neg_()
        network.head.bias.neg_()
    save_weights(network, denying / checkpoint.WEIGHTS)
    student = make_recipe(stages=LONG, ema_decay=None, loss={"teacher_share": 1.0, "map_weight": 0.1})
    summary = ground.train(student, tmp_path / "student", teachers=[denying])
    assert [told["recipe"] for told in summary["taught_by"]] == ["able"]
    assert summary["taught_by"][0]["weights_sha256"] == open_start(denying).weights_sha256
    assert _last_auc(taught / "able") > 0.7
    assert _last_auc(tmp_path / "student") < 0.3


def test_teachers_that_left_folds_out_judge_those_alone():
    torch.manual_seed(0)
    networks = [build_model("simple_cnn").eval() for _ in range(3)]
    films, folds = torch.rand(4, 1, 64, 64), torch.tensor([1, 0, 1, 1])
    logits = [network(films) for network in networks]
    apart = Teachers(networks[:2], [Fold(of=2, number=0), Fold(of=2, number=1)]).judge(films, folds)
    expected = torch.stack([logits[1][0], logits[0][1], logits[1][2], logits[1][3]])
    torch.testing.assert_close(apart.finding, expected.sigmoid())
    with_one_of_all = Teachers(networks, [Fold(of=2, number=0), Fold(of=2, number=1), None])
    torch.testing.assert_close(
        with_one_of_all.judge(films, folds).finding, ((expected + logits[2]) / 2).sigmoid()
    )
    _, own = networks[1].forward_with_map(films[2:])
    torch.testing.assert_close(apart.warm[2:], own.sigmoid())


def test_a_student_hears_of_each_film_only_those_who_did_not_train_on_it(ground, tmp_path):
    for number in range(2):
        recipe = make_recipe(
            name=f"fold-{number}",
            stages=SHORT,
            loss=MAPPED,
            data={"left_out_fold": {"of": 2, "number": number}},
        )
        ground.train(recipe, tmp_path / f"fold-{number}")
    teachers = [tmp_path / "fold-0", tmp_path / "fold-1"]
    student = make_recipe(stages=SHORT, loss={"teacher_share": 1.0, "map_weight": 0.1})
    heard = ground.train(student, tmp_path / "student", teachers=teachers)
    assert [told["recipe"] for told in heard["taught_by"]] == ["fold-0", "fold-1"]
    # The mean of both would be the same whichever of them left a fold out.
    for fold in (0, 1):
        exchanged = tmp_path / f"exchanged-{fold}"
        shutil.copytree(tmp_path / f"fold-{fold}", exchanged)
        save_weights(kept_network(tmp_path / f"fold-{1 - fold}")[1], exchanged / checkpoint.WEIGHTS)
    ground.train(student, tmp_path / "other", teachers=[tmp_path / "exchanged-0", tmp_path / "exchanged-1"])
    assert open_start(tmp_path / "other").weights_sha256 != open_start(tmp_path / "student").weights_sha256


@pytest.mark.parametrize(
    ("folds", "change", "message"),
    [
        ([(2, 0)], {}, r"left out the folds 0 of 2: each fold"),
        ([(2, 0), (2, 1), (3, 2)], {}, r"0 of 2, 1 of 2, 2 of 3: each fold of one deal"),
        ([(2, 0), (2, 1)], {"mixup_alpha": 0.2}, r"mixup_alpha mixes films of two patients"),
    ],
)
def test_folds_without_a_judge_are_refused(taught, tmp_path, folds, change, message):
    directories = []
    for of, number in folds:
        directories.append(tmp_path / f"{number}-of-{of}")
        shutil.copytree(taught / "able", directories[-1])
        recipe = json.loads((directories[-1] / checkpoint.RECIPE).read_text())
        recipe["data"]["left_out_fold"] = {"of": of, "number": number}
        (directories[-1] / checkpoint.RECIPE).write_text(json.dumps(recipe))
    with pytest.raises(UsageError, match=message):
        open_teachers(directories, make_recipe(loss={"teacher_share": 0.5, **change}))


def _last_auc(run):
    record = json.loads((run / checkpoint.LOG).read_text().splitlines()[-1])
    return record["validation"]["auc"]


def test_a_taught_run_goes_on_with_the_same_teachers_alone(ground, taught, tmp_path):
    student = make_recipe(stages=SHORT, loss={"teacher_share": 0.5, "map_weight": 0.5})
    summary = ground.train(student, tmp_path / "run", teachers=[taught / "able", taught / "other"])
    again = ground.train(student, tmp_path / "run", teachers=[taught / "able", taught / "other"], resume=True)
    assert again == summary
    with pytest.raises(UsageError, match="was taught by other runs"):
        ground.train(student, tmp_path / "run", teachers=[taught / "other"], resume=True)


def test_a_share_wants_teachers_and_teachers_want_a_share(taught):
    with pytest.raises(UsageError, match=r"teacher_share is 0\.5, and 0 --teacher"):
        open_teachers([], make_recipe(loss={"teacher_share": 0.5}))
    with pytest.raises(UsageError, match=r"teacher_share is 0\.0, and 1 --teacher"):
        open_teachers([taught / "able"], make_recipe())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prepare": {"intensity": "percentile"}}, r"prepare\.intensity is as-stored, not percentile"),
        ({"prepare": {"resample": "lanczos"}}, r"prepare\.resample is bilinear, not lanczos"),
        ({"data": {"targets": {"OTHER": 1, "NORMAL": 0}}}, r"data\.targets"),
    ],
)
def test_a_teacher_of_something_else_is_refused(taught, change, message):
    with pytest.raises(UsageError, match=message):
        open_teachers([taught / "able"], make_recipe(loss={"teacher_share": 0.5}, **change))


def test_a_map_that_was_never_trained_teaches_none(ground, tmp_path):
    ground.train(make_recipe(stages=SHORT), tmp_path / "bare")
    with pytest.raises(UsageError, match=r"map: its own was never trained"):
        open_teachers([tmp_path / "bare"], make_recipe(loss={"teacher_share": 0.5, "map_weight": 0.1}))
    assert open_teachers([tmp_path / "bare"], make_recipe(loss={"teacher_share": 0.5})) is not None


def test_what_is_no_run_is_no_teacher(tmp_path):
    with pytest.raises(DataError, match=checkpoint.RECIPE):
        open_teachers([tmp_path], make_recipe(loss={"teacher_share": 0.5}))


def test_the_taught_map_is_compared_on_the_students_grid():
    cam = torch.tensor([[[0.0, 4.0], [-4.0, 0.0]]])
    warm = torch.zeros(1, 4, 4)
    warm[:, :2, 2:] = 1.0
    right, wrong = taught_map_loss(cam, warm), taught_map_loss(-cam, warm)
    assert right.shape == (1,)
    assert float(right) < float(wrong)

import pytest

from pneumoscope.report.model_card_facts import (
    failures_section,
    films_section,
    runs_section,
    unseen_sources,
)
from pneumoscope.runtime.card import Estimate, Evaluation
from pneumoscope.runtime.provenance import AgeSpread, Cohort, SourceFlow, TrainingRun
from tiny_bundle import tiny_card
from tiny_training import make_recipe


def _evaluation(split, **metrics):
    estimates = {name: Estimate(value=v, low=v - 0.01, high=v + 0.01) for name, v in metrics.items()}
    return Evaluation(split=split, films=1500, positives=500, metrics=estimates, command="pneumoscope it")


def _measured(split, auc, sensitivity, specificity):
    rates = {"sensitivity@balanced": sensitivity, "specificity@balanced": specificity}
    return _evaluation(split, auc=auc, **rates)


def _cohort(source="kermany", split="train", *, learnt=True, ages=None):
    return Cohort(
        source=source,
        split=split,
        films=1200,
        known_patients=900,
        films_of_unknown_patients=100,
        labels={"NORMAL": 700, "PNEUMONIA": 500},
        populations={"adult": 1200},
        views={"AP": 200, "unknown": 1000},
        ages=ages,
        learnt=learnt,
    )


AGES = AgeSpread(films=800, youngest=1, lower_quartile=30.5, median=47, upper_quartile=60, oldest=90)


def test_films_that_are_missed_and_overcalled_are_counted():
    text = failures_section([_measured("a:test", 0.9, 0.91, 0.8), _measured("b:validation", 0.5, 1.0, 0.999)])
    assert "| a:test | 45 of 500 | 200 of 1,000 |" in text
    assert "| b:validation | 0 of 500 | 1 of 1,000 |" in text


def test_the_weakest_of_the_tests_is_named():
    evaluations = [
        _measured("a:test", 0.9, 0.9, 0.9),
        _measured("b:test", 0.7, 0.9, 0.9),
        _measured("c:validation", 0.5, 0.9, 0.9),
    ]
    assert "Weakest of what was tested: b:test, AUC 0.700 (0.690 to 0.710)." in failures_section(evaluations)
    assert "Weakest" not in failures_section(evaluations[2:])


def test_films_of_one_label_have_one_kind_of_failure():
    text = failures_section([_evaluation("a:test", **{"sensitivity@balanced": 0.9})])
    assert "| a:test | 50 of 500 | - |" in text
    assert failures_section([_evaluation("a:test", auc=0.9)]) == ""
    assert failures_section([]) == ""


def test_who_is_on_the_films_is_told():
    card = tiny_card(cohorts=(_cohort(ages=AGES), _cohort("nih", "test", learnt=False)))
    text = films_section(card)
    assert (
        "| kermany | train | learnt from | 1,200 | 900 | 100 | 700 NORMAL, 500 PNEUMONIA | 1,200 adult | "
        "200 AP, 1,000 unknown | median 47, half 30.5 to 60, all 1 to 90, known of 800 |" in text
    )
    assert "| nih | test | measured only | 1,200 |" in text
    assert text.count("| unknown |") == 1


def test_every_file_is_accounted_for():
    flows = (
        SourceFlow(
            source="kermany", title="Kermany", url="https://a.b", files=10, fates={"copy": 4, "train": 6}
        ),
        SourceFlow(source="mine", files=1000, fates={"train": 990, "test": 10}),
    )
    text = films_section(tiny_card(cohorts=(_cohort(),), source_flows=flows))
    assert "| source | data set | files | copy | train | test |" in text
    assert "| kermany | Kermany https://a.b | 10 | 4 | 6 | 0 |" in text
    assert "| mine | - | 1,000 | 0 | 990 | 10 |" in text


@pytest.mark.parametrize("section", [films_section, runs_section])
def test_an_older_card_without_these_facts_has_no_section(section):
    assert section(tiny_card()) == ""


def test_a_run_is_told_with_its_recipe():
    recipe = make_recipe(model={"name": "simple_cnn", "pretrained": False}).model_dump(mode="json")
    run = TrainingRun(
        recipe="made",
        network="simple_cnn",
        parameters=93025,
        films_seen=64,
        hardware="a CPU",
        precision="fp32",
        processes=2,
        selected_epoch=0,
        selected_metric=0.75,
    )
    text = runs_section(tiny_card(recipe=recipe, training_runs=(run,)))
    assert "| made | `simple_cnn` | 93,025 | 64 | - | - | a CPU, fp32, 2 processes | - | 0 | 0.750 |" in text
    assert "| made | no | adamw | 0.003 |" in text
    assert "rotate_degrees 5.0, flip_probability 0.5, noise 0.02 |" in text


def test_members_of_an_ensemble_are_told_one_by_one():
    recipes = [make_recipe(name=name).model_dump(mode="json") for name in ("one", "two")]
    runs = tuple(TrainingRun(recipe=name, network="simple_cnn") for name in ("one", "two"))
    text = runs_section(tiny_card(recipe={"ensemble": recipes}, training_runs=runs))
    for name in ("one", "two"):
        assert f"| {name} | `simple_cnn` | - |" in text
        assert f"| {name} | no | adamw |" in text


def test_an_average_of_weights_is_told_with_its_start():
    recipes = [make_recipe(name=name).model_dump(mode="json") for name in ("one", "two")]
    runs = tuple(
        TrainingRun(
            recipe=name,
            network="simple_cnn",
            films_seen=64,
            seconds=30,
            started_from="trunk",
            films_seen_before=1000,
            seconds_before=700,
        )
        for name in ("one", "two")
    )
    text = runs_section(tiny_card(recipe={"average": recipes}, training_runs=runs))
    assert "The weights are the mean of those of 2 runs." in text
    for name in ("one", "two"):
        assert f"| {name}, from trunk | `simple_cnn` | - | 64, after 1,000 | - | 30, after 700 |" in text
        assert f"| {name} | no | adamw |" in text


def test_teachers_are_told_with_what_they_cost():
    run = TrainingRun(
        recipe="student",
        network="simple_cnn",
        films_seen=64,
        seconds=30,
        taught_by=("large", "larger"),
        films_seen_by_teachers=900,
        seconds_of_teachers=50,
    )
    text = runs_section(
        tiny_card(recipe=make_recipe(name="student").model_dump(mode="json"), training_runs=(run,))
    )
    assert (
        "| student, taught by large and larger | `simple_cnn` | - | 64, teachers 900 | - | 30, teachers 50 |"
        in text
    )


def test_sources_that_were_only_measured_are_external():
    evaluations = tuple(
        _evaluation(split, auc=0.9)
        for split in ("all sources:test", "kermany:test", "nih:test", "nih:validation")
    )
    assert unseen_sources(tiny_card(evaluations=evaluations, cohorts=(_cohort(),))) == ["nih"]
    named = ({"name": "nih"}, {"name": "kermany"})
    assert unseen_sources(tiny_card(evaluations=evaluations, training_data=named)) == []

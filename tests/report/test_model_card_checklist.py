import re

from pneumoscope.report.model_card import render_model_card
from pneumoscope.report.model_card_checklist import checklist_section
from pneumoscope.runtime.provenance import Cohort, TrainingRun
from tiny_bundle import tiny_card

COHORT = Cohort(
    source="none",
    split="train",
    films=1,
    known_patients=1,
    films_of_unknown_patients=0,
    labels={"NORMAL": 1},
    populations={"adult": 1},
    views={"PA": 1},
    learnt=True,
)
RUN = TrainingRun(recipe="made", network="simple_cnn")


def _answers(card):
    lines = [line for line in checklist_section(card).splitlines() if re.match(r"\| \d+ \|", line)]
    return {int(number): answer for number, _, answer in (line.strip("| ").split(" | ") for line in lines)}


def test_all_items_are_answered_in_order():
    answers = _answers(tiny_card())
    assert list(answers) == list(range(1, 45))
    assert all(answers.values())


def test_sections_that_an_answer_names_are_on_the_card():
    for card in (tiny_card(), tiny_card(cohorts=(COHORT,), training_runs=(RUN,)), tiny_card(evaluations=())):
        page = render_model_card(card)
        titles = set(re.findall(r"^## (.+)$", page, flags=re.MULTILINE))
        for number, answer in _answers(card).items():
            for title in (
                "Films",
                "Training data",
                "Measured",
                "Failures",
                "Limitations",
                "Operating points",
            ):
                if re.match(rf"{title}\b(?! data)", answer):
                    assert title in titles, f"item {number} names {title}"


def test_answers_follow_the_card():
    plain = _answers(tiny_card())
    full = _answers(tiny_card(cohorts=(COHORT,), training_runs=(RUN,), recipe={"ensemble": [{}, {}, {}]}))
    assert (plain[27], full[27]) == ("none", "mean of the logits of 3 networks")
    average = _answers(tiny_card(recipe={"average": [{}, {}]}))
    assert average[27] == "one network, whose weights are the mean of those of 2 runs"
    assert plain[36].startswith("Training data")
    assert full[36].startswith("Films")
    assert (plain[25], full[25]) == ("`card.json`", "Training")
    assert _answers(tiny_card(evaluations=()))[37] == "Operating points"

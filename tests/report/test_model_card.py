import pytest

from pneumoscope.report.model_card import render_model_card
from pneumoscope.runtime.card import Estimate, Evaluation, LowerPrecision
from tiny_bundle import tiny_card


def _evaluation(**metrics):
    estimates = {name: Estimate(value=v, low=v - 0.01, high=v + 0.01) for name, v in metrics.items()}
    return Evaluation(
        split="kermany:test",
        films=624,
        patients=400,
        positives=390,
        metrics=estimates,
        command="pneumoscope it",
    )


def _rows(text, first):
    return [line for line in text.splitlines() if line.startswith(f"| {first} |")]


def test_every_fact_of_the_card_is_told():
    card = tiny_card()
    text = render_model_card(card)
    facts = (
        card.name,
        card.version,
        card.architecture,
        card.prepare_sha256,
        card.training_manifest_sha256,
        card.code_revision,
        card.intended_use,
        card.intended_population,
        card.created,
        *card.limitations,
        *(evaluation.command for evaluation in card.evaluations),
        *(str(entry["citation"]) for entry in card.training_data),
    )
    for fact in facts:
        assert fact in text


def test_operating_points_stand_in_order_with_their_intervals():
    text = render_model_card(tiny_card())
    (screening,), (balanced,), (rule_in,) = (
        _rows(text, name) for name in ("screening", "balanced", "rule-in")
    )
    assert "0.3500" in screening
    assert "0.970 (0.940 to 0.990)" in screening
    assert text.index(screening) < text.index(balanced) < text.index(rule_in)


def test_metrics_that_are_undefined_are_a_dash():
    evaluation = _evaluation(**{"brier": 0.1, "sensitivity@balanced": 0.9})
    text = render_model_card(tiny_card(evaluations=(evaluation,)))
    scores, point, failures = _rows(text, "kermany:test")
    assert scores == "| kermany:test | 624 | 400 | 390 | - | - | 0.100 (0.090 to 0.110) | - |"
    assert point == "| kermany:test | balanced | 0.900 (0.890 to 0.910) | - | - | - |"
    assert failures == "| kermany:test | 39 of 390 | - |"


@pytest.mark.parametrize(
    ("splits", "told", "untold"),
    [
        (["kermany:test"], "Test films had no say", "too good"),
        (["all sources:validation"], "No test film was measured. Validation films chose", "had no say"),
        (["kermany:validation", "nih:test"], "Test films had no say in anything. Validation", "No test film"),
    ],
)
def test_it_says_which_films_had_a_say(splits, told, untold):
    measured = tuple(_evaluation(auc=0.9).model_copy(update={"split": split}) for split in splits)
    text = render_model_card(tiny_card(evaluations=measured))
    assert told in text
    assert untold not in text


def test_without_an_evaluation_nothing_is_claimed():
    assert "## Measured" not in render_model_card(tiny_card(evaluations=()))


@pytest.mark.parametrize("citation", ["A | B", "two\nlines"])
def test_no_text_breaks_a_table(citation):
    card = tiny_card(training_data=({"name": "x", "films": 1, "citation": citation, "licence": "MIT"},))
    (row,) = _rows(render_model_card(card), "x")
    assert row.replace("\\|", "").count("|") == 5


def test_equal_cards_give_equal_text():
    assert render_model_card(tiny_card()) == render_model_card(tiny_card())
    assert render_model_card(tiny_card()) != render_model_card(tiny_card(version="0.1.1"))


def test_it_is_plain_markdown():
    text = render_model_card(tiny_card())
    assert text.startswith("# tiny\n\n")
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    tables = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert min(tables) >= 3


def test_lower_precision_says_what_it_lost():
    loss = LowerPrecision(
        arithmetic="int8",
        made_from="tiny 0.1.0",
        made_from_sha256="f" * 64,
        calibrated_on="256 training films of east",
        split="validation of east",
        films=1309,
        auc={"east": 0.98765},
        auc_change={"east": -0.00042},
        largest_logit_change=0.2154,
        rms_logit_change=0.0321,
        findings_changed={"screening": 1, "balanced": 3, "rule-in": 2},
        margin=0.0126,
        largest_map_change=1.234,
        rms_map_change=0.0213,
        same_hottest_cell=0.974,
    )
    text = render_model_card(tiny_card(lower_precision=loss))
    assert "8-bit integers in most layers; ranges from 256 training films of east" in text
    assert loss.made_from_sha256 in text
    assert _rows(text, "AUC on east") == ["| AUC on east | 0.9877 | -0.00042 |"]
    assert _rows(text, "Logit") == ["| Logit | - | at most 0.215, rms 0.032 |"]
    assert _rows(text, "Findings at balanced") == ["| Findings at balanced | 1309 | 3 changed |"]
    assert "farther than 0.013 from a threshold" in text
    assert "Lower precision" not in render_model_card(tiny_card())

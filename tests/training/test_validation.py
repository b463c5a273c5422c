import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from pneumoscope.training.dataset import Films
from pneumoscope.training.recipe import SelectionChoice
from pneumoscope.training.validation import validate


def films(sources, targets):
    count = len(sources)
    return Films(
        tuple(map(str, range(count))),
        tuple(sources),
        np.asarray(targets, dtype=np.int64),
        ((64, 64),) * count,
        (None,) * count,
        ("",) * count,
    )


def test_aucs_and_loss_are_scikit_learns():
    generator = np.random.default_rng(0)
    sources = np.array(["a"] * 60 + ["b"] * 40)
    targets = (generator.random(100) > 0.4).astype(int)
    logits = (generator.normal(size=100) + targets + 2.0 * (sources == "b")).astype(np.float32)
    found = validate(logits, films(sources, targets))
    assert found.pooled == pytest.approx(roc_auc_score(targets, logits))
    for source in "ab":
        chosen = sources == source
        assert found.by_source[source] == pytest.approx(roc_auc_score(targets[chosen], logits[chosen]))
    assert found.loss == pytest.approx(log_loss(targets, 1 / (1 + np.exp(-logits.astype(float)))), rel=1e-5)
    assert found.metric(SelectionChoice()) == found.pooled
    mean = (found.by_source["a"] + found.by_source["b"]) / 2
    every = SelectionChoice(average="mean-over-sources", minimum_films=1)
    assert found.metric(every) == pytest.approx(mean)
    assert abs(mean - found.pooled) > 0.005


def test_a_source_of_one_target_has_no_auc_and_stays_out_of_the_mean():
    found = validate(np.array([0.0, 1.0, 2.0], dtype=np.float32), films(["a", "a", "b"], [0, 1, 1]))
    assert found.by_source == {"a": 1.0, "b": None}
    assert found.metric(SelectionChoice(average="mean-over-sources", minimum_films=1)) == 1.0


def test_a_source_of_few_films_stays_out_of_the_mean():
    generator = np.random.default_rng(1)
    targets = np.array([0, 1] * 20 + [0, 1, 1])
    logits = generator.normal(size=43).astype(np.float32)
    logits[-3:] = [5.0, 0.0, 0.0]  # all wrong
    found = validate(logits, films(["a"] * 40 + ["b"] * 3, targets))
    assert found.by_source["b"] == 0.0
    assert found.rarer == {"a": 20, "b": 1}
    few = SelectionChoice(average="mean-over-sources", minimum_films=2)
    assert found.metric(few) == found.by_source["a"]
    all_in = SelectionChoice(average="mean-over-sources", minimum_films=1)
    assert found.metric(all_in) == pytest.approx(found.by_source["a"] / 2)


def test_one_target_in_all_gives_no_metric():
    found = validate(np.array([0.0, 1.0], dtype=np.float32), films(["a", "b"], [1, 1]))
    assert found.metric(SelectionChoice()) is None
    assert found.metric(SelectionChoice(average="mean-over-sources")) is None

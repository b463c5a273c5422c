"""What a lower precision loses is counted as one would by hand."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pneumoscope.errors import DataError
from pneumoscope.evaluation.precision import measure_loss
from pneumoscope.evaluation.scoring import Scores
from tiny_bundle import tiny_card

STATED = {"arithmetic": "int8", "made_from": "tiny 0.1.0", "made_from_sha256": "0" * 64}


def _scores(seed=4, count=60):
    generator = np.random.default_rng(seed)
    targets = np.arange(count) % 2 == 0
    logits = generator.normal(size=count) + targets
    sources = np.where(np.arange(count) < count // 2, "east", "west")
    targets[sources == "west"] = True  # one label: no AUC there
    return Scores(
        paths=tuple(f"{number}.png" for number in range(count)),
        targets=targets,
        patients=np.arange(count).astype(str),
        sources=sources,
        logits=logits,
        probabilities=1 / (1 + np.exp(-logits)),
        cams=tuple(generator.normal(size=(count, 4, 4)).astype(np.float32)),
        failures=(),
    )


def _lower(exact, by):
    logits = exact.logits + by
    cams = tuple(cam + np.float32(0.1) * (np.arange(16).reshape(4, 4) == 3) for cam in exact.cams)
    return replace(exact, logits=logits, probabilities=1 / (1 + np.exp(-logits)), cams=cams)


def test_equal_scores_lose_nothing():
    exact = _scores()
    loss = measure_loss(exact, exact, tiny_card(), split="validation", stated=STATED)
    assert loss.auc_change == {"east": 0.0}
    assert loss.largest_logit_change == loss.rms_logit_change == loss.largest_map_change == 0.0
    assert set(loss.findings_changed.values()) == {0}
    assert loss.margin == 0.0
    assert loss.same_hottest_cell == 1.0


def test_every_loss_is_counted():
    exact, card = _scores(), tiny_card()
    by = np.random.default_rng(5).normal(size=60) * 0.4
    lower = _lower(exact, by)
    loss = measure_loss(exact, lower, card, split="validation", stated=STATED)
    east = exact.sources == "east"
    before = roc_auc_score(exact.targets[east], exact.logits[east])
    after = roc_auc_score(exact.targets[east], lower.logits[east])
    assert loss.auc == {"east": pytest.approx(before)}
    assert loss.auc_change == {"east": pytest.approx(after - before)}
    assert loss.largest_logit_change == pytest.approx(np.abs(by).max())
    assert loss.rms_logit_change == pytest.approx(np.sqrt(np.mean(by**2)))
    distances = [0.0]
    for name, point in card.operating_points.items():
        changed = [
            abs(one - point.threshold)
            for one, other in zip(exact.probabilities, lower.probabilities, strict=True)
            if (one >= point.threshold) != (other >= point.threshold)
        ]
        assert loss.findings_changed[name] == len(changed)
        distances += changed
    assert max(distances) > 0
    assert loss.margin == pytest.approx(max(distances))
    assert loss.largest_map_change == pytest.approx(0.1, abs=1e-6)
    sizes = np.stack(exact.cams).astype(float)
    assert loss.rms_map_change == pytest.approx(np.sqrt(0.01 * 60 / np.sum(sizes**2)), rel=1e-4)
    moved = sum(one.argmax() != other.argmax() for one, other in zip(exact.cams, lower.cams, strict=True))
    assert loss.same_hottest_cell == pytest.approx(1 - moved / 60)


def test_scores_of_other_films_or_maps_are_refused():
    exact = _scores()
    fewer = replace(exact, paths=exact.paths[:-1])
    with pytest.raises(DataError, match="not score the same films"):
        measure_loss(exact, fewer, tiny_card(), split="validation", stated=STATED)
    finer = replace(exact, cams=tuple(np.zeros((8, 8), np.float32) for _ in exact.cams))
    with pytest.raises(DataError, match="differ in shape"):
        measure_loss(exact, finer, tiny_card(), split="validation", stated=STATED)

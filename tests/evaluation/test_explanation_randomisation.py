import numpy as np
import pytest

from pneumoscope.evaluation.explanation_randomisation import RandomisedMaps, judge_randomisation
from pneumoscope.evaluation.explanation_similarity import partners, rank_correlation

FILMS = 30


@pytest.fixture
def patients():
    return [f"p{number // 2}" for number in range(FILMS)]


@pytest.fixture
def trained():
    """Maps that share a chest and differ in the rest."""
    generator = np.random.default_rng(0)
    chest = generator.normal(size=(7, 7))
    return (chest + 1.2 * generator.normal(size=(FILMS, 7, 7))).astype(np.float32)


def _noise(seed):
    return np.random.default_rng(seed).normal(size=(FILMS, 7, 7)).astype(np.float32)


def _cascade(trained, last, seed=0):
    half = (0.5 * trained + 0.5 * _noise(seed)).astype(np.float32)
    return [RandomisedMaps("head", 0.1, half), RandomisedMaps("all", 1.0, last)]


def test_maps_that_forget_pass(trained, patients):
    outcome = judge_randomisation(trained, [(4, _cascade(trained, _noise(1)))], patients)
    assert outcome.failed == []
    (seed,) = outcome.seeds
    assert (seed.seed, seed.passed) == (4, True)
    assert [(stage.stage, stage.share) for stage in seed.stages] == [("head", 0.1), ("all", 1.0)]
    alike = [stage.similarity["rank_correlation"].value for stage in seed.stages]
    assert alike[0] > 0.5 > 0.1 > abs(alike[1])
    assert abs(seed.own_film.value) < 0.1


def test_maps_that_stay_fail(trained, patients):
    """An edge detector: the same map whatever the weights; and one that still tells the film."""
    still_there = (0.5 * trained + 0.5 * _noise(2)).astype(np.float32)
    cascades = [
        (0, _cascade(trained, trained)),
        (1, _cascade(trained, _noise(1))),
        (2, _cascade(trained, still_there)),
    ]
    outcome = judge_randomisation(trained, cascades, patients)
    assert outcome.failed == [0, 2]
    assert outcome.seeds[0].own_film.low > 0.3


def test_the_yardstick_is_the_likeness_of_other_patients(trained, patients):
    outcome = judge_randomisation(trained, [(0, _cascade(trained, _noise(1)))], patients)
    chosen = partners(patients)
    pairs = [
        rank_correlation(trained[[film]], trained[[other]])[0]
        for film, others in enumerate(chosen)
        for other in others
    ]
    assert outcome.other_patients["rank_correlation"].value == pytest.approx(np.mean(pairs))
    own = rank_correlation(trained, _noise(1)).mean()
    assert outcome.seeds[0].margin["rank_correlation"].value == pytest.approx(np.mean(pairs) - own)


def test_the_whole_interval_must_lie_below(patients):
    """Where maps of different patients have nothing in common, forgetting cannot be shown."""
    trained = _noise(5)
    outcome = judge_randomisation(trained, [(0, _cascade(trained, _noise(6)))], patients)
    assert abs(outcome.other_patients["rank_correlation"].value) < 0.05
    assert outcome.failed == [0]


def test_both_measures_must_agree(trained, patients):
    """Cells in reverse order, but all of them hot: no rank in common, and nothing else either."""
    turned = -trained
    outcome = judge_randomisation(trained, [(0, _cascade(trained, turned))], patients)
    assert outcome.seeds[0].passed == all(each.low > 0 for each in outcome.seeds[0].margin.values())
    constant = np.where(trained > 0, 1.0, -1.0).astype(np.float32)
    outcome = judge_randomisation(trained, [(0, _cascade(trained, constant))], patients)
    assert outcome.failed == [0]


def test_a_cascade_must_end_without_learnt_weights(trained, patients):
    with pytest.raises(ValueError, match="ends with 10% of the weights random"):
        judge_randomisation(trained, [(0, _cascade(trained, trained)[:1])], patients)
    with pytest.raises(ValueError, match="ends with 0%"):
        judge_randomisation(trained, [(0, [])], patients)


def test_one_patient_is_not_enough(trained):
    with pytest.raises(ValueError, match="all films are of one"):
        judge_randomisation(trained, [], ["a"] * FILMS)


def test_that_both_maps_are_negative_all_over_decides_nothing(trained, patients):
    cold = trained - np.float32(6.0)
    showing_the_film = 0.5 * trained + 0.5 * _noise(2) - 6.0
    cascades = [
        (0, _cascade(cold, _noise(1) - np.float32(6.0))),
        (1, _cascade(cold, showing_the_film.astype(np.float32))),
    ]
    outcome = judge_randomisation(cold, cascades, patients)
    assert outcome.failed == [1]

"""Axes are those of an eigendecomposition by other means; thresholds lose the share they were asked for."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from pneumoscope.data.guard_examples import Example
from pneumoscope.data.guard_fit import FitOptions, described_examples, fit_guard, set_thresholds
from pneumoscope.errors import DataError
from tiny_guard import made_examples, tiny_guard

OPTIONS = FitOptions(directions=12, units=8, networks=1, epochs=3)


def test_axes_are_the_principal_components_of_chest_films() -> None:
    examples = made_examples(7, 40, 2)
    guard = fit_guard(examples, np.random.default_rng(0), OPTIONS)
    weight = guard.parameters.weight.values()
    chest = described_examples([example for example in examples if example.chest]) * weight
    expected = PCA(12, svd_solver="full").fit(chest)
    np.testing.assert_allclose(guard.parameters.mean.values(), expected.mean_, atol=1e-4)
    cosines = np.abs(guard.parameters.axes.values()[:, :5].T @ expected.components_[:5].T).diagonal()
    np.testing.assert_allclose(cosines, 1.0, atol=2e-2)


def test_equal_seeds_give_equal_guards() -> None:
    examples = made_examples(8, 20, 2)
    one, two = (fit_guard(examples, np.random.default_rng(5), OPTIONS) for _ in range(2))
    assert one.to_json() == two.to_json()


def test_thresholds_lose_the_share_that_was_asked_for() -> None:
    films = [example for example in made_examples(9, 100, 0) if example.chest and not example.altered]
    guard = set_thresholds(tiny_guard(), films, refused=0.05, warned=0.2)
    scores = tiny_guard().scores(np.stack([film.view for film in films]))
    assert np.mean(scores < guard.parameters.refuse_below) == pytest.approx(0.05, abs=0.01)
    assert np.mean(scores < guard.parameters.warn_below) == pytest.approx(0.2, abs=0.01)


def test_the_worst_source_sets_the_thresholds() -> None:
    films = [example for example in made_examples(9, 60, 0) if example.chest and not example.altered]
    others = [Example(film.view, True, "other", False) for film in made_examples(10, 60, 0) if film.altered]
    guard = tiny_guard()
    alone = [set_thresholds(guard, some, refused=0.05, warned=0.1).parameters for some in (films, others)]
    both = set_thresholds(guard, [*films, *others], refused=0.05, warned=0.1).parameters
    assert both.refuse_below == min(one.refuse_below for one in alone)


def test_no_films_no_thresholds() -> None:
    with pytest.raises(DataError, match="no chest film"):
        set_thresholds(tiny_guard(), [], refused=0.01, warned=0.02)

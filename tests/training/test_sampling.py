import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pneumoscope.errors import DataError
from pneumoscope.training.sampling import epoch_order, group_shares, groups_of, seed_of

SOURCES = ["a"] * 60 + ["b"] * 30 + ["c"] * 10
NO_VIEWS = [""] * 100
TARGETS = np.array([1] * 50 + [0] * 10 + [1] * 5 + [0] * 25 + [0] * 10)


def counts(order, key):
    values, found = np.unique(np.asarray(key)[order], return_counts=True)
    return dict(zip(values.tolist(), found.tolist(), strict=True))


def order_for(balance, weights=None, *, films=100, seed=0, epoch=0):
    groups = groups_of(SOURCES, TARGETS, NO_VIEWS, balance)
    return epoch_order(groups, group_shares(groups, balance, weights), films, seed=seed, epoch=epoch)


def test_without_balance_every_film_comes_once():
    order = order_for("none")
    assert sorted(order) == list(range(100))
    assert list(order) != list(range(100))


def test_order_is_a_function_of_seed_and_epoch():
    first = order_for("none", seed=1, epoch=2)
    assert np.array_equal(first, order_for("none", seed=1, epoch=2))
    assert not np.array_equal(first, order_for("none", seed=1, epoch=3))
    assert not np.array_equal(first, order_for("none", seed=2, epoch=2))


def test_label_balance_halves_the_epoch_and_draws_no_film_much_more_often_than_its_siblings():
    order = order_for("label", films=200)
    assert counts(order, TARGETS) == {0: 100, 1: 100}
    per_film = np.bincount(order, minlength=100)
    assert set(per_film[TARGETS == 1]) <= {1, 2}  # 100 draws of 55 films
    assert set(per_film[TARGETS == 0]) <= {2, 3}  # 100 draws of 45 films


def test_label_within_source_halves_each_source_that_holds_both():
    order = order_for("label-within-source")
    assert counts(order, SOURCES) == {"a": 60, "b": 30, "c": 10}
    pairs = counts(order, [f"{source}{target}" for source, target in zip(SOURCES, TARGETS, strict=True)])
    assert pairs == {"a0": 30, "a1": 30, "b0": 15, "b1": 15, "c0": 10}


def test_views_are_balanced_within_each_target_of_a_source():
    views = ["AP"] * 45 + ["PA"] * 5 + ["PA"] * 8 + ["AP"] * 2 + [""] * 30 + ["AP"] * 10
    balance = "label-and-view-within-source"
    groups = groups_of(SOURCES, TARGETS, views, balance)
    order = epoch_order(groups, group_shares(groups, balance, None), 400, seed=0, epoch=0)
    keys = [f"{key[0]}{key[1]}{key[2]}" for key in zip(SOURCES, TARGETS, views, strict=True)]
    assert counts(order, keys) == {
        "a1AP": 60, "a1PA": 60, "a0AP": 60, "a0PA": 60, "b1": 60, "b0": 60, "c0AP": 40
    }  # fmt: skip
    weighted = group_shares(groups, balance, {"a": 2, "b": 1, "c": 1})
    assert weighted["a", 1, "PA"] == weighted["a", 0, "AP"] == 0.125
    assert {view for _, _, view in groups_of(SOURCES, TARGETS, views, "label-within-source")} == {""}


def test_source_weights_fix_the_shares_of_sources():
    order = order_for("label-within-source", {"a": 1, "b": 2, "c": 1}, films=80)
    assert counts(order, SOURCES) == {"a": 20, "b": 40, "c": 20}
    order = order_for("none", {"a": 1, "b": 2, "c": 1}, films=80)
    assert counts(order, SOURCES) == {"a": 20, "b": 40, "c": 20}


@pytest.mark.parametrize("weights", [{"a": 1, "b": 1}, {"a": 1, "b": 1, "c": 1, "d": 1}])
def test_source_weights_must_name_the_sources(weights):
    with pytest.raises(DataError, match=r"'c'|'d'"):
        group_shares(groups_of(SOURCES, TARGETS, NO_VIEWS, "none"), "none", weights)


@given(
    films=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 1)), min_size=1, max_size=40),
    drawn=st.integers(1, 100),
    balance=st.sampled_from(["none", "label", "label-within-source"]),
)
def test_quotas_are_met_to_one_film(films, drawn, balance):
    sources = [source for source, _ in films]
    targets = np.array([target for _, target in films])
    groups = groups_of(sources, targets, [""] * len(films), balance)
    shares = group_shares(groups, balance, None)
    assert sum(shares.values()) == pytest.approx(1)
    order = epoch_order(groups, shares, drawn, seed=0, epoch=0)
    assert len(order) == drawn
    found = dict.fromkeys(shares, 0)
    for index in order:
        found[*films[index], ""] += 1
    assert all(abs(found[group] - share * drawn) < 1 for group, share in shares.items())


def test_seeds_differ_along_the_path():
    seeds = {seed_of(0, 1, epoch, step) for epoch in range(20) for step in range(20)}
    assert len(seeds) == 400
    assert seed_of(0, 1, 2, 3) == seed_of(0, 1, 2, 3)

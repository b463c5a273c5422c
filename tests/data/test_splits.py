"""No person and no copy stands in two splits, whatever the films; and the splits come out as asked for."""

from collections import Counter, defaultdict
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pneumoscope.data.manifest import Split
from pneumoscope.data.splits import SplitFilm, assign_splits, group_films

FILMS = st.lists(
    st.tuples(
        st.sampled_from(["a/NORMAL", "a/PNEUMONIA", "b/NORMAL", "b/OTHER"]),
        st.one_of(st.none(), st.integers(0, 12).map("patient:{}".format)),
        st.booleans(),
        st.booleans(),
        st.booleans(),
    ),
    max_size=60,
)
LINKS = st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59)), max_size=20)


def films_of(drawn: list[tuple[str, str | None, bool, bool, bool]]) -> list[SplitFilm]:
    return [
        SplitFilm(f"film-{number}", stratum, patient, used, test_only and number % 5 == 0, own_test)
        for number, (stratum, patient, used, test_only, own_test) in enumerate(drawn)
    ]


def split_all(films: list[SplitFilm], links: list[tuple[int, int]], seed: int = 0) -> list[Split | None]:
    return assign_splits(films, group_films(films, links), seed=seed)


@given(FILMS, LINKS, st.integers(0, 3))
def test_no_patient_and_no_copy_in_two_splits(
    drawn: list[tuple[str, str | None, bool, bool, bool]], links: list[tuple[int, int]], seed: int
) -> None:
    films = films_of(drawn)
    links = [(left, right) for left, right in links if max(left, right) < len(films)]
    splits = split_all(films, links, seed)
    of_patient: defaultdict[str, set[str]] = defaultdict(set)
    for film, split in zip(films, splits, strict=True):
        assert (split is not None) == film.used
        if split is not None and film.patient is not None:
            of_patient[film.patient].add(split)
        if film.for_test_only and film.used:
            assert split == "test"
    assert all(len(found) == 1 for found in of_patient.values())
    for left, right in links:
        assert len({splits[left], splits[right]} - {None}) <= 1


@given(FILMS, st.randoms(use_true_random=False))
def test_the_order_of_the_films_does_not_matter(
    drawn: list[tuple[str, str | None, bool, bool, bool]], random: Random
) -> None:
    films = films_of(drawn)
    order = list(range(len(films)))
    random.shuffle(order)
    shuffled = split_all([films[index] for index in order], [])
    assert [shuffled[order.index(index)] for index in range(len(films))] == split_all(films, [])


def test_an_unused_copy_still_carries_its_group_to_the_test() -> None:
    films = [
        SplitFilm("kept", "a/NORMAL", None),
        SplitFilm("left out", "b/NORMAL", "p", used=False),
        SplitFilm("official", "b/NORMAL", "p", for_test_only=True),
    ]
    assert split_all(films, [(0, 1)]) == ["test", None, "test"]


def test_a_set_with_its_own_test_is_drawn_for_training_and_validation_only() -> None:
    films = [SplitFilm(f"{number}", "k/NORMAL", f"p{number}", has_own_test=True) for number in range(900)]
    counted = Counter(split_all(films, []))
    assert counted == {"train": 800, "validation": 100}


@pytest.mark.parametrize("seed", range(3))
def test_shares_hold_in_every_stratum_for_small_and_large_groups(seed: int) -> None:
    films = []
    for stratum, sizes in (("a/NORMAL", (1, 2)), ("a/PNEUMONIA", (1, 30)), ("b/OTHER", (3,))):
        for group in range(600):
            size = sizes[group % len(sizes)] if group % 20 == 0 else sizes[0]
            films += [
                SplitFilm(f"{stratum}{group}.{film}", stratum, f"{stratum}:{group}") for film in range(size)
            ]
    splits = split_all(films, [], seed)
    for stratum in ("a/NORMAL", "a/PNEUMONIA", "b/OTHER"):
        chosen = [split for film, split in zip(films, splits, strict=True) if film.stratum == stratum]
        shares = {split: count / len(chosen) for split, count in Counter(chosen).items()}
        assert shares["train"] == pytest.approx(0.8, abs=0.03)
        assert shares["validation"] == pytest.approx(0.1, abs=0.03)


def test_mixed_groups_do_not_drift_to_one_split() -> None:
    films = []
    for person in range(1000):
        films.append(SplitFilm(f"a{person}", "a/NORMAL", f"p{person}"))
        if person % 3 == 0:
            films.append(SplitFilm(f"b{person}", "b/NORMAL", f"p{person}"))
    splits = split_all(films, [])
    of_b = Counter(split for film, split in zip(films, splits, strict=True) if film.stratum == "b/NORMAL")
    assert of_b["test"] == pytest.approx(33, abs=2)


def test_another_seed_draws_another_split() -> None:
    films = [SplitFilm(f"{number}", "a/NORMAL", None) for number in range(50)]
    assert split_all(films, [], 0) != split_all(films, [], 1)
    assert split_all(films, [], 0) == split_all(films, [], 0)

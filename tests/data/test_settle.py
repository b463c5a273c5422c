"""Whatever films there are and however they are linked: no person and no film stands in two splits."""

from collections import defaultdict
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from pneumoscope.data.build import settle
from pneumoscope.data.duplicates import Match
from pneumoscope.data.film import PoolFilm
from pneumoscope.data.scan import Seen
from pneumoscope.data.sources import SOURCES
from pneumoscope.data.sources.contract import Claim

COUNT = 30


@st.composite
def pools(draw: st.DrawFn) -> tuple[list[PoolFilm], list[Match]]:
    """Films of all data sets, of few persons, some without label or contrast, linked at random."""
    films = []
    for number in range(draw(st.integers(1, COUNT))):
        label = draw(st.sampled_from(["PNEUMONIA", "NORMAL", "OTHER", "UNCERTAIN", None]))
        claim = Claim(
            label=label,
            patient=draw(st.sampled_from([None, None, "nih:1", "nih:2", "kermany:train:virus:person3"])),
            official=draw(st.sampled_from([None, None, "train", "test"])),
        )
        phash = draw(st.sampled_from(["0" * 64, "0" * 64, "0" * 64, None]))
        seen = Seen(
            f"{number:02d}.png", 1, 1, f"{number:064d}", "film", "PNG", 100, 80 + number % 3, phash=phash
        )
        films.append(PoolFilm(draw(st.sampled_from(SOURCES)), claim, seen))
    index = st.integers(0, len(films) - 1)
    links = draw(st.lists(st.tuples(index, index, st.sampled_from([0.95, 0.99])), max_size=12))
    matches = [Match(min(a, b), max(a, b), agreement, 3) for a, b, agreement in links if a != b]
    return films, matches


@given(pools(), st.integers(0, 2))
def test_nobody_and_nothing_stands_in_two_splits(pool: tuple[list[PoolFilm], list[Match]], seed: int) -> None:
    films, matches = pool
    rows = settle(films, matches, seed)
    assert set(rows) == {film.path for film in films}
    of_patient: defaultdict[str, set[str]] = defaultdict(set)
    for film in films:
        row = rows[film.path]
        assert (row.split is None) == (row.reason is not None)
        if row.split is not None:
            assert row.label in ("PNEUMONIA", "NORMAL", "OTHER")
            assert row.duplicate_of is None
            if row.patient:
                of_patient[row.patient].add(row.split)
        if film.for_test_only:
            assert row.split in ("test", None)
        if film.official_test and film.claim.label in ("PNEUMONIA", "NORMAL", "OTHER") and film.seen.phash:
            assert row.split == "test"
        if film.claim.official == "train":
            assert row.split != "test" or _touches_test(films, matches, film.path)
    assert all(len(splits) == 1 for splits in of_patient.values())
    for match in matches:
        pair = {rows[films[match.left].path].split, rows[films[match.right].path].split}
        assert len(pair - {None}) <= 1


@given(pools())
def test_of_copies_one_is_kept_or_none(pool: tuple[list[PoolFilm], list[Match]]) -> None:
    films, matches = pool
    rows = settle(films, matches, 0)
    for match in matches:
        left, right = films[match.left], films[match.right]
        if match.same_film and not (left.official_test and right.official_test):
            assert rows[left.path].split is None or rows[right.path].split is None
    for row in rows.values():
        if row.duplicate_of is not None:
            assert rows[row.duplicate_of].duplicate_of is None


def _touches_test(films: list[PoolFilm], matches: list[Match], path: str) -> bool:
    """Is a film for testing only within reach over patients and links? By brute force."""
    joined = {(films[match.left].path, films[match.right].path) for match in matches}
    joined |= {
        (one.path, other.path)
        for one, other in product(films, films)
        if one.claim.patient is not None and one.claim.patient == other.claim.patient
    }
    reached = {path}
    while True:
        more = {b for a, b in joined if a in reached} | {a for a, b in joined if b in reached}
        if more <= reached:
            return any(film.for_test_only for film in films if film.path in reached)
        reached |= more

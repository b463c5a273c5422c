"""Copies are linked, strangers are not, and the best copy is kept."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.made_pool import person_film, save, stretched
from pneumoscope.data.duplicates import ALIKE, SAME_FILM, Match, best_copy, duplicate_sets, find_matches
from pneumoscope.data.film import PoolFilm
from pneumoscope.data.scan import Seen, look_at
from pneumoscope.data.sources import find_source
from pneumoscope.data.sources.contract import Claim


def film(root: Path, name: str, pixels: NDArray[np.uint8], source: str = "kermany") -> PoolFilm:
    save(root / name, pixels)
    return PoolFilm(find_source(source), Claim(label="NORMAL"), look_at(root, name))


def stub(
    path: str, *, source: str, width: int = 100, height: int = 80, claim: Claim | None = None
) -> PoolFilm:
    seen = Seen(path, 1, 1, "0" * 64, "film", "PNG", width, height)
    return PoolFilm(find_source(source), claim or Claim(label="NORMAL"), seen)


def test_copies_are_matched_and_strangers_are_not(tmp_path: Path) -> None:
    first, second = person_film(1, height=300, width=240), person_film(2, height=300, width=240)
    films = [
        film(tmp_path, "a.png", first),
        film(tmp_path, "b.png", second),
        film(tmp_path, "c.jpg", stretched(first, 224, 224)),
        film(tmp_path, "d.png", stretched(second, 150, 120)),
        film(tmp_path, "e.png", first),
        film(tmp_path, "f.png", person_film(3)),
    ]
    matches = find_matches(films)
    assert duplicate_sets(len(films), matches) == [[0, 2, 4], [1, 3]]
    assert [(match.left, match.right) for match in matches if match.same_bytes] == [(0, 4)]
    assert all(match.agreement >= ALIKE for match in matches)


def test_look_alikes_are_linked_but_are_no_copies(tmp_path: Path) -> None:
    film_a, film_b = person_film(1).astype(np.float64), person_film(2).astype(np.float64)
    alike = np.clip(film_a * 0.75 + film_b * 0.25, 0, 255).astype(np.uint8)
    films = [film(tmp_path, "a.png", person_film(1)), film(tmp_path, "b.png", alike)]
    (match,) = find_matches(films)
    assert ALIKE <= match.agreement < SAME_FILM
    assert not match.same_film
    assert duplicate_sets(2, [match]) == []


def test_blank_films_are_matched_by_their_bytes_only(tmp_path: Path) -> None:
    blank = np.full((90, 90), 5, np.uint8)
    films = [
        film(tmp_path, "a.png", blank),
        film(tmp_path, "b.png", blank),
        film(tmp_path, "c.png", np.full((80, 90), 200, np.uint8)),
    ]
    assert find_matches(films) == [Match(0, 1, 1.0, 0, same_bytes=True)]
    assert find_matches([]) == []


def test_the_best_copy_is_kept() -> None:
    official = stub("z.png", source="kermany", claim=Claim(label="NORMAL", official="test"))
    whole = stub("y.png", source="full-size", width=2000, height=1500)
    original = stub("x.png", source="kermany-original", width=300, height=240)
    square = stub("a.png", source="kermany", width=224, height=224)
    collected = stub("0.png", source="covid19-radiography", width=224, height=224)
    unlabelled = stub("00.png", source="dicom", width=3000, height=3000, claim=Claim())
    uncertain = stub("000.png", source="full-size", width=3000, height=3000, claim=Claim(label="UNCERTAIN"))
    ranking = [official, whole, original, square, collected, unlabelled]
    for better, film_ in enumerate(ranking[:-1]):
        for worse in ranking[better + 1 :]:
            assert best_copy([worse, film_], [0, 1]) == 1
    assert best_copy([uncertain, collected], [0, 1]) == 1
    same = replace(square, seen=replace(square.seen, path="b.png"))
    assert best_copy([same, square], [0, 1]) == 1

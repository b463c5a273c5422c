"""What the guard is fitted on: every kind of image, repeatable, and chest films that stay chest films."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from generated import chest_like
from pneumoscope.data.distortions import SPOILED, as_sent, softened
from pneumoscope.data.drawn_images import ARTIFICIAL, FROM_LUNGS
from pneumoscope.data.guard_examples import ExampleCounts, make_examples
from pneumoscope.data.guard_population import measure_population
from pneumoscope.data.manifest import ManifestRow
from pneumoscope.errors import DataError
from pneumoscope.image.appearance import film_view
from pneumoscope.image.radiograph import Radiograph

COUNTS = ExampleCounts(films=4, sent=1, spoiled=1, drawn=1, cut=2, copies=1)


def row(path: str, source: str, split: str | None = "train", **facts: object) -> ManifestRow:
    fields: dict[str, object] = dict.fromkeys(
        ("phash", "patient", "view", "age", "population", "boxes", "duplicate_of", "reason")
    )
    fields |= {
        "format": "PNG",
        "width": 200,
        "height": 220,
        "label": "NORMAL",
        "bytes": 1,
        "sha256": "0" * 64,
    }
    return ManifestRow(**{**fields, "source": source, "path": path, "split": split, **facts})  # type: ignore[arg-type]


@pytest.fixture
def made(tmp_path: Path) -> tuple[list[ManifestRow], Path]:
    rows = []
    for number in range(6):
        pixels = chest_like(number, height=220, width=200)
        if number >= 4:
            pixels[:, :40] = pixels[:, 160:] = pixels[:, 90:110] = 0
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        rows.append(row(f"{number}.png", "rsna-lungs" if number >= 4 else "made", age=20.0 + number))
    rows.append(row("0.png", "made", duplicate_of="1.png"))
    rows.append(row("0.png", "made", split="test"))
    (tmp_path / "not" / "photo").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (90, 120), np.uint8)
    Image.fromarray(noise).save(tmp_path / "not" / "photo" / "a.png")
    (tmp_path / "not" / "photo" / "b.txt").write_text("no image")
    return rows, tmp_path


def test_every_kind_is_made(made: tuple[list[ManifestRow], Path]) -> None:
    rows, root = made
    examples = make_examples(rows, root, root / "not", "train", COUNTS, np.random.default_rng(0))
    chest = [example for example in examples if example.chest]
    assert {example.family for example in chest} == {"made"}
    assert len(chest) == 8
    assert sum(example.altered for example in chest) == 4
    others = {example.family for example in examples if not example.chest}
    blank_now_and_then = {"overexposed", "underexposed"}
    assert (
        others | blank_now_and_then
        == {
            *SPOILED,
            *ARTIFICIAL,
            *FROM_LUNGS,
            "cut to the lungs",
            "photo",
        }
        | blank_now_and_then
    )


def test_equal_seeds_give_equal_examples(made: tuple[list[ManifestRow], Path]) -> None:
    rows, root = made
    one, two = (make_examples(rows, root, None, "train", COUNTS, np.random.default_rng(4)) for _ in range(2))
    assert [example.family for example in one] == [example.family for example in two]
    for first, second in zip(one, two, strict=True):
        np.testing.assert_array_equal(first.view, second.view)


def test_split_without_films_is_said(made: tuple[list[ManifestRow], Path]) -> None:
    rows, root = made
    for ask in (
        lambda: make_examples(rows, root, None, "validation", COUNTS, np.random.default_rng(0)),
        lambda: measure_population(rows, root, np.random.default_rng(0), "validation"),
    ):
        with pytest.raises(DataError, match="split validation"):
            ask()


def test_population_is_that_of_the_films(made: tuple[list[ManifestRow], Path]) -> None:
    rows, root = made
    population = measure_population(rows, root, np.random.default_rng(0))
    assert population.age_years == (20.0, 25.0)
    assert population.shortest_side == 200
    assert population.aspect == pytest.approx((200 / 220, 220 / 200), abs=1e-3)
    assert 0.3 < population.contrast <= 1.0


@pytest.mark.parametrize("name", sorted(SPOILED))
def test_spoiling_leaves_the_film_itself_alone(name: str) -> None:
    film = chest_like(1)
    before = film.copy()
    spoiled = SPOILED[name](film, np.random.default_rng(0))
    np.testing.assert_array_equal(film, before)
    assert spoiled.dtype == np.uint8
    assert spoiled.ndim == 2


def test_a_strip_is_less_than_half_of_a_film_over_its_whole_width() -> None:
    generator = np.random.default_rng(0)
    film = chest_like(1, height=220, width=200)
    shares = []
    for _ in range(40):
        strip = SPOILED["strip"](film, generator)
        shares.append(strip.shape[0] / strip.shape[1])
    assert max(shares) < 1.0
    assert min(shares) > 0.15


@pytest.mark.parametrize("name", sorted(ARTIFICIAL))
def test_drawn_images_differ(name: str) -> None:
    generator = np.random.default_rng(0)
    one, two = ARTIFICIAL[name](generator), ARTIFICIAL[name](generator)
    assert one.dtype == np.uint8
    assert one.shape != two.shape or not np.array_equal(one, two)


def test_films_as_sent_stay_upright_and_positive() -> None:
    generator = np.random.default_rng(0)
    dark = 0
    for seed in range(40):
        sent = as_sent(chest_like(seed, noise=0.0), generator)
        view = film_view(Radiograph(sent, "sent", "ARRAY")).astype(float)
        middle = view[16:32]
        dark += min(middle[:, 10:18].mean(), middle[:, 30:38].mean()) < middle[:, 20:28].mean()
    assert dark >= 38


def test_softened_is_small() -> None:
    soft = softened(chest_like(0), np.random.default_rng(0))
    assert soft.shape[0] == soft.shape[1]
    assert 56 <= soft.shape[0] <= 96

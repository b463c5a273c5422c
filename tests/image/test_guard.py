"""The guard lets films pass, refuses the rest with a reason, and reads back what it wrote."""

import json
from dataclasses import replace

import numpy as np
import pytest

from generated import chest_like
from pneumoscope.data.drawn_images import ARTIFICIAL
from pneumoscope.errors import BundleError, RejectedFilmError
from pneumoscope.image.appearance import appearance, film_view
from pneumoscope.image.guard import Array, Guard, read_guard
from pneumoscope.image.radiograph import Radiograph
from tiny_guard import made_examples, tiny_guard


@pytest.fixture(scope="module")
def guard() -> Guard:
    return tiny_guard()


def film(pixels: np.ndarray, **facts: object) -> Radiograph:
    return replace(Radiograph(np.ascontiguousarray(pixels), "film", "ARRAY"), **facts)


def refuses(guard: Guard, pixels: np.ndarray) -> bool:
    try:
        guard.check(film(pixels))
    except RejectedFilmError:  # by the guard, or as blank
        return True
    return False


def test_films_that_it_has_not_seen_pass(guard: Guard) -> None:
    passed = [guard.examine(film(chest_like(seed))).cause is None for seed in range(90_000, 90_060)]
    assert np.mean(passed) >= 0.95


def test_drawn_images_are_refused(guard: Guard) -> None:
    generator = np.random.default_rng(77)
    images = [draw(generator) for draw in ARTIFICIAL.values() for _ in range(6)]
    refused = [refuses(guard, image) for image in images]
    assert np.mean(refused) >= 0.9


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        (lambda pixels: 255 - pixels, "colour-inverted"),
        (lambda pixels: np.rot90(pixels), "rotated by 90 degrees"),
        (lambda pixels: np.rot90(pixels, 3), "rotated by 90 degrees"),
    ],
)
def test_turned_films_are_told_so(guard: Guard, turn, words: str) -> None:  # type: ignore[no-untyped-def]
    causes = [guard.examine(film(turn(chest_like(seed, noise=2.0)))).cause for seed in range(91_000, 91_020)]
    assert None not in causes
    assert np.mean([words in str(cause) for cause in causes]) >= 0.8


def test_refusal_is_an_error_with_a_remedy(guard: Guard) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8)
    with pytest.raises(RejectedFilmError) as caught:
        guard.check(film(noise))
    assert caught.value.status == "rejected"
    assert "does not look like a frontal chest radiograph" in caught.value.cause
    assert caught.value.remedy.startswith("send one original frontal chest film")


def test_cause_states_a_flooded_scale(guard: Guard) -> None:
    page = np.full((200, 160), 255, np.uint8)
    for line in range(4, 196, 12):
        page[line : line + 5, 2 : 60 + line // 2] = np.arange(58 + line // 2) % 200
    cause = guard.examine(film(page)).cause
    assert cause is not None
    assert "at its brightest value" in cause


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"age_years": 0.1}, "0.1 years old"),
        ({"age_years": 104.0}, "104 years old"),
        ({}, ""),
        ({"age_years": 40.0}, ""),
    ],
)
def test_age_outside_the_population_is_a_warning(guard: Guard, facts: dict[str, float], words: str) -> None:
    warnings = guard.check(film(chest_like(90_001), **facts))
    assert [words in warning for warning in warnings] == ([True] if words else [])


def test_size_and_contrast_outside_the_population_are_warnings(guard: Guard) -> None:
    pixels = chest_like(90_001)
    assert any("fewer than any" in text for text in guard.check(film(pixels[::4, ::4])))
    pale = (100 + pixels // 8).astype(np.uint8)
    assert any("of the grey scale" in text for text in guard.check(film(pale)))


def test_a_film_of_a_few_grey_values_is_refused(guard: Guard) -> None:
    pixels = chest_like(90_001)
    assert guard.examine(film(pixels)).cause is None
    ruined = guard.examine(film(pixels // 32))
    assert ruined.cause is not None
    assert "only 7 grey values" in ruined.cause
    with pytest.raises(RejectedFilmError, match="export it again with all its grey values"):
        guard.check(film(pixels // 32))


def test_scores_are_those_of_plain_arithmetic(guard: Guard) -> None:
    views = np.stack([film_view(film(chest_like(seed))) for seed in range(6)])
    expected = (plain_scores(guard, views) + plain_scores(guard, views[:, :, ::-1])) / 2
    np.testing.assert_allclose(guard.scores(views), expected, rtol=1e-3, atol=1e-3)


def plain_scores(guard: Guard, views: np.ndarray) -> np.ndarray:
    known = guard.parameters
    away = appearance(views).astype(float) * known.weight.values() - known.mean.values()
    axes, spread = known.axes.values().astype(float), known.spread.values()
    along = away @ axes
    rest = np.log((away**2).sum(1) - (along**2).sum(1))
    along = along / spread
    distance = np.log((along**2).sum(1))
    ends = [(rest - known.unexplained[0]) / known.unexplained[1]]
    ends.append((distance - known.distance[0]) / known.distance[1])
    numbers = np.clip(np.column_stack([along, *ends]), -6, 6)
    hidden = np.maximum(numbers @ known.hidden.values()[0] + known.hidden_bias.values()[0], 0)
    scores: np.ndarray = hidden @ known.output.values()[0] + known.output_bias.values()[0]
    return scores


def test_alone_or_together_decides_alike(guard: Guard) -> None:
    views = np.stack([example.view for example in made_examples(5, 10, 2)])
    alone = np.concatenate([guard.scores(view[np.newaxis]) for view in views])
    np.testing.assert_allclose(guard.scores(views), alone, rtol=1e-4, atol=1e-4)


def test_json_there_and_back(guard: Guard) -> None:
    again = Guard.from_json(guard.to_json())
    assert again.to_json() == guard.to_json()
    views = np.stack([example.view for example in made_examples(6, 5, 1)])
    np.testing.assert_array_equal(again.scores(views), guard.scores(views))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda raw: raw.update(extra=1), "extra"),
        (lambda raw: raw.update(format_version=2), "format_version"),
        (lambda raw: raw["mean"].update(data="AAAA"), "finite numbers"),
        (lambda raw: raw["mean"].update(data="!"), "base64"),
        (lambda raw: raw.update(spread=raw["mean"]), "spread has shape"),
        (lambda raw: raw.update(distance=[0.0, 0.0]), "standard deviation"),
    ],
)
def test_altered_json_is_refused(guard: Guard, tmp_path, change, words: str) -> None:  # type: ignore[no-untyped-def]
    raw = json.loads(guard.to_json())
    change(raw)
    path = tmp_path / "guard.json"
    path.write_text(json.dumps(raw))
    with pytest.raises(BundleError, match=words):
        read_guard(path)


def test_arrays_must_be_finite() -> None:
    with pytest.raises(ValueError, match="finite"):
        Array.of(np.array([1.0, np.nan])).values()


def test_no_file_is_a_bundle_error(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BundleError, match="cannot be read"):
        read_guard(tmp_path / "guard.json")


def test_score_is_the_mean_of_all_networks(guard: Guard) -> None:
    parameters, generator = guard.parameters, np.random.default_rng(5)
    networks = ("hidden", "hidden_bias", "output", "output_bias")
    shapes = {name: (8, *getattr(parameters, name).shape[1:]) for name in networks}
    drawn = {name: generator.normal(0, 0.3, shape) for name, shape in shapes.items()}

    def with_networks(chosen: slice) -> Guard:
        packed = {name: Array.of(values[chosen]) for name, values in drawn.items()}
        return Guard(parameters.model_copy(update=packed))

    views = np.stack([film_view(film(chest_like(seed))) for seed in range(3)])
    each = [with_networks(slice(number, number + 1)).scores(views) for number in range(8)]
    np.testing.assert_allclose(with_networks(slice(None)).scores(views), np.mean(each, axis=0), rtol=1e-5)

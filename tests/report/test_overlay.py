from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from generated import chest_like
from pneumoscope.image.prepare import PrepareParameters, make_plate
from pneumoscope.image.radiograph import Pixels, Radiograph
from pneumoscope.report.display import CONTOUR_SHARE
from pneumoscope.report.overlay import (
    CANVAS_SIZE,
    EVIDENCE_BOX,
    FILM_BOX,
    LEGEND_BOX,
    render_overlay,
)
from pneumoscope.runtime.film import Film

LIMIT = 8.0
COLD = np.zeros((7, 7), dtype=np.float32)


def scored(
    pixels: Pixels,
    cam: NDArray[np.float32],
    *,
    fit: str = "letterbox",
    source: str = "film.png",
    probability: float = 0.873,
    warnings: tuple[str, ...] = (),
) -> Film:
    radiograph = Radiograph(pixels, source, "PNG", warnings=warnings)
    _, geometry = make_plate(radiograph, PrepareParameters.model_validate({"fit": fit}))
    return Film(
        probability=probability,
        logit=1.9,
        finding="PNEUMONIA" if probability >= 0.412 else "NORMAL",
        operating_point="balanced",
        threshold=0.412,
        model="pneumoscope-test 1.2.3",
        cam=cam,
        heatmap_limit=LIMIT,
        geometry=geometry,
        radiograph=radiograph,
    )


def panels(picture: Image.Image) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The film and the film with evidence, each (768, 768, 3) uint8."""
    return np.asarray(picture.crop(FILM_BOX)), np.asarray(picture.crop(EVIDENCE_BOX))


def hot_at(row: int, column: int) -> NDArray[np.float32]:
    cam = np.full((7, 7), -2.0, dtype=np.float32)
    cam[row, column] = 28.0  # the spline through one cell reaches 4 / 9 of it
    return cam


@pytest.mark.parametrize(
    ("height", "width"), [(224, 224), (3000, 2400), (500, 1400), (1400, 500), (4, 3000), (3000, 4), (2, 2)]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("fit", ["letterbox", "stretch", "centre-crop"])
def test_every_film_gives_a_picture_of_one_size(height: int, width: int, dtype: type, fit: str) -> None:
    ramp = np.linspace(0, np.iinfo(dtype).max, height * width).reshape(height, width).astype(dtype)
    picture = render_overlay(scored(ramp, hot_at(3, 3), fit=fit))
    assert picture.size == CANVAS_SIZE
    assert picture.mode == "RGB"


@pytest.mark.parametrize("evidence", [0.0, -7.5])
def test_a_film_without_evidence_is_shown_plain(evidence: float) -> None:
    picture = render_overlay(scored(chest_like(1), COLD + np.float32(evidence)))
    film, overlaid = panels(picture)
    assert np.array_equal(film, overlaid)
    assert film.std() > 20


def test_the_legend_is_the_same_for_every_film() -> None:
    column = (EVIDENCE_BOX[2], EVIDENCE_BOX[1], CANVAS_SIZE[0], EVIDENCE_BOX[3])
    weak = render_overlay(scored(chest_like(1), hot_at(2, 2) / 20)).crop(column)
    strong = render_overlay(scored(chest_like(2, height=900, width=300), hot_at(5, 1) * 50)).crop(column)
    assert np.array_equal(np.asarray(weak), np.asarray(strong))


def test_the_legend_states_the_limit_of_the_bundle() -> None:
    column = (LEGEND_BOX[2], LEGEND_BOX[1] - 12, CANVAS_SIZE[0], LEGEND_BOX[3])
    film = scored(chest_like(1), COLD)
    pictures = [render_overlay(replace(film, heatmap_limit=limit)).crop(column) for limit in (8.0, 16.0)]
    assert not np.array_equal(*(np.asarray(picture) for picture in pictures))


def test_equal_evidence_has_equal_colour_in_two_films() -> None:
    """Under a flat map the colour of a pixel follows from its grey alone, whatever the film."""
    colours: list[dict[int, int]] = []
    for seed in (1, 2):
        film, overlaid = panels(render_overlay(scored(chest_like(seed, height=768, width=768), COLD + 3)))
        pairs = np.unique(
            film[..., 0].astype(np.int64) * 2**24 + overlaid.astype(np.int64) @ [2**16, 2**8, 1]
        )
        colours.append({int(pair >> 24): int(pair & 0xFFFFFF) for pair in pairs})
        assert len(colours[-1]) == len(pairs)
    shared = colours[0].keys() & colours[1].keys()
    assert len(shared) > 100
    assert all(colours[0][grey] == colours[1][grey] for grey in shared)


def test_more_evidence_changes_the_film_more() -> None:
    change = []
    for evidence in (0.0, 1.0, 2.0, 3.0, 5.0, 6.0, 7.0, 8.0):
        film, overlaid = panels(render_overlay(scored(chest_like(1), COLD + np.float32(evidence))))
        change.append(np.abs(overlaid.astype(int) - film).mean())
    assert change[0] == 0
    assert np.diff(change).min() > 0.5


@pytest.mark.parametrize("fit", ["letterbox", "stretch", "centre-crop"])
@pytest.mark.parametrize(("row", "column"), [(1, 5), (5, 2), (3, 3)])
@pytest.mark.parametrize(("height", "width"), [(600, 900), (900, 600)])
def test_evidence_lies_where_the_heatmap_has_it(
    fit: str, row: int, column: int, height: int, width: int
) -> None:
    film = scored(chest_like(3, height=height, width=width), hot_at(row, column), fit=fit)
    plain, overlaid = panels(render_overlay(film))
    longest = max(height, width)
    shown = (round(height * 768 / longest), round(width * 768 / longest))
    top, left = (768 - shown[0]) // 2, (768 - shown[1]) // 2
    expected = np.zeros((768, 768))
    expected[top : top + shown[0], left : left + shown[1]] = Image.fromarray(film.heatmap).resize(shown[::-1])
    coloured = np.ptp(overlaid.astype(int), axis=-1) > 24
    assert expected[coloured].min() > -1.5
    assert coloured[expected > 5].mean() > 0.95
    beside = np.ones((768, 768), dtype=bool)
    beside[top : top + shown[0], left : left + shown[1]] = False
    assert np.array_equal(plain[beside], overlaid[beside])


def test_the_contour_runs_where_it_says() -> None:
    cam = np.linspace(-LIMIT, LIMIT, 7, dtype=np.float32)[None, :].repeat(7, axis=0)
    darkening = np.linspace(255, 0, 200).astype(np.uint8)[:, None].repeat(200, axis=1)
    _, overlaid = panels(render_overlay(scored(darkening, cam)))
    columns = np.flatnonzero((overlaid[384:] > 250).all(axis=(0, 2)))
    # The cells' centres lie at (i + 0.5) / 7 of the panel; the map is straight between the outer ones.
    centre = (0.5 + 6 * (CONTOUR_SHARE + 1) / 2) / 7 * 768
    assert columns.size > 0
    assert np.abs(columns + 0.5 - centre).max() < 2.5


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that is drawn."""
    texts: list[str] = []
    draw_text: Callable[..., None] = ImageDraw.ImageDraw.text

    def spy(
        self: ImageDraw.ImageDraw, place: tuple[float, float], text: str, *args: object, **kw: object
    ) -> None:
        texts.append(text)
        draw_text(self, place, text, *args, **kw)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", spy)
    return texts


def test_the_picture_says_what_it_shows(drawn: list[str]) -> None:
    render_overlay(scored(chest_like(1), COLD, source="/ward/7/film.png", warnings=("no view position",)))
    text = "\n".join(drawn)
    for statement in (
        "PNEUMONIA",
        "probability of pneumonia 87.3 %",
        "balanced operating point",
        "threshold 41.2 %",
        "pneumoscope-test 1.2.3",
        "film.png   224 x 256 px",
        "logit units",
        "Research use only - not a medical device",
        "no view position",
    ):
        assert statement in text
    assert "ward" not in text


@pytest.mark.parametrize(
    ("probability", "stated"), [(0.0, "< 0.1 %"), (1.0, "> 99.9 %"), (0.9994, "> 99.9 %"), (0.0831, "8.3 %")]
)
def test_certainty_is_never_claimed(drawn: list[str], probability: float, stated: str) -> None:
    render_overlay(scored(chest_like(1), COLD, probability=probability))
    assert f"probability of pneumonia {stated}" in drawn


def test_long_names_and_many_warnings_stay_in_their_places() -> None:
    short = render_overlay(scored(chest_like(1), hot_at(3, 3)))
    film = scored(
        chest_like(1),
        hot_at(3, 3),
        source="folder/" + "a-very-long-name-" * 30 + ".png",
        warnings=tuple(f"warning number {number} says a great deal" for number in range(40)),
    )
    film = replace(
        film, model="pneumoscope-" + "long" * 60, operating_point="op" * 80, finding="PNEUMONIA" * 9
    )
    picture = render_overlay(film)
    for before, after in zip(panels(short), panels(picture), strict=True):
        assert np.array_equal(before, after)
    pixels = np.asarray(picture)
    ground = pixels[0, 0]
    left, right = FILM_BOX[0], CANVAS_SIZE[0] - FILM_BOX[0]
    for margin in (pixels[:, : left - 1], pixels[:, right + 4 :], pixels[:8], pixels[-8:]):
        assert (margin == ground).all()
    between_the_halves_of_the_header = pixels[: FILM_BOX[1], FILM_BOX[2] + 4 : EVIDENCE_BOX[0] - 1]
    assert (between_the_halves_of_the_header == ground).all()
    purpose = (1270, 925, CANVAS_SIZE[0], CANVAS_SIZE[1])
    assert np.array_equal(np.asarray(short.crop(purpose)), np.asarray(picture.crop(purpose)))


def test_a_film_of_two_grey_levels_is_shown() -> None:
    pixels = np.zeros((64, 64), dtype=np.uint8)
    pixels[16:48, 16:48] = 200
    film, _ = panels(render_overlay(scored(pixels, COLD)))
    assert set(np.unique(film)) >= {0, 200}


def test_a_film_draws_its_own_overlay() -> None:
    film = scored(chest_like(1), hot_at(2, 4))
    assert np.array_equal(np.asarray(film.overlay()), np.asarray(render_overlay(film)))

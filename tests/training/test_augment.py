import numpy as np
import pytest
import torch

from generated import chest_like
from pneumoscope.image.prepare import PrepareParameters, normalise
from pneumoscope.training.augment import AugmentParameters, augment
from pneumoscope.training.draws import Draws

PREPARE = PrepareParameters(size=96)
STRONG = AugmentParameters(
    rotate_degrees=12,
    scale=(0.8, 1.3),
    aspect=(0.75, 1.33),
    translate=0.05,
    flip_probability=0.5,
    brightness=0.1,
    contrast=0.2,
    gamma=(0.6, 1.6),
    tone_curve=0.7,
    noise=0.03,
    blur_probability=0.5,
    enhance_probability=0.5,
    border_probability=0.5,
    marker_probability=0.5,
    erase_probability=0.5,
)


def seeded(*seeds: int) -> Draws:
    return Draws([torch.Generator().manual_seed(seed) for seed in seeds])


@pytest.fixture
def plates() -> torch.Tensor:
    return torch.from_numpy(np.stack([chest_like(seed, height=96, width=96) for seed in range(6)]))


def test_changing_nothing_gives_the_runtime_input_bit_for_bit(plates: torch.Tensor) -> None:
    films, masks = augment(plates, None, AugmentParameters(), PREPARE, seeded(0))
    np.testing.assert_array_equal(films.numpy(), normalise(plates.numpy(), PREPARE))
    assert masks is None


def test_equal_seeds_give_equal_batches_and_other_seeds_others(plates: torch.Tensor) -> None:
    first, _ = augment(plates, None, STRONG, PREPARE, seeded(1))
    again, _ = augment(plates, None, STRONG, PREPARE, seeded(1))
    other, _ = augment(plates, None, STRONG, PREPARE, seeded(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_input_stays_in_range_and_the_plates_stay_as_they_were(plates: torch.Tensor) -> None:
    before = plates.clone()
    films, _ = augment(plates, None, STRONG, PREPARE, seeded(3))
    assert films.dtype == torch.float32
    assert films.shape == (6, 1, 96, 96)
    assert films.min() >= -1.0
    assert films.max() <= 1.0
    assert torch.equal(plates, before)


@pytest.mark.parametrize("seed", range(5))
def test_a_box_moves_with_what_it_marks(seed: int) -> None:
    plate = torch.zeros(1, 96, 96, dtype=torch.uint8)
    plate[0, 30:50, 20:40] = 255
    moving = AugmentParameters(
        rotate_degrees=15, scale=(0.7, 1.2), aspect=(0.8, 1.25), translate=0.1, flip_probability=0.5
    )
    films, masks = augment(plate, plate, moving, PREPARE, seeded(seed))
    assert masks is not None
    torch.testing.assert_close(films[0, 0] * 0.5 + 0.5, masks[0], atol=1e-5, rtol=0)
    assert 100 < masks.sum() < 900


def test_magnification_and_stretch_have_the_stated_direction() -> None:
    plate = torch.zeros(1, 96, 96, dtype=torch.uint8)
    plate[0, 38:58, 38:58] = 255
    _, larger = augment(plate, plate, AugmentParameters(scale=(2.0, 2.0)), PREPARE, seeded(0))
    _, wider = augment(plate, plate, AugmentParameters(aspect=(4.0, 4.0)), PREPARE, seeded(0))
    assert larger is not None and wider is not None
    assert larger.sum().item() == pytest.approx(4 * 400, rel=0.05)
    assert (wider[0].amax(0) > 0.5).sum().item() == pytest.approx(40, abs=2)
    assert (wider[0].amax(1) > 0.5).sum().item() == pytest.approx(10, abs=2)


def test_rotation_is_rigid() -> None:
    plate = torch.zeros(1, 96, 96, dtype=torch.uint8)
    plate[0, 43:53, 18:78] = 255
    for seed in range(4):
        _, turned = augment(plate, plate, AugmentParameters(rotate_degrees=45), PREPARE, seeded(seed))
        assert turned is not None
        rows, columns = torch.nonzero(turned[0] > 0.5, as_tuple=True)
        extent = torch.cov(torch.stack((rows.float(), columns.float())))
        spread = torch.linalg.eigvalsh(extent).sqrt() * 12**0.5
        torch.testing.assert_close(spread, torch.tensor([10.0, 60.0]), atol=1.0, rtol=0.02)


@pytest.mark.parametrize("name", ["tone_curve", "brightness", "contrast"])
def test_black_stays_black_and_grey_keeps_its_order(name: str) -> None:
    ramp = torch.arange(256, dtype=torch.uint8).repeat(8, 1).view(1, 8, 256)
    ramp = torch.nn.functional.pad(ramp, (0, 0, 0, 248))
    films, _ = augment(ramp, None, AugmentParameters(**{name: 0.5}), PREPARE, seeded(4))
    row = films[0, 0, 0]
    assert row[0] == -1.0
    assert (row.diff()[1:] >= -1e-6).all()
    assert not torch.equal(row, torch.from_numpy(normalise(ramp[:, :1].numpy(), PREPARE))[0, 0, 0])


def test_frames_reach_every_side() -> None:
    white = torch.full((64, 96, 96), 255, dtype=torch.uint8)
    films, _ = augment(white, None, AugmentParameters(border_probability=1.0), PREPARE, seeded(5))
    black = films[:, 0] == -1.0
    for edge in (black[:, 0], black[:, -1], black[:, :, 0], black[:, :, -1]):
        assert edge.all(-1).float().mean() > 0.8
    assert not black[:, 48, 48].any()


def test_enhanced_detail_stands_out_and_black_stays_black(plates: torch.Tensor) -> None:
    plates[:, :20] = 0
    plain, _ = augment(plates, None, AugmentParameters(flip_probability=1e-9), PREPARE, seeded(7))
    parameters = AugmentParameters(flip_probability=1e-9, enhance_probability=1.0, enhance_strength=3.0)
    films, _ = augment(plates, None, parameters, PREPARE, seeded(7))

    def detail(some: torch.Tensor) -> torch.Tensor:
        return some[:, 0, 30:].diff(dim=-1).abs().mean(dim=(1, 2))

    assert (detail(films) >= detail(plain)).all()
    assert detail(films).max() > 1.3 * detail(plain).max()
    assert torch.equal(films[:, :, :18], plain[:, :, :18])
    unchanged, _ = augment(
        plates, None, parameters.model_copy(update={"enhance_probability": 1e-9}), PREPARE, seeded(7)
    )
    assert torch.equal(unchanged, plain)


def test_markers_stay_near_corners_and_resolution_is_lost() -> None:
    grey = torch.full((64, 96, 96), 128, dtype=torch.uint8)
    marked, _ = augment(grey, None, AugmentParameters(marker_probability=1.0), PREPARE, seeded(6))
    changed = (marked[:, 0] - marked[0, 0, 48, 48]).abs() > 1e-3
    assert changed.flatten(1).any(1).all()
    assert not changed[:, 30:66].any()
    sharp = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (4, 96, 96)).astype(np.uint8))
    blurred, _ = augment(
        sharp, None, AugmentParameters(blur_probability=1.0, blur_scale=0.3), PREPARE, seeded(7)
    )
    assert blurred.std() < 0.8 * (sharp / 127.5 - 1).std()


def test_groups_changed_at_once_are_what_they_are_alone() -> None:
    plates = torch.from_numpy(np.stack([chest_like(seed, height=96, width=96) for seed in range(20)]))
    masks = torch.from_numpy(np.stack([chest_like(seed, height=96, width=96) for seed in range(20, 40)]))
    films, moved = augment(plates, masks, STRONG, PREPARE, seeded(1, 2, 3))
    assert moved is not None
    for number, group in enumerate((slice(0, 8), slice(8, 16), slice(16, 20)), start=1):
        own, own_moved = augment(plates[group], masks[group], STRONG, PREPARE, seeded(number))
        assert own_moved is not None
        torch.testing.assert_close(films[group], own, atol=1e-6, rtol=0)
        torch.testing.assert_close(moved[group], own_moved, atol=1e-6, rtol=0)


def test_grain_takes_one_number_whatever_the_films() -> None:
    """So that what is drawn after it is the same on every device."""
    after = []
    for side in (8, 64):
        generator = torch.Generator().manual_seed(5)
        grain = Draws([generator]).grain(torch.zeros(4, 1, side, side))
        assert grain.std() == pytest.approx(1.0, abs=0.2)
        after.append(generator.get_state())
    assert torch.equal(*after)


if torch.cuda.is_available():  # with the CPU alone there would be nothing to compare it with

    def test_a_graphics_card_changes_films_as_the_cpu_does(plates: torch.Tensor) -> None:
        quiet = STRONG.model_copy(update={"noise": 1e-6})  # values of grain differ between devices
        there = plates.to("cuda")
        draws = Draws([torch.Generator().manual_seed(8)], torch.device("cuda"))
        films, masks = augment(plates, plates, quiet, PREPARE, seeded(8))
        same, moved = augment(there, there, quiet, PREPARE, draws)
        assert masks is not None
        assert moved is not None
        torch.testing.assert_close(same.cpu(), films, atol=2e-3, rtol=0)
        torch.testing.assert_close(moved.cpu(), masks, atol=2e-3, rtol=0)

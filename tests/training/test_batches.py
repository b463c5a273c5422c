import numpy as np
import pytest
import torch

from pneumoscope.errors import RecipeError
from pneumoscope.training.batches import BatchMaker, check_batch_size, prefetch
from pneumoscope.training.dataset import Plates, select_films
from pneumoscope.training.recipe import DataChoice
from tiny_training import make_caches, make_recipe, make_rows


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    """(films, cache)."""
    root = tmp_path_factory.mktemp("films")
    rows = make_rows(root, train=40, validation=0)
    return select_films(rows, "train", DataChoice()), make_caches(make_recipe(), rows, root)[32]


@pytest.fixture(scope="module")
def plates(ground):
    return Plates(*ground, masks=True)


ORDER = np.arange(40)[::-1].copy()
VARIED = make_recipe(batch_size=32, loss={"mixup_alpha": 0.4, "map_weight": 0.1})


def same(one, other):
    return all(
        torch.equal(getattr(one, column), getattr(other, column))
        for column in ("inputs", "targets", "masks", "annotated")
    )


def test_a_batch_is_a_function_of_seed_epoch_and_step(plates):
    recipe = make_recipe(batch_size=8, loss={"mixup_alpha": 0.4, "map_weight": 0.1})
    make = BatchMaker(plates, ORDER, recipe, 1)
    assert make.steps == 5
    late = make(3)
    assert same(late, BatchMaker(plates, ORDER, recipe, 1)(3))
    assert not same(late, make(2))
    repeated = np.tile(ORDER[:8], 5)  # the same films: only augmentation can differ
    assert not same(BatchMaker(plates, repeated, recipe, 1)(0), BatchMaker(plates, repeated, recipe, 1)(1))
    assert not same(BatchMaker(plates, ORDER, recipe, 1)(0), BatchMaker(plates, ORDER, recipe, 2)(0))
    other_seed = recipe.model_copy(update={"seed": 4})
    assert not same(BatchMaker(plates, ORDER, recipe, 1)(0), BatchMaker(plates, ORDER, other_seed, 1)(0))


def test_outside_moves_with_the_film_and_holds_no_lung(ground, plates):
    lungs = np.zeros((40, 32, 32), dtype=np.uint8)
    lungs[:, 8:24, 4:28] = 255
    with_lungs = Plates(*ground, masks=True, lungs=lungs)
    loss = {"map_weight": 0.1, "outside_weight": 0.5}
    still = BatchMaker(with_lungs, ORDER, make_recipe(batch_size=8, loss=loss, augment={}), 0)(0)
    assert torch.equal(still.outside, torch.from_numpy((lungs[ORDER[:8]] == 0).astype(np.float32)))
    mirrored = make_recipe(batch_size=8, loss=loss, augment={"flip_probability": 1.0})
    lungs[:, :, 16:] = 0
    flipped = BatchMaker(with_lungs, ORDER, mirrored, 0)(0)
    assert torch.equal(flipped.outside, torch.from_numpy((lungs[:8, :, ::-1] == 0).astype(np.float32)))
    assert BatchMaker(plates, ORDER, VARIED, 0)(0).outside is None


def test_films_without_lungs_are_films_without_pneumonia(ground, plates):
    lungs = np.zeros((40, 32, 32), dtype=np.uint8)
    lungs[:, 8:24, 4:28] = 255
    data = {"lungless_share": 0.5}
    recipe = make_recipe(batch_size=40, loss={"map_weight": 0.1}, augment={}, data=data)
    made = BatchMaker(Plates(*ground, masks=True, lungs=lungs), ORDER, recipe, 0)(0)
    inside = made.inputs[:, 0, 10:22, 6:26]
    painted = inside.diff(n=2, dim=2).abs().median(dim=2).values.amax(dim=1) < 2.5 * 2 / 255  # smooth
    assert 10 <= int(painted.sum()) <= 30
    assert torch.equal(made.targets[~painted], plates.targets(ORDER)[~painted])
    assert float(plates.targets(ORDER)[painted].sum()) > 0
    assert float(made.targets[painted].sum()) == 0
    # Their map is known, and cold.
    assert float(made.masks[painted].sum()) == 0
    assert bool((made.annotated[painted] == 1).all())
    assert float(made.masks[~painted].sum()) > 0
    outside = torch.from_numpy(lungs[0] == 0)
    inputs = plates.inputs(ORDER)[:, 0]
    assert torch.equal(made.inputs[:, 0][:, outside], inputs[:, outside])
    assert torch.equal(made.inputs[~painted, 0], inputs[~painted])
    spread = inside[painted].amax(dim=(1, 2)) - inside[painted].amin(dim=(1, 2))
    black = inside[painted].amax(dim=(1, 2)) == inside.min()
    assert bool(black.any())
    assert bool(((spread == 0) & ~black).any())
    assert bool((spread > 0.2).any())


@pytest.mark.parametrize("processes", [2, 4])
def test_shares_of_a_batch_make_the_whole_batch(plates, processes):
    whole = BatchMaker(plates, ORDER, VARIED, 0)(0)
    shares = [
        BatchMaker(plates, ORDER, VARIED, 0, rank=rank, processes=processes)(0) for rank in range(processes)
    ]
    for column in ("inputs", "targets", "masks", "annotated"):
        joined = torch.cat([getattr(share, column) for share in shares])
        assert torch.equal(joined, getattr(whole, column))


def test_without_augmentation_a_batch_is_what_validation_sees(plates):
    recipe = make_recipe(batch_size=16, augment={})
    batch = BatchMaker(plates, ORDER, recipe, 0)(1)
    assert torch.equal(batch.inputs, plates.inputs(ORDER[16:32]))
    assert torch.equal(batch.targets, plates.targets(ORDER[16:32]))


def test_masks_move_with_their_films(plates):
    recipe = make_recipe(batch_size=8, augment={"flip_probability": 1.0}, loss={"map_weight": 1.0})
    batch = BatchMaker(plates, np.arange(40), recipe, 0)(0)
    masks, annotated = plates.masks(np.arange(8))
    torch.testing.assert_close(batch.inputs, plates.inputs(np.arange(8)).flip(-1), atol=1e-4, rtol=0)
    torch.testing.assert_close(batch.masks, masks.float().flip(-1) / 255, atol=1e-4, rtol=0)
    assert torch.equal(batch.annotated, annotated)


def test_mixed_films_have_mixed_targets_and_a_map_only_where_both_had_one(plates):
    recipe = make_recipe(batch_size=40, augment={}, loss={"mixup_alpha": 1.0, "map_weight": 1.0})
    batch = BatchMaker(plates, np.arange(40), recipe, 0)(0)
    assert ((batch.targets > 0.01) & (batch.targets < 0.99)).any()
    assert batch.annotated[:16].tolist() == [1.0] * 16  # groups of eight mix within themselves
    assert batch.annotated[16:].tolist() == [0.0] * 24


@pytest.mark.parametrize(("size", "processes", "fits"), [(7, 1, True), (16, 2, True), (24, 2, False)])
def test_batches_must_divide(size, processes, fits):
    if fits:
        check_batch_size(size, processes)
        return
    with pytest.raises(RecipeError, match="multiple of 16"):
        check_batch_size(size, processes)


@pytest.mark.parametrize("threads", [1, 4])
def test_prefetched_batches_come_in_order_from_the_first_wanted(threads):
    made = []

    def make(step):
        made.append(step)
        return step

    assert list(prefetch(make, 2, 9, threads=threads)) == [2, 3, 4, 5, 6, 7, 8]
    assert sorted(made) == [2, 3, 4, 5, 6, 7, 8]


def test_an_error_in_the_background_comes_out_in_its_step():
    def make(step):
        if step == 2:
            raise ValueError("plate 2 is torn")
        return step

    batches = prefetch(make, 0, 5)
    assert [next(batches), next(batches)] == [0, 1]
    with pytest.raises(ValueError, match="plate 2 is torn"):
        next(batches)

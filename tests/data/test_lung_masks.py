"""Coarse lung masks in one file: found once, added to, refused where damaged."""

import numpy as np
import pytest

from data.made_cuts import WHOLE, elliptical_lungs, make_cut_pool
from pneumoscope.data.cache import build_cache
from pneumoscope.data.lung_masks import GRID, LungMasks, find_lungs
from pneumoscope.errors import DataError
from pneumoscope.image.prepare import PrepareParameters


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    root = tmp_path_factory.mktemp("masks")
    rows = [row for row in make_cut_pool(root) if row.source == WHOLE]
    cache = build_cache(rows, root, PrepareParameters(size=96), root / "cache", workers=1)
    return root, [row.sha256 for row in rows], cache


def test_masks_cover_the_lungs_and_leave_most_of_the_rest(ground, tmp_path):
    _, films, cache = ground
    masks = find_lungs(films, cache, tmp_path / "lungs.npz").of(films)
    assert masks.shape == (3, GRID, GRID)
    assert set(np.unique(masks)) == {0, 255}
    lungs = elliptical_lungs(GRID)
    for mask in masks:
        assert (mask[lungs] == 255).mean() > 0.95
        assert (mask == 0).mean() > 0.1


def test_only_missing_films_are_looked_at(ground, tmp_path, monkeypatch):
    _, films, cache = ground
    path = tmp_path / "lungs.npz"
    first = find_lungs(films[:2], cache, path).of(films[:2])
    looked_at = []
    monkeypatch.setattr(
        "pneumoscope.data.lung_masks._coarse_mask",
        lambda task: looked_at.append(task) or np.zeros((GRID, GRID), dtype=np.uint8),
    )
    again = find_lungs(films, cache, path)
    assert len(looked_at) == 1
    np.testing.assert_array_equal(again.of(films[:2]), first)
    np.testing.assert_array_equal(LungMasks.open(path).of(films[::-1])[0], 0)


def test_a_film_without_lungs_counts_as_all_lung(tmp_path):
    from data.made_cuts import write_film

    row = write_film(tmp_path, "blank.png", np.tile(np.arange(224, dtype=np.uint8), (224, 1)), source="x")
    cache = build_cache([row], tmp_path, PrepareParameters(size=64), tmp_path / "cache", workers=1)
    found = find_lungs([row.sha256], cache, tmp_path / "lungs.npz").of([row.sha256])
    assert set(np.unique(found)) <= {0, 255}


def test_what_is_missing_or_damaged_is_named(ground, tmp_path):
    _, films, cache = ground
    masks = find_lungs(films[:1], cache, tmp_path / "lungs.npz")
    with pytest.raises(DataError, match=films[1]):
        masks.of(films)
    (tmp_path / "lungs.npz").write_bytes(b"PK no masks")
    with pytest.raises(DataError, match=r"lungs\.npz: holds no lung masks; delete it"):
        LungMasks.open(tmp_path / "lungs.npz")

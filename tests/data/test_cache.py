"""The prepared cache holds exactly what reading and preparing a film gives, whatever befell its build."""

import hashlib
import json
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from generated import chest_like
from pneumoscope.data import cache as cache_module
from pneumoscope.data import plate_store
from pneumoscope.data.cache import PlateCache, build_cache, cache_name
from pneumoscope.errors import DataError
from pneumoscope.image.prepare import PrepareParameters, make_plate
from pneumoscope.image.read import read

SMALL = PrepareParameters(size=32, cut_frame=True)


@dataclass(frozen=True)
class Row:
    sha256: str
    path: str


def write_films(root: Path, count: int, first: int = 0) -> list[Row]:
    """Write `count` different films in several formats and depths."""
    rows = []
    for seed in range(first, first + count):
        film = chest_like(seed, height=96 + seed % 7, width=84 + seed % 5).clip(10)
        film = np.pad(film, ((9, 0), (4, 7))) if seed % 4 == 1 else film
        path = root / f"film-{seed}.{('png', 'jpg', 'tiff')[seed % 3]}"
        if seed % 6 == 0:
            Image.fromarray(film.astype(np.uint16) * 257).save(path)
        else:
            Image.fromarray(film).save(path)
        rows.append(Row(hashlib.sha256(path.read_bytes()).hexdigest(), path.name))
    return rows


def assert_equal_to_files(cache: PlateCache, rows: list[Row], root: Path) -> None:
    for row in rows:
        film = read(root / row.path)
        expected, geometry = make_plate(film, cache.parameters)
        np.testing.assert_array_equal(cache.plates[cache.index_of(row.sha256)], expected)
        if cache.parameters.fit != "centre-crop":
            assert (cache.inside(row.sha256) or (0, 0, film.height, film.width)) == geometry.film_box


@pytest.mark.parametrize(
    "parameters",
    [
        SMALL,
        PrepareParameters(size=48, fit="stretch", intensity="percentile"),
        PrepareParameters(size=48, fit="stretch", intensity="percentile", cut_frame=True),
        PrepareParameters(size=40, fit="centre-crop", resample="lanczos"),
    ],
    ids=cache_name,
)
def test_plates_equal_make_plate(tmp_path: Path, parameters: PrepareParameters) -> None:
    rows = write_films(tmp_path, 12)
    cache = build_cache(rows, tmp_path, parameters, tmp_path / "cache", workers=1)
    assert cache.plates.shape == (12, parameters.size, parameters.size)
    assert cache.plates.dtype == np.uint8
    assert not cache.plates.flags.writeable
    assert [cache.index_of(row.sha256) for row in rows] == list(range(12))
    assert_equal_to_files(cache, rows, tmp_path)
    reopened = PlateCache.open(tmp_path / "cache")
    assert reopened.parameters == parameters
    reopened.verify(rows, tmp_path)
    np.testing.assert_array_equal(np.load(tmp_path / "cache" / "plates.npy"), cache.plates)


def test_processes_give_the_bytes_of_one(tmp_path: Path) -> None:
    rows = write_films(tmp_path, 70)
    build_cache(rows, tmp_path, SMALL, tmp_path / "one", workers=1)
    seen: list[tuple[int, int]] = []
    build_cache(rows, tmp_path, SMALL, tmp_path / "two", workers=2, progress=lambda *x: seen.append(x))
    for name in ("plates.npy", "index.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert seen == [(done, 70) for done in range(1, 71)]


def test_second_build_reads_only_new_films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = write_films(tmp_path, 10)
    first = build_cache(rows, tmp_path, SMALL, tmp_path / "cache", workers=1)
    kept = np.array(first.plates)
    more = write_films(tmp_path, 5, first=10)
    made: list[str] = []
    make_chunk = cache_module._make_chunk

    def spy(tasks, *args):
        made.extend(task.path for task in tasks)
        return make_chunk(tasks, *args)

    monkeypatch.setattr(cache_module, "_make_chunk", spy)
    # A new manifest in another order, without some of the old films.
    wanted = [*more[::-1], *rows[3:]]
    cache = build_cache(wanted, tmp_path, SMALL, tmp_path / "cache", workers=1)
    assert made == [row.path for row in more[::-1]]
    np.testing.assert_array_equal(cache.plates[:10], kept)
    assert_equal_to_files(cache, rows + more, tmp_path)
    assert cache.inside(rows[1].sha256) is not None
    made.clear()
    build_cache(wanted, tmp_path, SMALL, tmp_path / "cache", workers=1)
    assert made == []


@pytest.mark.parametrize("earlier", [0, 20], ids=["first build", "growing build"])
def test_killed_build_resumes_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, earlier: int
) -> None:
    monkeypatch.setattr(cache_module, "_CHUNK", 8)
    rows = write_films(tmp_path, 40)
    for name in ("whole", "killed"):
        if earlier:
            build_cache(rows[:earlier], tmp_path, SMALL, tmp_path / name, workers=1)
    build_cache(rows, tmp_path, SMALL, tmp_path / "whole", workers=1)

    class KilledError(Exception):
        pass

    def kill(done: int, total: int) -> None:
        if done == 12:
            raise KilledError

    with pytest.raises(KilledError):
        build_cache(rows, tmp_path, SMALL, tmp_path / "killed", workers=1, progress=kill)
    if earlier:
        assert len(PlateCache.open(tmp_path / "killed")) == earlier
    else:
        with pytest.raises(DataError, match="did not finish"):
            PlateCache.open(tmp_path / "killed")
    with (tmp_path / "killed" / "journal.jsonl").open("a") as journal:
        journal.write('[3, "cut sh')
    read_again: list[int] = []
    build_cache(
        rows,
        tmp_path,
        SMALL,
        tmp_path / "killed",
        workers=1,
        progress=lambda _, total: read_again.append(total),
    )
    assert set(read_again) == {40 - earlier - 16}
    for name in ("plates.npy", "index.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes()
    assert not (tmp_path / "killed" / "journal.jsonl").exists()


def test_killed_build_resumes_with_another_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "_CHUNK", 4)
    rows = write_films(tmp_path, 24)

    def kill(done: int, total: int) -> None:
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_cache(rows, tmp_path, SMALL, tmp_path / "cache", workers=1, progress=kill)
    wanted = [rows[23], rows[2], rows[17], rows[0]]
    cache = build_cache(wanted, tmp_path, SMALL, tmp_path / "cache", workers=1)
    assert len(cache) == len(cache.plates) == 4
    assert_equal_to_files(cache, wanted, tmp_path)
    cache = build_cache(rows, tmp_path, SMALL, tmp_path / "cache", workers=1)
    assert len(cache.plates) == 24
    assert_equal_to_files(cache, rows, tmp_path)


def test_unreadable_films_are_reported_and_tried_again(tmp_path: Path) -> None:
    rows = write_films(tmp_path, 4)
    good = (tmp_path / rows[1].path).read_bytes()
    (tmp_path / rows[1].path).unlink()
    (tmp_path / rows[2].path).write_bytes(b"no film")
    broken = tmp_path / "broken.png"
    broken.write_bytes(good[:100])
    rows.append(Row(hashlib.sha256(broken.read_bytes()).hexdigest(), broken.name))
    cache = build_cache(rows, tmp_path, SMALL, tmp_path / "cache", workers=1)
    assert len(cache) == 2
    assert [failure.path for failure in cache.failures] == [rows[1].path, rows[2].path, "broken.png"]
    assert "cannot be opened" in cache.failures[0].reason
    assert "not the one of the manifest" in cache.failures[1].reason
    assert rows[1].sha256 not in cache
    with pytest.raises(DataError, match="cannot be opened"):
        cache.index_of(rows[1].sha256)
    (tmp_path / rows[1].path).write_bytes(good)
    cache = build_cache(rows, tmp_path, SMALL, tmp_path / "cache", workers=1)
    assert [failure.path for failure in cache.failures] == [rows[2].path, "broken.png"]
    assert_equal_to_files(cache, [rows[0], rows[1], rows[3]], tmp_path)


def test_equal_files_share_one_plate(tmp_path: Path) -> None:
    rows = write_films(tmp_path, 2)
    copy = tmp_path / "copy.png"
    copy.write_bytes((tmp_path / rows[0].path).read_bytes())
    cache = build_cache(
        [*rows, Row(rows[0].sha256, copy.name)], tmp_path, SMALL, tmp_path / "cache", workers=1
    )
    assert len(cache) == len(cache.plates) == 2


def test_cache_of_other_parameters_is_refused(tmp_path: Path) -> None:
    rows = write_films(tmp_path, 2)
    build_cache(rows, tmp_path, SMALL, tmp_path / "cache", workers=1)
    with pytest.raises(DataError, match="its own directory"):
        build_cache(rows, tmp_path, PrepareParameters(size=32, mean=0.4), tmp_path / "cache", workers=1)


def alter_plate(directory: Path) -> None:
    plates = np.load(directory / "plates.npy", mmap_mode="r+")
    plates[1, 5, 5] ^= 1
    plates.flush()


def cut_plates(directory: Path) -> None:
    content = (directory / "plates.npy").read_bytes()
    (directory / "plates.npy").write_bytes(content[:-10])


def other_shape(directory: Path) -> None:
    np.save(directory / "plates.npy", np.zeros((3, 16, 16), np.uint8))


def too_few(directory: Path) -> None:
    np.save(directory / "plates.npy", np.load(directory / "plates.npy")[:2])


def edit_index(**changes: object):
    def damage(directory: Path) -> None:
        stored = json.loads((directory / "index.json").read_text())
        (directory / "index.json").write_text(json.dumps(stored | changes))

    return damage


def cut_index(directory: Path) -> None:
    (directory / "index.json").write_text((directory / "index.json").read_text()[:-20])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (alter_plate, "was altered"),
        (cut_plates, "cannot be mapped"),
        (other_shape, "not uint8"),
        (too_few, "holds 2 plates"),
        (cut_index, "not the index"),
        (edit_index(parameters_sha256="0" * 64), "do not give the stored hash"),
        (edit_index(parameters={"size": 8}), "not the index"),
        (edit_index(format=99), "cache format 99"),
        (edit_index(films=[["a", 1], ["a", 2], ["b", 3]]), "two rows"),
        (lambda directory: (directory / "plates.npy").unlink(), "cannot be mapped"),
        (lambda directory: (directory / "index.json").unlink(), "no plate cache here"),
    ],
)
def test_damaged_cache_is_refused(tmp_path: Path, damage, message: str) -> None:
    rows = write_films(tmp_path, 3)
    build_cache(rows, tmp_path, SMALL, tmp_path / "cache", workers=1)
    damage(tmp_path / "cache")
    with pytest.raises(DataError, match=message):
        PlateCache.open(tmp_path / "cache")


def test_plates_of_other_code_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = write_films(tmp_path, 3)
    real = cache_module.make_plate

    def brighter(film, parameters, **known):
        plate, geometry = real(film, parameters)
        return plate // 2, geometry

    monkeypatch.setattr(cache_module, "make_plate", brighter)
    cache = build_cache(rows, tmp_path, SMALL, tmp_path / "cache", workers=1)
    cache.verify(rows, tmp_path)
    monkeypatch.undo()
    with pytest.raises(DataError, match="not what this version makes"):
        cache.verify(rows, tmp_path)
    with pytest.raises(DataError, match="not what this version makes"):
        build_cache(rows, tmp_path, SMALL, tmp_path / "cache", workers=1)


def test_one_build_at_a_time(tmp_path: Path) -> None:
    rows = write_films(tmp_path, 1)
    (tmp_path / "cache").mkdir()
    with plate_store.lock(tmp_path / "cache"), pytest.raises(DataError, match="another build"):
        build_cache(rows, tmp_path, SMALL, tmp_path / "cache", workers=1)


def test_what_is_there_is_opened_while_another_build_runs(tmp_path: Path) -> None:
    rows = write_films(tmp_path, 2)
    build_cache(rows, tmp_path, SMALL, tmp_path / "cache", workers=1)
    with plate_store.lock(tmp_path / "cache"):
        assert len(build_cache(rows[:1], tmp_path, SMALL, tmp_path / "cache", workers=1)) == 2


def test_pickle_carries_the_place_not_the_plates(tmp_path: Path) -> None:
    rows = write_films(tmp_path, 3)
    cache = build_cache(rows, tmp_path, SMALL, tmp_path / "cache", workers=1)
    content = pickle.dumps(cache)
    assert len(content) < 1000
    np.testing.assert_array_equal(pickle.loads(content).plates, cache.plates)


def test_nothing_to_cache_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no films"):
        build_cache([], tmp_path, SMALL, tmp_path / "cache")


@pytest.mark.pool
def test_plates_of_real_films_equal_make_plate(pool: Path, tmp_path: Path) -> None:
    paths = [
        *sorted((pool / "full-size").rglob("*.j*"))[:2],
        *sorted((pool / "dicom").glob("*.dcm"))[:1],
        *sorted((pool / "rsna-lungs" / "images").iterdir())[:8],
    ]
    rows = [
        Row(hashlib.sha256(path.read_bytes()).hexdigest(), path.relative_to(pool).as_posix())
        for path in paths
    ]
    cache = build_cache(rows, pool, PrepareParameters(size=160), tmp_path / "cache", workers=1)
    assert not cache.failures
    assert_equal_to_files(cache, rows, pool)

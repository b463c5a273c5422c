"""What `bench` measures, on clocks of the test's own."""

from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from generated import chest_like
from pneumoscope.batch import bench
from pneumoscope.batch.bench import STAGES, measure_films, spread_sample
from pneumoscope.errors import UsageError
from pneumoscope.runtime.bundle import open_bundle
from pneumoscope.runtime.predictor import Predictor
from tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor(open_bundle(make_tiny_bundle(tmp_path_factory.mktemp("tiny"))))


@pytest.fixture
def films(tmp_path: Path) -> list[str]:
    paths = []
    for seed, height in enumerate((100, 200, 400)):
        path = tmp_path / f"{seed}.png"
        Image.fromarray(chest_like(seed, height=height, width=100)).save(path)
        paths.append(str(path))
    return paths


def clock(monkeypatch: pytest.MonkeyPatch, *, working: float) -> None:
    """Each look at the clock is a second after the last one, of which a share was spent at work."""
    passed, worked = count(), count()
    monkeypatch.setattr(
        bench,
        "time",
        SimpleNamespace(perf_counter=lambda: next(passed), thread_time=lambda: working * next(worked)),
    )


@pytest.mark.parametrize(("working", "quiet"), [(1.0, True), (0.5, False)])
def test_figures_follow_the_clock(
    predictor: Predictor, films: list[str], monkeypatch: pytest.MonkeyPatch, working: float, quiet: bool
) -> None:
    clock(monkeypatch, working=working)
    report = measure_films(predictor, films, workers=3, rounds=2)
    assert report.films == 3
    assert report.megapixels == pytest.approx(200 * 100 / 1e6)
    assert report.megabytes == pytest.approx(Path(films[1]).stat().st_size / 1e6)
    # The tiny bundle has no guard; a score is reading, preparing and the network.
    assert report.milliseconds == dict.fromkeys([stage for stage in STAGES if stage != "guard"], 1000.0)
    assert report.score_milliseconds == 3000.0
    assert report.quiet is quiet
    alone, together = report.throughput
    assert (alone.threads, alone.network, alone.films) == (1, 32.0, 32.0)
    assert (together.threads, together.network, together.films) == (3, 96.0, 96.0)
    assert together.share_of_network == 1.0
    assert report.peak_megabytes is not None
    assert report.peak_megabytes > 10


def test_films_without_a_score_are_left_out_and_named(
    predictor: Predictor, films: list[str], tmp_path: Path
) -> None:
    text = tmp_path / "film.dcm"
    text.write_text("not a film")
    report = measure_films(predictor, [str(text), *films], workers=1, rounds=1)
    assert report.films == 3
    assert [path for path, _ in report.left_out] == [str(text)]
    assert "it is text" in report.left_out[0][1]
    assert [one.threads for one in report.throughput] == [1]
    with pytest.raises(
        UsageError, match=r"none of these films can be scored, for example .*film\.dcm: it is text"
    ):
        measure_films(predictor, [str(text)], workers=1, rounds=1)


def test_sample_is_spread_over_the_list() -> None:
    films = [str(number) for number in range(10)]
    assert spread_sample(films, 100) == films
    assert spread_sample(films, 5) == ["0", "2", "4", "6", "8"]
    assert len(set(spread_sample(films, 7))) == 7

"""Same film, same bits; and the numbers are those of an independent computation."""

import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset

from generated import chest_like
from pneumoscope import errors, load
from pneumoscope.cli.sample import sample_film
from pneumoscope.image.prepare import PrepareParameters, prepare
from pneumoscope.image.read import read
from pneumoscope.runtime.bundle import Bundle, find_bundle, open_bundle
from pneumoscope.runtime.film import Failure, Film
from pneumoscope.runtime.predictor import Predictor
from tiny_bundle import TINY_BIAS, make_tiny_bundle, tiny_card


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 films of different sizes, f00.png to f63.png."""
    folder = tmp_path_factory.mktemp("films")
    for seed in range(64):
        film = chest_like(seed, height=96 + 8 * (seed % 7), width=120 + 8 * (seed % 5), opacity=seed % 2 == 1)
        Image.fromarray(film).save(folder / f"f{seed:02}.png")
    return folder


@pytest.fixture(scope="module")
def paths(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.iterdir())


def bits(film: Film | Failure) -> tuple[bytes, ...]:
    """All that was computed, to be compared exactly."""
    assert isinstance(film, Film)
    return np.float64([film.probability, film.logit]).tobytes(), film.cam.tobytes(), film.heatmap.tobytes()


def test_numbers_are_those_of_the_reference_evaluator(predictor: Predictor, paths: list[str]) -> None:
    network = ReferenceEvaluator(onnx.load_from_string(predictor.bundle.onnx))
    findings = set()
    for path in paths[:8]:
        film = predictor.predict(path)
        plate, geometry = prepare(read(path), predictor.bundle.card.prepare)
        logit, cam = network.run(["logit", "cam"], {"film": plate[np.newaxis]})
        assert film.logit == pytest.approx(logit[0], abs=1e-4)
        assert film.probability == pytest.approx(1 / (1 + np.exp(-logit[0] / 1.5)), abs=1e-4)
        assert film.finding == ("PNEUMONIA" if film.probability >= 0.5 else "NORMAL")
        np.testing.assert_allclose(film.cam, cam[0], atol=1e-4)
        assert film.cam.mean() + TINY_BIAS == pytest.approx(film.logit, abs=1e-4)
        np.testing.assert_array_equal(film.heatmap, geometry.to_film(film.cam))
        findings.add(film.finding)
    assert findings == {"PNEUMONIA", "NORMAL"}


def test_repeat_gives_equal_bits(predictor: Predictor, paths: list[str], bundle: Bundle) -> None:
    first = [bits(predictor.predict(path)) for path in paths[:8]]
    assert [bits(predictor.predict(path)) for path in paths[:8]] == first
    assert [bits(Predictor(bundle).predict(path)) for path in paths[:8]] == first


def test_alone_or_among_64_gives_equal_bits(predictor: Predictor, paths: list[str]) -> None:
    together = [bits(film) for film in predictor.predict_many(paths)]
    assert len(together) == 64
    assert [bits(film) for path in reversed(paths) for film in predictor.predict_many([path])] == together[
        ::-1
    ]


def test_eight_threads_at_once_give_equal_bits(predictor: Predictor, paths: list[str]) -> None:
    alone = [bits(predictor.predict(path)) for path in paths]
    together = threading.Barrier(8)

    def score(_: int) -> list[tuple[bytes, ...]]:
        together.wait()
        return [bits(predictor.predict(path)) for path in paths]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(score, range(8))) == [alone] * 8


def test_every_kind_of_source_gives_equal_bits(predictor: Predictor, folder: Path, tmp_path: Path) -> None:
    path = folder / "f03.png"
    image = Image.open(path)
    pixels = np.asarray(image)
    image.save(tmp_path / "film.tif")
    expected = bits(predictor.predict(str(path)))
    for source in (
        path,
        path.read_bytes(),
        io.BytesIO(path.read_bytes()),
        image,
        pixels,
        tmp_path / "film.tif",
    ):
        assert bits(predictor.predict(source)) == expected


def dicom(path: Path, pixels: np.ndarray) -> None:
    """Write a frontal chest film whose stored values are `pixels`, uint8 or uint16."""
    film = Dataset()
    film.SOPClassUID, film.SOPInstanceUID = uid.ComputedRadiographyImageStorage, "1.2.3"
    film.Modality, film.BodyPartExamined, film.ViewPosition = "CR", "CHEST", "PA"
    film.Rows, film.Columns = pixels.shape
    film.SamplesPerPixel, film.PhotometricInterpretation, film.PixelRepresentation = 1, "MONOCHROME2", 0
    film.BitsAllocated = film.BitsStored = 8 * pixels.itemsize
    film.HighBit = film.BitsStored - 1
    film.PixelData = pixels.tobytes()
    film["PixelData"].VR = "OW"
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    film.save_as(path, enforce_file_format=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_equal_pixels_in_any_format_give_equal_bits(
    predictor: Predictor, tmp_path: Path, dtype: type
) -> None:
    pixels = chest_like(7, height=180, width=160).astype(dtype)
    if dtype is np.uint16:
        pixels = pixels * np.uint16(257) - np.arange(160, dtype=np.uint16) * (pixels > 0)
    for suffix in ("png", "tif"):
        Image.fromarray(pixels).save(tmp_path / f"film.{suffix}")
    dicom(tmp_path / "film.dcm", pixels)
    expected = bits(predictor.predict(pixels))
    for suffix in ("png", "tif", "dcm"):
        assert bits(predictor.predict(tmp_path / f"film.{suffix}")) == expected


def test_a_film_carries_the_name_it_was_given(predictor: Predictor, folder: Path) -> None:
    film = predictor.predict((folder / "f00.png").read_bytes(), name="ward 3")
    assert film.path == "ward 3"
    with pytest.raises(errors.UnreadableFilmError, match=r"^ward 4: "):
        predictor.predict(b"", name="ward 4")


@pytest.mark.parametrize(("name", "threshold"), [("screening", 0.35), ("balanced", 0.5), ("rule-in", 0.8)])
def test_operating_point_decides(bundle: Bundle, name: str, threshold: float, paths: list[str]) -> None:
    predictor = Predictor(bundle, operating_point=name)
    for film in predictor.predict_many(paths[:6]):
        assert isinstance(film, Film)
        assert (film.operating_point, film.threshold) == (name, threshold)
        assert (film.finding == "PNEUMONIA") == (film.probability >= threshold)


def test_probability_on_the_threshold_is_pneumonia(
    predictor: Predictor, tmp_path: Path, paths: list[str]
) -> None:
    exact = predictor.predict(paths[1]).probability
    points = dict(predictor.bundle.card.operating_points)
    points["balanced"] = points["balanced"].model_copy(update={"threshold": exact})
    on = load(make_tiny_bundle(tmp_path / "on", operating_points=points))
    points["balanced"] = points["balanced"].model_copy(update={"threshold": np.nextafter(exact, 1)})
    above = load(make_tiny_bundle(tmp_path / "above", operating_points=points))
    assert on.predict(paths[1]).finding == "PNEUMONIA"
    assert above.predict(paths[1]).finding == "NORMAL"


@pytest.mark.parametrize("temperature", [1e-4, 1e4])
def test_extreme_temperature_stays_a_probability(
    tmp_path: Path, temperature: float, paths: list[str]
) -> None:
    predictor = load(make_tiny_bundle(tmp_path, temperature=temperature))
    for film in predictor.predict_many(paths[:8]):
        assert isinstance(film, Film)
        assert 0.0 <= film.probability <= 1.0
        assert (film.probability > 0.5) == (film.logit > 0)


def test_many_is_lazy_in_order_and_survives_bad_films(predictor: Predictor, paths: list[str]) -> None:
    taken: list[str] = []

    def sources() -> Iterator[str | bytes]:
        for source in (paths[0], b"no film", "/nowhere/film.png", paths[1]):
            taken.append(str(source))
            yield source

    films = predictor.predict_many(sources())
    assert taken == []
    first = next(films)
    assert len(taken) == 1
    assert isinstance(first, Film)
    assert first.path == paths[0]
    bad, absent, last = films
    assert isinstance(bad, Failure)
    assert (bad.path, bad.status) == ("<bytes>", "error")
    assert isinstance(absent, Failure)
    assert absent.path == "/nowhere/film.png"
    assert isinstance(last, Film)
    assert last.path == paths[1]


@pytest.mark.parametrize(
    "single", ["film.png", b"\x89PNG", Path("film.png"), io.BytesIO(), Image.new("L", (80, 80))]
)
def test_a_single_film_is_not_taken_for_many(predictor: Predictor, single: object) -> None:
    with pytest.raises(errors.UsageError, match="put a single one into a list"):
        predictor.predict_many(single)  # type: ignore[arg-type]


def test_film_of_two_greys_is_not_said_to_have_one(tmp_path: Path) -> None:
    card = tiny_card()
    parameters = card.prepare.model_copy(update={"intensity": "percentile"})
    make_tiny_bundle(tmp_path, prepare=parameters, prepare_sha256=parameters.sha256())
    two = np.zeros((100, 100), np.uint8)
    two[:, 50:] = 255
    failure = load(tmp_path).attempt(two)
    assert isinstance(failure, Failure)
    assert failure.status == "rejected"
    assert "all or nearly all of its foreground is one grey" in failure.reason


def test_blank_film_is_rejected(predictor: Predictor) -> None:
    blank = np.full((200, 200), 7, dtype=np.uint8)
    with pytest.raises(errors.RejectedFilmError):
        predictor.predict(blank)
    failure = predictor.attempt(blank, name="blank")
    assert isinstance(failure, Failure)
    assert failure.status == "rejected"


def test_film_too_large_for_memory_is_a_failure(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("pneumoscope.runtime.predictor.read", exhausted)
    for source, called in (("film.png", "film.png"), (Path("a.png"), "a.png"), (b"", "<bytes>")):
        failure = predictor.attempt(source)
        assert isinstance(failure, Failure)
        assert (failure.path, failure.status) == (called, "error")
        assert "memory" in failure.reason


def test_network_without_a_finite_number_gives_none(bundle: Bundle, paths: list[str]) -> None:
    predictor = Predictor(bundle)

    class Broken:
        def run(self, *_: object) -> list[np.ndarray]:
            return [np.float32([np.nan]), np.zeros((1, 8, 8), np.float32)]

    predictor._session = Broken()  # type: ignore[assignment]
    failure = predictor.attempt(paths[0])
    assert isinstance(failure, Failure)
    assert failure.status == "error"
    assert "finite" in failure.reason


def test_result_cannot_be_changed(predictor: Predictor, paths: list[str]) -> None:
    film = predictor.predict(paths[0])
    with pytest.raises(FrozenInstanceError):
        film.probability = 0.0  # type: ignore[misc]
    for array in (film.cam, film.heatmap):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1.0


def test_wrong_arguments(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(errors.UsageError, match=r"'rule-out'.*screening, balanced, rule-in"):
        Predictor(bundle, operating_point="rule-out")
    with pytest.raises(errors.UsageError, match="threads is 0"):
        Predictor(bundle, threads=0)
    with pytest.raises(errors.BundleError, match=r"no bundle 'nothing'"):
        load("nothing")
    assert load(bundle.directory).bundle.sha256 == open_bundle(bundle.directory).sha256


def test_other_operating_point_is_the_same_network(tmp_path: Path) -> None:
    bundle = open_bundle(make_tiny_bundle(tmp_path))
    balanced = Predictor(bundle)
    for name in ("screening", "balanced", "rule-in"):
        there, alone = balanced.at(name), Predictor(bundle, operating_point=name)
        film = chest_like(3, opacity=True)
        assert bits(there.predict(film)) == bits(alone.predict(film))
        assert there.predict(film).record() == alone.predict(film).record()
    assert balanced.operating_point == "balanced"
    with pytest.raises(errors.UsageError, match="mine"):
        balanced.at("mine")


@pytest.mark.parametrize(("border", "told"), [(0, False), (20, False), (150, True)])
def test_a_bundle_that_keeps_the_frame_tells_of_a_wide_one(tmp_path, border, told):
    picture = np.pad(chest_like(3, height=300, width=260).clip(20, 230), border)
    kept = Predictor(open_bundle(make_tiny_bundle(tmp_path / "kept")))
    notes = " ".join(kept.predict(picture).radiograph.warnings)
    assert ("of the picture: crop the empty frame away" in notes) == told

    prepare = PrepareParameters(size=64, intensity="percentile", cut_frame=True)
    changes = {"prepare": prepare, "prepare_sha256": prepare.sha256()}
    cut = Predictor(open_bundle(make_tiny_bundle(tmp_path / "cut", **changes)))
    assert not cut.predict(picture).radiograph.warnings
    assert cut.predict(picture).probability == cut.predict(picture[border:, border:][:300, :260]).probability
    picture[:9, :9] = 255 - picture[:9, :9]  # a letter in the corner
    notes = " ".join(cut.predict(picture).radiograph.warnings)
    assert ("the empty frame, in which there is grain or writing, away" in notes) == told


@pytest.mark.parametrize(("greys", "width"), [((255, 0, 128), 120), ((0,), 700)])
def test_the_guard_judges_the_film_without_the_frame_that_is_cut(greys, width):
    shipped = Predictor(open_bundle(find_bundle()))
    film = read(np.ascontiguousarray(read(sample_film()).pixels[::4, ::4]))
    plain = shipped.score(film)
    picture = film.pixels
    for grey in greys:
        picture = np.pad(picture, width, constant_values=grey * (int(np.iinfo(picture.dtype).max) // 255))
    framed = shipped.score(replace(film, pixels=picture))
    assert framed.logit == plain.logit
    assert framed.radiograph.warnings == plain.radiograph.warnings

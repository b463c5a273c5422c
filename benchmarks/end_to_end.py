"""How close does scoring files come to its limits, decoding alone and the network alone?

    python benchmarks/end_to_end.py --out benchmarks/results/end_to_end.json
    python benchmarks/end_to_end.py --films DIR --model NAME|DIR --workers 2

Five kinds of files: the JPEGs of the pool's `full-size` and its DICOM films of 1,024 pixels, which hold JPEG
(without the pool: the sample film as JPEG), and the
sample film of pydicom-data with 1,024 pixels on its longer side, 12 bits, in eight slightly different cuts,
as DICOM: uncompressed, JPEG 2000 lossless, and JPEG lossless. --films measures other ones instead.

Every round measures, in turn and on the same files: decoding alone (file to the network's input), the guard
alone and the network alone (on films and plates that are ready), each on one core; decoding and the network
on all cores that are asked for; then files to records, on all of them, with threads and with processes,
start-up and stopping excluded. Processes are what `predict` uses for 500 films and more, and for a job that
survives; threads what it uses for fewer. Three quotients follow for either engine, medians over the rounds:

- `of_slower_limit`: against the slower of decoding and the network, each on one core. That is what two cores
  allow where each has a stage to itself, and it is the one that is wanted, of the faster engine;
- `of_slower_limit_all_cores`: against the slower of the two, each on all cores; the work of the other one and
  of the guard makes 1 unreachable;
- `of_possible`: against all the work, decoding, guard and network, spread evenly over all cores. 1 is an
  engine that costs nothing.

Then what the evidence costs, in one thread: a score with the map at the film's own size against a score
alone, from the file, and the network with both outputs against the logit alone.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

# As `predict` does before numpy begins: each film has a thread, and those of BLAS would stand in its way.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import gdcm
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom import uid
from pydicom.dataset import FileDataset

from pneumoscope.batch.bench import spread_sample
from pneumoscope.batch.local import default_workers, map_in_order
from pneumoscope.batch.outputs import OutputFolders
from pneumoscope.batch.plan import plan_films
from pneumoscope.batch.processes import map_in_processes
from pneumoscope.batch.scoring import FilmScorer, MakeScorer, lost_film
from pneumoscope.image.prepare import prepare
from pneumoscope.image.read import read
from pneumoscope.image.sample import sample_path
from pneumoscope.runtime.bundle import Bundle, find_bundle, open_bundle
from pneumoscope.runtime.predictor import Predictor
from pneumoscope.runtime.session import open_session

WANTED = 0.85
EVIDENCE_WANTED = 1.10
FULL_SIZE = Path(__file__).resolve().parents[2] / "shared" / "data" / "full-size"
LONGER_SIDE, BITS, CUTS, MOST = 1024, 12, 8, 24
COMPRESSED = {
    "dicom_jpeg2000": gdcm.TransferSyntax.JPEG2000Lossless,
    "dicom_jpeg_lossless": gdcm.TransferSyntax.JPEGLosslessProcess14_1,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--films", nargs="+", help="files or folders, in place of these kinds")
    parser.add_argument("--model", help="a shipped bundle or the folder of one")
    parser.add_argument("--workers", type=int, default=default_workers())
    parser.add_argument("--repeat", type=int, default=100, help="films per measurement, at least")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="JSON with every single measurement")
    options = parser.parse_args()
    bundle = open_bundle(find_bundle(options.model))
    report: dict[str, Any] = {
        "bundle": bundle.identity,
        "workers": options.workers,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "limit": "the slower of decoding alone and the network alone, each on one core",
        "wanted": {"of_slower_limit": WANTED, "evidence": EVIDENCE_WANTED},
        "kinds": {},
    }
    with tempfile.TemporaryDirectory() as scratch:
        kinds = {"films": _planned(options.films)} if options.films else _kinds(Path(scratch))
        for kind, files in kinds.items():
            films = _accepted(bundle, spread_sample(files, MOST))
            rounds = [
                _speeds(bundle, films, options.workers, options.repeat) | _evidence(bundle, films)
                for _ in range(options.rounds)
            ]
            median = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
            report["kinds"][kind] = {"films": len(films), "median": median, "rounds": rounds}
            _say(kind, median)
    medians = [one["median"] for one in report["kinds"].values()]
    report["quiet"] = min(median["core_owned"] for median in medians) > 0.9
    if not report["quiet"]:
        print("Other work ran on this machine: measure again on a quiet one.")
    if options.out is not None:
        options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    reached = report["quiet"] and all(
        max(median[f"{engine}_of_slower_limit"] for engine in ("threads", "processes")) >= WANTED
        and median["evidence_from_file"] <= EVIDENCE_WANTED
        for median in medians
    )
    return 0 if reached else 1


def _speeds(bundle: Bundle, films: Sequence[str], workers: int, repeat: int) -> dict[str, float]:
    """Films per second of everything, once, and the quotients."""
    many = [films[number % len(films)] for number in range(max(repeat, len(films)))]
    predictor = Predictor(bundle)
    parameters = bundle.card.prepare
    read_films = [read(film) for film in films]
    plates = [prepare(film, parameters)[0] for film in read_films]
    numbers = range(len(many))

    def decode(number: int) -> None:
        prepare(read(many[number]), parameters)

    def network(number: int) -> None:
        predictor.infer(plates[number % len(plates)])

    def guard(number: int) -> None:
        if predictor.guard is not None:
            predictor.guard.check(read_films[number % len(films)])

    at_work, begun = time.thread_time(), time.perf_counter()
    speeds = {"network_one_core": _speed(map_in_order(network, numbers, 1), 0)}
    speeds["core_owned"] = (time.thread_time() - at_work) / (time.perf_counter() - begun)
    folders = OutputFolders(many, overlays=None, heatmaps=None)
    speeds |= {
        "decode_one_core": _speed(map_in_order(decode, numbers, 1), 0),
        "guard_one_core": _speed(map_in_order(guard, numbers, 1), 0),
        "decode_all_cores": _speed(map_in_order(decode, numbers, workers), workers),
        "network_all_cores": _speed(map_in_order(network, numbers, workers), workers),
        "threads": _speed(map_in_order(FilmScorer(predictor, folders), enumerate(many), workers), workers),
        "processes": _speed(
            map_in_processes(MakeScorer(bundle, "balanced", folders), enumerate(many), workers, lost_film),
            8 * workers,
        ),
    }
    work = 1 / speeds["decode_one_core"] + 1 / speeds["guard_one_core"] + 1 / speeds["network_one_core"]
    limits = {
        "of_slower_limit": min(speeds["decode_one_core"], speeds["network_one_core"]),
        "of_slower_limit_all_cores": min(speeds["decode_all_cores"], speeds["network_all_cores"]),
        "of_possible": min(workers, os.cpu_count() or 1) / work,
    }
    for engine in ("threads", "processes"):
        for name, limit in limits.items():
            speeds[f"{engine}_{name}"] = speeds[engine] / limit
    return speeds


def _evidence(bundle: Bundle, films: Sequence[str]) -> dict[str, float]:
    """Time with evidence by time without, in one thread, film for film."""
    predictor = Predictor(bundle)
    session = open_session(bundle)
    plates = [prepare(read(film), bundle.card.prepare)[0][np.newaxis] for film in films]

    def quotient(more: Callable[[int], object], less: Callable[[int], object]) -> float:
        times = np.array([[_seconds(what, number) for what in (less, more)] for number in range(len(films))])
        return float(times[:, 1].sum() / times[:, 0].sum())

    return {
        "evidence_from_file": quotient(
            lambda number: predictor.predict(films[number]).heatmap,
            lambda number: predictor.predict(films[number]),
        ),
        "evidence_in_network": quotient(
            lambda number: session.run(["logit", "cam"], {"film": plates[number]}),
            lambda number: session.run(["logit"], {"film": plates[number]}),
        ),
    }


def _seconds(function: Callable[[int], object], number: int) -> float:
    """The shortest of three."""
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        function(number)
        times.append(time.perf_counter() - begun)
    return min(times)


def _speed(results: Generator[Any, None, None], warm_up: int) -> float:
    """Results per second, without the first `warm_up` and what it takes to get there, and without the end.

    Processes that have nothing left to do take a tenth of a second to stop, as long as ten films.
    """
    done = 0
    begun = ended = time.perf_counter()
    for _ in results:
        done += 1
        ended = time.perf_counter()
        if done == warm_up:
            begun = ended
    return (done - warm_up) / (ended - begun)


def _say(kind: str, median: dict[str, float]) -> None:
    print(f"{kind}: threads {median['threads']:.1f} films/s, processes {median['processes']:.1f}")
    print(
        "  one core: "
        + ", ".join(f"{stage} {median[f'{stage}_one_core']:.1f}" for stage in ("decode", "guard", "network"))
    )
    for engine in ("threads", "processes"):
        quotients = (
            f"{median[f'{engine}_{name}']:.2f} {name}" for name in ("of_slower_limit", "of_possible")
        )
        print(f"  {engine}: {', '.join(quotients)} (wanted: {WANTED})")
    print(
        f"  with evidence: {median['evidence_from_file']:.3f} from the file, "
        f"{median['evidence_in_network']:.3f} in the network (wanted: {EVIDENCE_WANTED} at most)"
    )


def _planned(paths: Sequence[str]) -> Sequence[str]:
    with Path(os.devnull).open() as nothing:
        return plan_films(paths, nothing).films


def _accepted(bundle: Bundle, films: Sequence[str]) -> list[str]:
    """Those that get a score: a film that is refused never reaches the network."""
    predictor = Predictor(bundle)
    accepted = [film for film in films if predictor.attempt(film).record()["status"] == "ok"]
    if not accepted:
        sys.exit(f"none of these films gets a score, {films[0]} for example")
    return accepted


def _kinds(scratch: Path) -> dict[str, Sequence[str]]:
    """The four kinds of files, by name."""
    sample = sample_path()
    if sample is None:
        sys.exit("The sample film is missing: pip install pydicom-data")
    cuts = _cuts(read(sample).pixels)
    kinds: dict[str, list[str]] = {}
    for number, pixels in enumerate(cuts):
        film = scratch / f"{number}.dcm"
        _write_dicom(sample, pixels, film)
        kinds.setdefault("dicom_uncompressed", []).append(str(film))
        for kind, syntax in COMPRESSED.items():
            compressed = scratch / f"{number}-{kind}.dcm"
            _compress(film, syntax, compressed)
            kinds.setdefault(kind, []).append(str(compressed))
        jpeg = scratch / f"{number}.jpeg"
        Image.fromarray((pixels >> (BITS - 8)).astype(np.uint8)).save(jpeg, quality=95)
        kinds.setdefault("jpeg", []).append(str(jpeg))
    if FULL_SIZE.is_dir():
        del kinds["jpeg"]
        return {
            "jpeg_full_size": _planned([str(FULL_SIZE)]),
            "dicom_jpeg": _planned([str(FULL_SIZE.with_name("dicom"))]),
            **kinds,
        }
    return dict(kinds)


def _cuts(pixels: NDArray[np.uint16]) -> list[NDArray[np.uint16]]:
    """The film without up to 3 % of each margin, scaled: (H, W) uint16 of `BITS` bits."""
    generator = np.random.default_rng(6)
    whole = Image.fromarray(pixels.astype(np.float32) / (1 << (16 - BITS)))
    cuts = []
    for _ in range(CUTS):
        left, top, right, bottom = generator.uniform(0, 0.03, 4) * (whole.size * 2)
        box = (left, top, whole.width - right, whole.height - bottom)
        scale = LONGER_SIDE / max(box[2] - box[0], box[3] - box[1])
        size = (round((box[2] - box[0]) * scale), round((box[3] - box[1]) * scale))
        cut = np.asarray(whole.resize(size, Image.Resampling.BICUBIC, box=box))
        cuts.append(np.clip(cut, 0, (1 << BITS) - 1).astype(np.uint16))
    return cuts


def _write_dicom(sample: Path, pixels: NDArray[np.uint16], path: Path) -> None:
    """The sample's header over other pixels, with a window, uncompressed."""
    film: FileDataset = pydicom.dcmread(sample)
    film.Rows, film.Columns = pixels.shape
    film.BitsStored, film.HighBit, film.PixelRepresentation = BITS, BITS - 1, 0
    film.PhotometricInterpretation = "MONOCHROME2"
    film.WindowCenter, film.WindowWidth = 1 << (BITS - 1), 1 << BITS
    for keyword in ("RescaleSlope", "RescaleIntercept", "VOILUTSequence", "SmallestImagePixelValue"):
        film.pop(keyword, None)
    film.PixelData = pixels.tobytes()
    film.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    film.save_as(path, implicit_vr=False, little_endian=True, enforce_file_format=True)


def _compress(film: Path, syntax: int, path: Path) -> None:
    reader = gdcm.ImageReader()
    reader.SetFileName(str(film))
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    if not reader.Read():
        sys.exit(f"GDCM cannot read {film}")
    change.SetInput(reader.GetImage())
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    if not change.Change():
        sys.exit(f"GDCM cannot compress {film}")
    writer.SetImage(change.GetOutput())
    if not writer.Write():
        sys.exit(f"GDCM cannot write {path}")


if __name__ == "__main__":
    sys.exit(main())

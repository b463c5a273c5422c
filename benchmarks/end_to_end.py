"""How close does scoring files come to its limits, decoding alone and the network alone?

    python benchmarks/end_to_end.py --untrained --out end_to_end.json
    python benchmarks/end_to_end.py --films DIR --model NAME|DIR --workers 2 --out end_to_end.json

Every round measures, in turn and on the same films: reading and preparing alone, the network alone (on plates
that are ready), each on one core and on all that are asked for; then files to records, with threads and with
processes, start-up excluded. Three quotients follow, medians over the rounds:

- `of_slower_limit`: against the slower of the two, each on one core, as in a pipeline of two stages;
- `of_slower_limit_all_cores`: against the slower of the two, each on all cores; the other one's work makes 1
  unreachable;
- `of_possible`: against the time that both together take, spread evenly over all cores. 1 is an engine that
  costs nothing.

Without --films they are artificial JPEG films of 1,800 x 1,400 pixels.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from pneumoscope.batch.local import map_in_order
from pneumoscope.batch.outputs import OutputFolders
from pneumoscope.batch.plan import plan_films
from pneumoscope.batch.processes import map_in_processes
from pneumoscope.batch.scoring import FilmScorer, MakeScorer, lost_film
from pneumoscope.image.prepare import prepare
from pneumoscope.image.read import read
from pneumoscope.runtime.bundle import Bundle, find_bundle, open_bundle, write_bundle
from pneumoscope.runtime.card import Card, Estimate, OperatingPoint
from pneumoscope.runtime.predictor import Predictor
from pneumoscope.runtime.session import open_session

WANTED = 0.85
QUOTIENTS = ("of_slower_limit", "of_slower_limit_all_cores", "of_possible")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--films", nargs="+", help="files or folders")
    parser.add_argument("--model", help="a shipped bundle or the folder of one")
    parser.add_argument("--untrained", action="store_true", help="an untrained EfficientNet-Lite0 instead")
    parser.add_argument("--size", type=int, default=224, help="side of the untrained network's input")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=100, help="films per measurement, at least")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="JSON with every single measurement")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        films = _films(arguments.films, Path(scratch))
        bundle = _bundle(arguments, Path(scratch))
        rounds = [_round(bundle, films, arguments) for _ in range(arguments.rounds)]
    report = {
        "films": len(films),
        "workers": arguments.workers,
        "bundle": bundle.identity,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "rounds": rounds,
        "median": {key: statistics.median(single[key] for single in rounds) for key in rounds[0]},
    }
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report["median"], indent=2))
    reached = report["median"]["threads_of_slower_limit"], report["median"]["processes_of_slower_limit"]
    print(f"of the slower limit: threads {reached[0]:.2f}, processes {reached[1]:.2f} (wanted: {WANTED})")


def _round(bundle: Bundle, films: Sequence[str], arguments: argparse.Namespace) -> dict[str, float]:
    """Films per second of everything, once."""
    many = [films[index % len(films)] for index in range(max(arguments.repeat, len(films)))]
    parameters = bundle.card.prepare
    session = open_session(bundle)
    plates = [prepare(read(film), parameters)[0][np.newaxis] for film in films]

    def decode(index: int) -> None:
        prepare(read(many[index]), parameters)

    def network(index: int) -> None:
        session.run(["logit", "cam"], {"film": plates[index % len(plates)]})

    workers = arguments.workers
    folders = OutputFolders(many, overlays=None, heatmaps=None)
    numbers = range(len(many))
    speeds = {
        "decode_one_core": _speed(map_in_order(decode, numbers, 1), 0),
        "network_one_core": _speed(map_in_order(network, numbers, 1), 0),
        "decode_all_cores": _speed(map_in_order(decode, numbers, workers), workers),
        "network_all_cores": _speed(map_in_order(network, numbers, workers), workers),
        "threads": _speed(
            map_in_order(FilmScorer(Predictor(bundle), folders), enumerate(many), workers), workers
        ),
        "processes": _speed(
            map_in_processes(MakeScorer(bundle, "balanced", folders), enumerate(many), workers, lost_film),
            8 * workers,
        ),
    }
    for engine in ("threads", "processes"):
        speed = speeds[engine]
        limits = (
            min(speeds["decode_one_core"], speeds["network_one_core"]),
            min(speeds["decode_all_cores"], speeds["network_all_cores"]),
            1 / (1 / speeds["decode_all_cores"] + 1 / speeds["network_all_cores"]),
        )
        for name, limit in zip(QUOTIENTS, limits, strict=True):
            speeds[f"{engine}_{name}"] = speed / limit
    return speeds


def _speed(results: Generator[Any, None, None], warm_up: int) -> float:
    """Results per second, without the first `warm_up` and what it takes to get there."""
    done = 0
    begun = time.perf_counter()
    for _ in results:
        done += 1
        if done == warm_up:
            begun = time.perf_counter()
    return (done - warm_up) / (time.perf_counter() - begun)


def _films(paths: list[str] | None, scratch: Path) -> tuple[str, ...]:
    if paths:
        with Path(os.devnull).open() as nothing:
            return plan_films(paths, nothing).films
    generator = np.random.default_rng(6)
    for number in range(8):
        grain = generator.normal(0, 6, (1400, 1800))
        coarse = Image.fromarray(generator.integers(0, 256, (14, 18), dtype=np.uint8))
        shape = coarse.resize((1800, 1400), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(20))
        film = np.clip(np.asarray(shape) + grain, 0, 255).astype(np.uint8)
        Image.fromarray(film).save(scratch / f"{number}.jpeg", quality=95)
    return tuple(sorted(str(path) for path in scratch.glob("*.jpeg")))


def _bundle(arguments: argparse.Namespace, scratch: Path) -> Bundle:
    if not arguments.untrained:
        return open_bundle(find_bundle(arguments.model))
    return open_bundle(_untrained(scratch / "untrained", arguments.size))


def _untrained(directory: Path, size: int) -> Path:
    """A bundle whose weights are random: what it says means nothing, but it says it at full cost."""
    import torch

    from pneumoscope.export import to_onnx
    from pneumoscope.image.prepare import PrepareParameters
    from pneumoscope.models.registry import build_model

    torch.manual_seed(6)
    parameters = PrepareParameters(size=size)
    unknown = Estimate(value=0.5, low=0.0, high=1.0)
    point = OperatingPoint(threshold=0.5, sensitivity=unknown, specificity=unknown, split="none")
    card = Card(
        name="untrained",
        version="0",
        architecture="efficientnet_lite0",
        prepare=parameters,
        prepare_sha256=parameters.sha256(),
        temperature=1.0,
        operating_points={"screening": point, "balanced": point, "rule-in": point},
        heatmap_limit=1.0,
        training_manifest_sha256="0" * 64,
        recipe={},
        code_revision="unknown",
        intended_use="Benchmarks.",
        intended_population="None.",
        limitations=("Its weights are random numbers.",),
        training_data=(),
        created="2024-02-29",
    )
    write_bundle(directory, to_onnx(build_model("efficientnet_lite0"), size), card, "# untrained\n")
    return directory


if __name__ == "__main__":
    main()

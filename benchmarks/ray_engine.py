"""What does the Ray engine cost beside this machine's own processes, and what would a cluster do?

    python benchmarks/ray_engine.py                                   # the sample film, the shipped bundle
    python benchmarks/ray_engine.py --films DIR --model NAME|DIR
    python benchmarks/ray_engine.py --render                          # docs/scaling.md from the last results

Every round scores the same films with one and two processes and with one and two actors, in turn, start-up
excluded, and compares their records. The engine is also run with nothing to do: that shows what a chunk and a
film cost the one process that hands them out, which more machines do not make faster. The cost model is made
of these figures, on paper; no cluster of several machines was measured.

Results go to benchmarks/results/ray_engine.json, and with --render into the tables of docs/scaling.md.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from marked import filled
from pneumoscope.batch.outputs import OutputFolders
from pneumoscope.batch.plan import plan_films
from pneumoscope.batch.processes import map_in_processes
from pneumoscope.batch.ray import chunk_size, map_in_ray
from pneumoscope.batch.ray_cluster import open_cluster
from pneumoscope.batch.ray_scoring import remote_scorer
from pneumoscope.batch.scoring import MakeScorer, NumberedFilm, ScoredRecord, lost_film
from pneumoscope.runtime.bundle import Bundle, find_bundle, open_bundle
from pneumoscope.runtime.film import RECORD_FIELDS
from sample_jpegs import sample_jpegs

RESULTS = Path(__file__).parent / "results" / "ray_engine.json"
DOCS = Path(__file__).parents[1] / "docs" / "scaling.md"
WORKERS = (1, 2)
FILMS = 8
CHUNKS = (16, 256)
MACHINES = (1, 10, 100)
CORES = 16
ARCHIVE = 10_000_000
WARM_UP_PER_WORKER = 32


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--films", nargs="+", help="files or folders")
    parser.add_argument("--model", help="a shipped bundle or the folder of one")
    parser.add_argument("--repeat", type=int, default=400, help="films per measurement, at least")
    parser.add_argument("--empty", type=int, default=50_000, help="items of the engine with nothing to do")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--render", action="store_true", help="only write the tables of docs/scaling.md")
    arguments = parser.parse_args()
    if arguments.render:
        DOCS.write_text(rendered(DOCS.read_text(), json.loads(arguments.out.read_text())))
        return
    with tempfile.TemporaryDirectory() as scratch:
        report = measure(arguments, Path(scratch))
    arguments.out.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report["median"], indent=2))


def measure(arguments: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    bundle = open_bundle(find_bundle(arguments.model))
    if arguments.films:
        with Path(os.devnull).open() as nothing:
            films = plan_films(arguments.films, nothing).films
    else:
        films = sample_films(scratch)
    many = [films[index % len(films)] for index in range(max(arguments.repeat, len(films)))]
    load = os.getloadavg()[0]
    begun = time.perf_counter()
    with ExitStack() as stack:
        stack.enter_context(open_cluster(max(WORKERS)))
        started = time.perf_counter() - begun
        rounds = [score_all(bundle, many) for _ in range(arguments.rounds)]
        empty = [{str(chunk): hand_out(arguments.empty, chunk) for chunk in CHUNKS} for _ in rounds]
    median = {key: statistics.median(single[key] for single in rounds) for key in rounds[0]}
    per_chunk, per_film = costs(
        {chunk: statistics.median(one[str(chunk)] for one in empty) for chunk in CHUNKS}
    )
    median |= {
        "seconds_to_start_the_cluster": started,
        "overhead_ms_per_film": 1000 * (1 / median["actors_1"] - 1 / median["processes_1"]),
        "handing_out_ms_per_chunk": 1000 * per_chunk,
        "handing_out_us_per_film": 1e6 * per_film,
    }
    return {
        "films": len(many),
        "mean_film_bytes": round(statistics.mean(Path(film).stat().st_size for film in films)),
        "bundle": bundle.identity,
        "bundle_bytes": len(bundle.onnx),
        "chunk": chunk_size(len(many), max(WORKERS)),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f} before",
        "rounds": rounds,
        "empty_items_per_second": empty,
        "median": median,
        "model": [model(median, machines) for machines in MACHINES],
    }


def sample_films(scratch: Path) -> tuple[str, ...]:
    """The sample film as JPEG files."""
    paths = [scratch / f"{number}.jpeg" for number in range(FILMS)]
    for path, content in zip(paths, sample_jpegs(FILMS), strict=True):
        path.write_bytes(content)
    return tuple(map(str, paths))


def score_all(bundle: Bundle, films: Sequence[str]) -> dict[str, float]:
    """Films per second of each engine, once, and how many records differ between them."""
    folders = OutputFolders(films, overlays=None, heatmaps=None)
    numbers = list(enumerate(films))
    speeds: dict[str, float] = {}
    records: dict[str, list[ScoredRecord]] = {}
    for workers in WORKERS:
        make = MakeScorer(bundle, "balanced", folders)
        records[f"processes_{workers}"], speeds[f"processes_{workers}"], _ = timed(
            map_in_processes(make, numbers, workers, lost_film), workers
        )
        with remote_scorer(bundle, "balanced", True, films, folders) as remote:
            records[f"actors_{workers}"], speeds[f"actors_{workers}"], first = timed(
                map_in_ray(remote, numbers, workers, lost_film), workers
            )
        speeds[f"seconds_to_first_record_{workers}"] = first
    reference = records["processes_1"]
    if refused := [record for _, record, _ in reference if record["status"] != "ok"]:
        raise SystemExit(f"a film is not scored, and cannot be measured: {refused[0]}")
    speeds["records_that_differ"] = sum(
        one != other for each in records.values() for one, other in zip(reference, each, strict=True)
    )
    return speeds


def timed(
    results: Generator[ScoredRecord, None, None], workers: int
) -> tuple[list[ScoredRecord], float, float]:
    """Results, how many came per second from a warm-up to the last one, and the seconds until the first."""
    done = []
    arrived = []
    begun = time.perf_counter()
    for result in results:
        done.append(result)
        arrived.append(time.perf_counter())
    warm_up = WARM_UP_PER_WORKER * workers
    return done, (len(done) - warm_up) / (arrived[-1] - arrived[warm_up - 1]), arrived[0] - begun


def nothing(film: NumberedFilm) -> ScoredRecord:
    """A record as long as a real one, without a look at the film."""
    return film[0], dict.fromkeys(RECORD_FIELDS, 0.123456789), ()


def make_nothing() -> Any:
    return nothing


def hand_out(films: int, chunk: int) -> float:
    """Films per second through one actor that does nothing with them."""
    numbers = [(number, f"archive/2024/ward/patient-{number:09d}/film.dcm") for number in range(films)]
    _, speed, _ = timed(map_in_ray(make_nothing, numbers, 1, lost_film, chunk=chunk), 8)
    return speed


def costs(speeds: dict[int, float]) -> tuple[float, float]:
    """Seconds per chunk and per film, from films per second at two sizes of chunks."""
    (small, slow), (large, fast) = sorted(speeds.items())
    per_chunk = max((1 / slow - 1 / fast) / (1 / small - 1 / large), 0.0)
    return per_chunk, max(1 / fast - per_chunk / large, 0.0)


def model(median: dict[str, float], machines: int) -> dict[str, float]:
    """A cluster on paper: every core an actor as fast as one of two here, and one process that hands out."""
    actors = machines * CORES - 1
    chunk = chunk_size(ARCHIVE, actors)
    scored = actors * median["actors_2"] / 2
    handed_out = 1 / (
        median["handing_out_ms_per_chunk"] / 1000 / chunk + median["handing_out_us_per_film"] / 1e6
    )
    speed = min(scored, handed_out)
    hours = ARCHIVE / speed / 3600
    return {
        "machines": machines,
        "actors": actors,
        "chunk": chunk,
        "films_per_second_of_the_actors": scored,
        "films_per_second_handed_out": handed_out,
        "films_per_second": speed,
        "hours": hours,
        "machine_hours": hours * machines,
    }


def rendered(text: str, report: dict[str, Any]) -> str:
    """The page with the tables between its marks filled in."""
    for name, table in (("measured", measured_table(report)), ("model", model_table(report))):
        text = filled(text, name, table, "benchmarks/ray_engine.py --render")
    return text


def measured_table(report: dict[str, Any]) -> str:
    median = report["median"]
    compared = report["films"] * len(report["rounds"]) * (2 * len(WORKERS) - 1)
    rows = [
        ("processes: 1, 2", f"{median['processes_1']:.1f}, {median['processes_2']:.1f} films/s"),
        ("actors: 1, 2", f"{median['actors_1']:.1f}, {median['actors_2']:.1f} films/s"),
        ("two actors against one", f"{median['actors_2'] / median['actors_1']:.2f}"),
        ("a film more than with a process", f"{median['overhead_ms_per_film']:.2f} ms"),
        ("handing out a chunk", f"{median['handing_out_ms_per_chunk']:.2f} ms"),
        ("and each film in it", f"{median['handing_out_us_per_film']:.0f} us"),
        ("the bundle, which goes to each machine once", f"{report['bundle_bytes'] / 1e6:.1f} MB"),
        ("starting a cluster of one's own", f"{median['seconds_to_start_the_cluster']:.1f} s"),
        ("from there to the first record", f"{median['seconds_to_first_record_1']:.1f} s"),
        (
            "records that differ from the local engine's",
            f"{median['records_that_differ']:.0f} of {compared:,}",
        ),
    ]
    head = f"{report['bundle']}, {report['films']} films per measurement, {report['machine']}:"
    return "\n".join(
        [head, "", "| | median |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    )


def model_table(report: dict[str, Any]) -> str:
    rows = [
        f"| {row['machines']:.0f} | {row['actors']:,.0f} | {row['chunk']:.0f} |"
        f" {row['films_per_second_of_the_actors']:,.0f} | {row['films_per_second_handed_out']:,.0f} |"
        f" {row['films_per_second']:,.0f} | {row['hours']:,.2f} | {row['machine_hours']:,.1f} |"
        f" {row['films_per_second'] * report['mean_film_bytes'] * 8 / 1e9:,.2f} |"
        for row in report["model"]
    ]
    titles = (
        "machines",
        "actors",
        "films in a chunk",
        "actors score films/s",
        "one process hands out films/s",
        "so films/s",
        "hours",
        "machine hours",
        "reading, Gbit/s",
    )
    return "\n".join([f"| {' | '.join(titles)} |", "|" + "---|" * len(titles), *rows])


if __name__ == "__main__":
    main()

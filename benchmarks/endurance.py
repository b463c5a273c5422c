"""Does a job stay as it began? Memory and speed of `predict` over very many films, beside the same over few.

    python benchmarks/endurance.py --films 100000 --out benchmarks/results/endurance.json

The films are `--different` ones (1,000), evenly spread over the pool of real films, all of them several times
over: a job of `--short` (1,000) and one of `--films`, both from a list on standard input, into one Parquet
file (with --result jsonl into JSON lines). A job counts a path once, so every turn spells the paths in
another way: pool/film.png, pool/./film.png, pool/././film.png.

- Memory is the peak of each process of the job, its workers and their children included, all added: what the
  kernel kept as their high-water marks (VmHWM), so that no peak falls between two looks. The sum of their
  proportional shares (Pss), looked at every second, is reported too: pages that they share count once there.
- Speed is that of whole turns, so that the same films are compared: the first tenth of them against the last,
  without the very first, which finds the files outside the system's cache. On a machine with other work the
  clock says nothing; the processor time of the job's own processes per film still does.

Linux only; a job of 100,000 takes half an hour and more.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from pneumoscope.batch.bench import spread_sample
from pneumoscope.batch.local import default_workers
from pneumoscope.batch.plan import plan_films
from pneumoscope.runtime.bundle import find_bundle, open_bundle

POOL = Path(__file__).resolve().parents[2] / "shared" / "data"
MEMORY_WANTED_MB = 100
SPEED_WANTED = 0.95
LOOK_SECONDS = 1.0
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Job:
    """What was seen of one job.

    Attributes:
        peaks: most resident memory of each process so far, MB.
        shares: all processes' proportional memory at every look, MB.
        looks: at every look: seconds since the start, records that are written, processor seconds.
    """

    peaks: dict[int, float] = field(default_factory=dict)
    shares: list[float] = field(default_factory=list)
    looks: list[tuple[float, int, float]] = field(default_factory=list)

    def when(self, records: int) -> tuple[float, float]:
        """Clock and processor seconds at which so many records were written, between two looks."""
        clock, done, processor = (np.array(column, dtype=float) for column in zip(*self.looks, strict=True))
        later, first = np.unique(done, return_index=True)  # the first look that saw a number of records
        return float(np.interp(records, later, clock[first])), float(
            np.interp(records, later, processor[first])
        )


def run(films: Sequence[str], turns: int, workers: int, result: str, model: str | None) -> dict[str, Any]:
    """Run one job to its end and say what it took.

    Args:
        films: of one turn.
        turns: how often.
        workers: of the job.
        result: "parquet" or "jsonl".
        model: a bundle, or None for the shipped one.
    """
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / f"results.{result}"
        listed = Path(scratch) / "list"
        with listed.open("w") as file:
            for turn in range(turns):
                file.writelines(_spelt(film, turn) + "\n" for film in films)
        command = [str(Path(sys.executable).with_name("pneumoscope")), "predict", "-", "--out", str(out)]
        command += ["--workers", str(workers), *(["--model", model] if model else [])]
        command += [] if result == "parquet" else ["--format", result]
        job = Job()
        with listed.open() as standard_input:
            process = subprocess.Popen(command, stdin=standard_input)
            begun = time.monotonic()
            rows = _parquet_rows(out) if result == "parquet" else _lines(out)
            while process.poll() is None:
                _look(job, process.pid, time.monotonic() - begun, rows)
                time.sleep(LOOK_SECONDS)
            seconds = time.monotonic() - begun
        if process.returncode not in (0, 3):
            sys.exit(f"the job ended with status {process.returncode}")
        statuses = _statuses(out, result)
    if sum(statuses.values()) != len(films) * turns:
        sys.exit(f"{sum(statuses.values())} records for {len(films) * turns} films")
    return {
        "films": len(films) * turns,
        "statuses": statuses,
        "seconds": seconds,
        "peak_mb": sum(job.peaks.values()),
        "processes": len(job.peaks),
        "peak_of_shares_mb": max(job.shares),
        **(_speeds(job, len(films), turns) if turns > 4 else {}),
        "memory_mb_over_time": [round(share) for share in job.shares[:: max(1, len(job.shares) // 100)]],
    }


def _spelt(film: str, turn: int) -> str:
    """The film's path with so many detours over its own folder."""
    folder, name = os.path.split(film)
    return "/".join([folder, *["."] * turn, name])


def _look(job: Job, root: int, seconds: float, rows: Iterator[int]) -> None:
    share = processor = 0.0
    for pid in _family(root):
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
        if "VmHWM:" not in status:
            continue
        peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
        job.peaks[pid] = max(job.peaks.get(pid, 0.0), peak)
        share += int(rollup.partition("Pss:")[2].split()[0]) / 1024
        # Fields 14 to 17 of proc(5): its own time and that of children that have ended.
        processor += sum(map(int, stat[11:15])) / TICKS
    job.shares.append(share)
    job.looks.append((seconds, next(rows), processor))


def _family(root: int) -> list[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(parent, []).append(int(entry.parent.name))
    family = [root]
    for pid in family:
        family += children.get(pid, [])
    return family


def _parquet_rows(out: Path) -> Iterator[int]:
    """Records in the parts that have appeared in the job's journal, at every call."""
    counted: dict[str, int] = {}
    while True:
        for part in sorted(out.with_name(f"{out.name}.parts").glob("[0-9]*.parquet")):
            if part.name not in counted:
                counted[part.name] = pq.read_metadata(part).num_rows
        yield sum(counted.values())


def _lines(out: Path) -> Iterator[int]:
    done = 0
    while not out.exists():
        yield 0
    with out.open("rb") as file:
        while True:
            done += file.read().count(b"\n")
            yield done


def _statuses(out: Path, result: str) -> dict[str, int]:
    if result == "parquet":
        return dict(Counter(pq.read_table(out, columns=["status"]).column("status").to_pylist()))
    with out.open() as file:
        return dict(Counter(json.loads(line)["status"] for line in file))


def _speeds(job: Job, films: int, turns: int) -> dict[str, Any]:
    """Of the first tenth of the turns and of the last, without the very first."""
    some = max(1, turns // 10)
    total = job.looks[-1][1] // films * films  # the last records may be merged before anybody has looked
    speeds = {}
    for name, begin in (("start", films), ("end", total - some * films)):
        (from_clock, from_processor), (to_clock, to_processor) = (
            job.when(begin),
            job.when(begin + some * films),
        )
        speeds[name] = {
            "films_per_second": some * films / (to_clock - from_clock),
            "processor_ms_per_film": 1000 * (to_processor - from_processor) / (some * films),
            "cores_used": (to_processor - from_processor) / (to_clock - from_clock),
        }
    return {
        **speeds,
        "turns_compared": some,
        "speed_at_end": speeds["end"]["films_per_second"] / speeds["start"]["films_per_second"],
        "speed_at_end_by_processor": speeds["start"]["processor_ms_per_film"]
        / speeds["end"]["processor_ms_per_film"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--films", type=int, default=100_000, help="in the long job")
    parser.add_argument("--short", type=int, default=1000, help="films in the short job")
    parser.add_argument("--different", type=int, default=1000, help="films that are repeated")
    parser.add_argument("--pool", nargs="+", default=[os.environ.get("PNEUMOSCOPE_POOL", str(POOL))])
    parser.add_argument("--model", help="a shipped bundle or the folder of one")
    parser.add_argument("--workers", type=int, default=default_workers())
    parser.add_argument("--result", choices=["parquet", "jsonl"], default="parquet")
    parser.add_argument("--out", type=Path, help="JSON with everything")
    options = parser.parse_args()
    if options.films < 5 * options.different:
        parser.error("--films must be at least five times --different: whole turns are compared")
    with Path(os.devnull).open() as nothing:
        pool = plan_films(options.pool, nothing).films
    films = spread_sample(pool, options.different)
    found: dict[str, Any] = {}
    for name, wanted in (("short", options.short), ("long", options.films)):
        turn = films[:wanted] if wanted < len(films) else films
        found[name] = run(turn, max(1, wanted // len(turn)), options.workers, options.result, options.model)
        print(f"{name}: {found[name]['films']:,} films, {found[name]['peak_mb']:.0f} MB", file=sys.stderr)
    more = found["long"]["peak_mb"] - found["short"]["peak_mb"]
    cores = min(options.workers, os.cpu_count() or 1)
    used = [found["long"][when]["cores_used"] for when in ("start", "end")]
    report = {
        "bundle": open_bundle(find_bundle(options.model)).identity,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "workers": options.workers,
        "result": options.result,
        "different_films": len(films),
        "pool_films": len(pool),
        "quiet": min(used) > 0.9 * cores,
        "more_memory_mb": more,
        "wanted": {"more_memory_mb": MEMORY_WANTED_MB, "speed_at_end": SPEED_WANTED},
        **found,
    }
    long = found["long"]
    base = found["short"]["peak_mb"]
    print(f"memory: {more:+.0f} MB over the short job's {base:.0f} (wanted: +{MEMORY_WANTED_MB} at most)")
    print(
        f"speed at the end: {long['speed_at_end']:.3f} of that at the start by the clock, "
        f"{long['speed_at_end_by_processor']:.3f} by processor time (wanted: {SPEED_WANTED})"
    )
    if not report["quiet"]:
        print("Other work ran on this machine: only the figure by processor time says anything.")
    if options.out is not None:
        options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    speed = long["speed_at_end"] if report["quiet"] else 0.0
    return 0 if more <= MEMORY_WANTED_MB and speed >= SPEED_WANTED else 1


if __name__ == "__main__":
    sys.exit(main())

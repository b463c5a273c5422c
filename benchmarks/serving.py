"""What HTTP costs: films per second of `pneumoscope serve` with many clients, and of `Predictor` in threads.

    python benchmarks/serving.py [--model NAME|DIR] [--clients 64] [--seconds 120] [--workers 2] \
        --out benchmarks/results/serving.json

Both score the same JPEGs of the sample film with the same number of threads, in turns, so that a change of
the machine's mood meets both. The clients run in this process and take their share of the cores. Prints the
ratio of the medians, the 95th percentile of a request's time, the server's memory at the beginning and at the
end, how many answers were no success, and what the network alone takes per film in batches of several sizes:
whether it would pay to collect films of different requests.
"""

import argparse
import asyncio
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from itertools import cycle, islice, takewhile
from pathlib import Path

import numpy as np

from pneumoscope.batch.local import default_workers, map_in_order
from pneumoscope.runtime.loading import load
from pneumoscope.runtime.predictor import Predictor
from pneumoscope.runtime.session import open_session
from sample_jpegs import sample_jpegs

BOUNDARY = "----films"
TURNS = 4
FILMS = 8
BATCHES = (1, 2, 4, 8)


def request(film: bytes) -> bytes:
    """A whole HTTP request with one film."""
    part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="film"; filename="f.jpg"\r\n\r\n'.encode()
    body = part + film + f"\r\n--{BOUNDARY}--\r\n".encode()
    head = (
        "POST /v1/predict HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def client(port: int, requests: list[bytes], until: float, times: list[float], bad: list[int]) -> None:
    """Ask one film after the other on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for message in cycle(requests):
        began = time.perf_counter()
        if began > until:
            break
        writer.write(message)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(re.search(rb"content-length: (\d+)", head)[1]))
        times.append(time.perf_counter() - began)
        if (status := int(head.split()[1])) != 200:
            bad.append(status)
    writer.close()
    await writer.wait_closed()


async def serve_turn(
    port: int, films: list[bytes], clients: int, seconds: float
) -> tuple[float, list[float], list[int]]:
    """Films per second, seconds of each request, and statuses that were no success."""
    requests = [request(film) for film in films]
    times: list[float] = []
    bad: list[int] = []
    began = time.perf_counter()
    order = [requests[shift % len(films) :] + requests[: shift % len(films)] for shift in range(clients)]
    await asyncio.gather(*(client(port, mine, began + seconds, times, bad) for mine in order))
    return len(times) / (time.perf_counter() - began), times, bad


def predict_turn(predictor: Predictor, films: list[bytes], workers: int, seconds: float) -> float:
    """Films per second of the predictor alone."""
    began = time.perf_counter()
    endless = map_in_order(predictor.attempt, cycle(films), workers)
    done = sum(1 for _ in takewhile(lambda _: time.perf_counter() - began < seconds, endless))
    elapsed = time.perf_counter() - began
    endless.close()
    return done / elapsed


def batch_milliseconds(predictor: Predictor) -> dict[str, float]:
    """Median milliseconds of the network per film, one thread, by the size of the batch; sizes in turns."""
    network = open_session(predictor.bundle)
    size = predictor.bundle.card.prepare.size
    films = np.random.default_rng(0).normal(size=(max(BATCHES), 1, size, size)).astype(np.float32)
    times: dict[int, list[float]] = {batch: [] for batch in BATCHES}
    for _ in range(25):
        for batch, taken in times.items():
            began = time.perf_counter()
            for start in range(0, len(films), batch):
                network.run(["logit", "cam"], {"film": films[start : start + batch]})
            taken.append(1e3 * (time.perf_counter() - began) / len(films))
    return {str(batch): statistics.median(taken) for batch, taken in times.items()}


def resident_mb(process: int) -> int:
    """Memory of a process that is in RAM (Linux)."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--workers", type=int, default=default_workers())
    parser.add_argument("--out", type=Path, help="JSON")
    given = parser.parse_args()
    films = sample_jpegs(FILMS)
    predictor = load(given.model)
    for film in films:
        predictor.predict(film)  # says so where one cannot be scored
    command = [sys.executable, "-c", "from pneumoscope.cli.main import main; main()", "serve", "--port", "0"]
    command += ["--workers", str(given.workers), *(["--model", given.model] if given.model else [])]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"})
    try:
        lines = islice(iter(server.stderr.readline, b""), 20)
        port = next(int(found[1]) for line in lines if (found := re.search(rb"http://[^ ]*:(\d+)", line)))
        drain = subprocess.Popen(["cat"], stdin=server.stderr, stdout=subprocess.DEVNULL)
        alone, served, times, bad, memory = [], [], [], [], []
        for _ in range(TURNS):
            alone.append(predict_turn(predictor, films, given.workers, given.seconds / TURNS))
            rate, seconds, wrong = asyncio.run(serve_turn(port, films, given.clients, given.seconds / TURNS))
            served.append(rate)
            times += seconds
            bad += wrong
            memory.append(resident_mb(server.pid))
    finally:
        server.terminate()
        server.wait()
        drain.wait()
    ratio, late = statistics.median(served) / statistics.median(alone), float(np.quantile(times, 0.95))
    print(f"Predictor, {given.workers} threads: {statistics.median(alone):.1f} films/s")
    print(f"serve, {given.clients} clients: {statistics.median(served):.1f} films/s, {len(times)} requests")
    print(f"ratio {ratio:.2f}")
    print(f"p95 {late:.2f} s; not 200: {len(bad)}{f', first {bad[0]}' if bad else ''}; memory {memory} MB")
    batches = batch_milliseconds(predictor)
    print("ms of the network per film, by batch:", {size: round(each, 2) for size, each in batches.items()})
    if given.out is not None:
        report = {
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "bundle": predictor.bundle.identity,
            "workers": given.workers,
            "clients": given.clients,
            "seconds": given.seconds,
            "predictor_films_per_second": alone,
            "served_films_per_second": served,
            "ratio": ratio,
            "requests": len(times),
            "no_success": len(bad),
            "p95_seconds": late,
            "memory_mb": memory,
            "network_ms_per_film_by_batch": batches,
        }
        given.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

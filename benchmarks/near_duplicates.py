"""How near-duplicate search grows: time and memory at 20,000, 200,000 and 1,000,000 hashes, beside two peers.

    python benchmarks/near_duplicates.py [--sizes 20000 200000 1000000] [--json FILE]

The hashes are generated to lie as those of chest films do: 256 signs of 16 common factors with noise, tuned
so that bits are as evenly set as those of real films and as many strangers share a bucket of 16 bits (0.6 per
hash among 20,000; real: 0.8 among 18,500). One in twenty is a copy of another, with 0 to 12 bits turned over:
copies of real films differ in no more.

Peers: comparing every hash with every other one with numpy, and imagehash's own comparison, `one - other`, in
a loop. Each is timed at the sizes it can do in reasonable time and carried on as the square, marked "~".
Every measurement has a process of its own. Time is that of the one processor core in use; memory is the peak
of what the search itself allocates, in a second run.
"""

import argparse
import json
import math
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import imagehash
import numpy as np
from numpy.typing import NDArray

from pneumoscope.data.duplicates import HASH_RADIUS
from pneumoscope.data.neighbours import near_pairs, plan_search

SIZES = (20_000, 200_000, 1_000_000)
PEER_LIMITS = {"search": 10**9, "brute force": 20_000, "imagehash": 2_000}
FACTORS, NOISE, BIAS, COPY_BITS = 16, 0.7, 0.15, 12
ROWS_AT_ONCE = 256


def film_like_hashes(count: int, seed: int = 0) -> tuple[NDArray[np.uint64], set[tuple[int, int]]]:
    """(count, 4) uint64 hashes, and the pairs of which one is a copy of the other."""
    generator = np.random.default_rng(seed)
    loadings = generator.normal(size=(FACTORS, 256)).astype(np.float32) / math.sqrt(FACTORS)
    bias = (BIAS * generator.normal(size=256)).astype(np.float32)
    words = np.empty((count, 4), np.uint64)
    for start in range(0, count, 50_000):
        rows = min(50_000, count - start)
        factors = generator.standard_normal((rows, FACTORS), dtype=np.float32)
        values = factors @ loadings + bias + NOISE * generator.standard_normal((rows, 256), dtype=np.float32)
        words[start : start + rows] = np.packbits(values > 0, axis=1).view(">u8")
    chosen = generator.choice(count, 2 * (count // 20), replace=False).reshape(-1, 2)
    for original, copy in chosen.tolist():
        words[copy] = words[original]
        for bit in generator.choice(256, generator.integers(0, COPY_BITS + 1), replace=False).tolist():
            words[copy, bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
    return words, {(min(pair), max(pair)) for pair in chosen.tolist()}


def search(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """What the build does."""
    pairs, _ = near_pairs(words, radius=HASH_RADIUS)
    return pairs


def brute_force(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Every hash with every later one, a block of rows at a time."""
    found: list[NDArray[np.int64]] = []
    for start in range(0, len(words), ROWS_AT_ONCE):
        block = words[start : start + ROWS_AT_ONCE]
        distance = np.zeros((len(block), len(words) - start), np.uint16)
        for word in range(words.shape[1]):
            distance += np.bitwise_count(block[:, word, None] ^ words[None, start:, word])
        rows, columns = np.nonzero(distance <= HASH_RADIUS)
        later = columns > rows
        found.append(np.stack([rows[later], columns[later]], axis=1) + start)
    return np.concatenate(found)


def imagehash_loop(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The comparison of two hashes that imagehash brings, for every two."""
    bits = np.unpackbits(words.astype(">u8").view(np.uint8).reshape(len(words), -1), axis=1).astype(bool)
    hashes = [imagehash.ImageHash(row.reshape(16, 16)) for row in bits]
    near = [
        (left, right)
        for left, one in enumerate(hashes)
        for right in range(left + 1, len(hashes))
        if one - hashes[right] <= HASH_RADIUS
    ]
    return np.array(near, dtype=np.int64).reshape(-1, 2)


METHODS: dict[str, Callable[[NDArray[np.uint64]], NDArray[np.int64]]] = {
    "search": search,
    "brute force": brute_force,
    "imagehash": imagehash_loop,
}


def measure(method: str, count: int) -> dict[str, float]:
    """Time, memory and what was found; run in a process of its own."""
    words, copies = film_like_hashes(count)
    start = time.process_time()
    pairs = METHODS[method](words)
    seconds = time.process_time() - start
    tracemalloc.start()
    if method == "search":
        METHODS[method](words)
    _, peak = tracemalloc.get_traced_memory()
    found = set(map(tuple, pairs.tolist()))
    return {
        "hashes": count,
        "seconds": seconds,
        "mebibytes": peak / 2**20,
        "pairs": len(found),
        "recall": len(found & copies) / len(copies),
    }


def in_own_process(method: str, count: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", method, str(count)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def exponent(small: dict[str, float], large: dict[str, float], what: str) -> float:
    """How steeply something grows between two sizes: b in what ~ hashes ** b."""
    return math.log(large[what] / small[what]) / math.log(large["hashes"] / small["hashes"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--measure", nargs=2, metavar=("METHOD", "COUNT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure[0], int(options.measure[1]))))
        return
    results: dict[str, list[dict[str, float]]] = {}
    for method, limit in PEER_LIMITS.items():
        sizes = [size for size in options.sizes if size <= limit] or [limit]
        results[method] = [in_own_process(method, size) for size in sizes]
    ours = results["search"]
    print("| hashes | search s | MiB | recall of copies | tables x bits | brute force s | imagehash s |")
    print("|---|---|---|---|---|---|---|")
    for row in ours:
        plan = plan_search(int(row["hashes"]))
        cells = [
            f"{row['hashes']:,.0f}",
            f"{row['seconds']:.2f}",
            f"{row['mebibytes']:.0f}",
            f"{100 * row['recall']:.2f} %",
            f"{len(plan.positions)} x {len(plan.positions[0])}",
        ]
        for peer in ("brute force", "imagehash"):
            base = results[peer][-1]
            carried = base["seconds"] * (row["hashes"] / base["hashes"]) ** 2
            cells.append(f"{'' if row['hashes'] == base['hashes'] else '~'}{carried:,.1f}")
        print("| " + " | ".join(cells) + " |")
    for small, large in pairwise(ours):
        print(
            f"\nfrom {small['hashes']:,.0f} to {large['hashes']:,.0f}: "
            f"time grows with exponent {exponent(small, large, 'seconds'):.2f}, "
            f"memory with {exponent(small, large, 'mebibytes'):.2f} (brute force: time 2)"
        )
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

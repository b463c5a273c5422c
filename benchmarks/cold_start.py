"""How long a user waits for the first film: a whole `pneumoscope predict`, beside importing its libraries.

    python benchmarks/cold_start.py --out benchmarks/results/cold_start.json

Every round starts each of these in an interpreter of its own, in an order that changes from round to round:
`import numpy, PIL.Image, pydicom, onnxruntime`, which is the unit; `predict` of a PNG and of a DICOM film, to
the table with the score; `--help`; and an interpreter that does nothing. The films are the sample of
pydicom-data, the PNG with 1,024 pixels on its longer side and 8 bits. Files are in the system's cache.

Run it in an environment that holds what `pip install 'pneumoscope[sample]'` brings and no more, such as
`make demo` makes (.venv-demo/bin/python): pydicom imports further packages wherever it finds them, and the
unit would be longer than a user's. The report says whether it was.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pneumoscope.image.read import read
from pneumoscope.image.sample import sample_path
from pneumoscope.runtime.bundle import find_bundle, open_bundle

WANTED = 1.5
UNIT = "libraries"
LIBRARIES = ("numpy", "pillow", "pydicom", "onnxruntime", "typer", "pydantic")
# What pydicom imports where it finds it, and the core does not need.
EXTRAS_OF_PYDICOM = ("requests", "tqdm", "pylibjpeg", "jpeg_ls", "pandas")
LONGER_SIDE = 1024


def commands(scratch: Path) -> dict[str, list[str]]:
    """What is started, by name."""
    sample = sample_path()
    if sample is None:
        sys.exit("The sample film is missing: pip install pydicom-data")
    png = scratch / "one.png"
    film = Image.fromarray((read(sample).pixels >> 8).astype(np.uint8))
    film.thumbnail((LONGER_SIDE, LONGER_SIDE))
    film.save(png)
    pneumoscope = str(Path(sys.executable).with_name("pneumoscope"))
    return {
        "nothing": [sys.executable, "-c", "pass"],
        UNIT: [sys.executable, "-c", "import numpy, PIL.Image, pydicom, onnxruntime"],
        "help": [pneumoscope, "--help"],
        "predict_png": [pneumoscope, "predict", str(png)],
        "predict_dicom": [pneumoscope, "predict", str(sample)],
    }


def start(command: list[str]) -> tuple[float, float]:
    """Seconds on the clock and of the processor from the start of a command to its end."""
    environment = os.environ | {"ORT_DISABLE_TELEMETRY": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    seconds = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(rounds: int) -> dict[str, Any]:
    """Start everything so often, in turn."""
    with tempfile.TemporaryDirectory() as scratch:
        chosen = commands(Path(scratch))
        for command in chosen.values():  # compiles what is not compiled yet, and fills the system's cache
            start(command)
        seconds: dict[str, list[float]] = {name: [] for name in chosen}
        processor: dict[str, list[float]] = {name: [] for name in chosen}
        names = list(chosen)
        for number in range(rounds):
            shift = number % len(names)
            for name in names[shift:] + names[:shift]:
                passed, worked = start(chosen[name])
                seconds[name].append(passed)
                processor[name].append(worked)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    at_work = {name: statistics.median(values) for name, values in processor.items()}
    return {
        "bundle": open_bundle(find_bundle()).identity,
        "rounds": rounds,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
        "extras_of_pydicom": [name for name in EXTRAS_OF_PYDICOM if find_spec(name) is not None],
        # Imports run in one thread: on a machine of their own the clock shows what the processor worked.
        "quiet": at_work[UNIT] > 0.9 * median[UNIT],
        "median_seconds": median,
        "median_processor_seconds": at_work,
        "ratio": {name: value / median[UNIT] for name, value in median.items()},
        "processor_ratio": {name: value / at_work[UNIT] for name, value in at_work.items()},
        "wanted": {"predict_png": WANTED},
        "seconds": seconds,
        "processor_seconds": processor,
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--out", type=Path, help="JSON with every single measurement")
    options = parser.parse_args()
    report = measure(options.rounds)
    print("| started | ms | of the processor | ratio |")
    print("|---|---|---|---|")
    for name, ratio in report["ratio"].items():
        clock, worked = report["median_seconds"][name], report["median_processor_seconds"][name]
        print(f"| {name} | {1000 * clock:.0f} | {1000 * worked:.0f} | {ratio:.2f} |")
    if report["extras_of_pydicom"]:
        print(f"\npydicom imported more than a user's would: {', '.join(report['extras_of_pydicom'])}")
    if not report["quiet"]:
        print("\nOther work ran on this machine: the ratios say little; measure again on a quiet one.")
    if options.out is not None:
        options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0 if report["quiet"] and report["ratio"]["predict_png"] <= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())

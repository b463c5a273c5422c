"""Does the guard refuse what it has never seen, and let chest films pass?

    python benchmarks/guard.py --manifest manifest.parquet --root DIR --not-films DIR --out guard.json

The guard is fitted as `pneumoscope data guard` fits it. Chest films of the validation and test patients are
judged as they are, as other users would send them, and reduced to 64 blurred pixels. Then each family of
images that are no chest films is left out of the fit in turn, thresholds are set anew, and the share of it
that is refused is counted; with --drawn so is each generated kind. Thresholds always come from validation
films.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.data import get_testdata_file
from rich.console import Console
from rich.table import Table

from pneumoscope.data.distortions import softened
from pneumoscope.data.guard_examples import (
    CUT_SOURCES,
    Example,
    ExampleCounts,
    chest_rows,
    make_examples,
    small_film,
)
from pneumoscope.data.guard_fit import described_examples, fit_guard, set_thresholds
from pneumoscope.data.manifest import ManifestRow, read_manifest
from pneumoscope.errors import RejectedFilmError
from pneumoscope.image.appearance import film_view
from pneumoscope.image.guard import Guard
from pneumoscope.image.radiograph import Radiograph
from pneumoscope.image.read import read

WANTED_REFUSED, WANTED_ACCEPTED = 0.97, 0.99
REFUSED, WARNED = 0.004, 0.02
SAMPLES = ("RG1_UNCR.dcm", "RG3_UNCR.dcm", "US1_UNCR.dcm", "MR2_UNCR.dcm")


def accepted(guard: Guard, views: "list[np.ndarray]") -> float:
    """Share of the views that a whole examination accepts."""
    return float(np.mean([guard.judge(view).cause is None for view in views]))


def chest_table(
    guard: Guard, examples: dict[str, list[Example]], soft: dict[tuple[str, str], list[Any]]
) -> list[Any]:
    """Acceptance by source and split: as they are, as sent, softened."""
    found = []
    for split, made in examples.items():
        for source in sorted({one.family for one in made if one.chest}):
            own = [one for one in made if one.chest and one.family == source]
            plain = [one.view for one in own if not one.altered]
            sent = [one.view for one in own if one.altered]
            softer = soft.get((source, split), [])
            found.append(
                {
                    "source": source,
                    "split": split,
                    "films": len(plain),
                    "accepted": accepted(guard, plain),
                    "accepted_as_sent": accepted(guard, sent) if sent else None,
                    "softened": len(softer),
                    "accepted_softened": accepted(guard, softer) if softer else None,
                }
            )
    return found


def softened_views(
    rows: Sequence[ManifestRow], root: Path, most: int, seed: int
) -> dict[tuple[str, str], list[Any]]:
    """Chest films of held-out patients at about 64 pixels, blurred, by source and split."""
    generator = np.random.default_rng(seed)
    views: dict[tuple[str, str], list[Any]] = {}
    for split in ("validation", "test"):
        for source, found in chest_rows(rows, split).items():
            if source in CUT_SOURCES:
                continue
            for index in generator.permutation(len(found))[:most]:
                pixels = softened(small_film(root / found[index].path), generator)
                views.setdefault((source, split), []).append(film_view(Radiograph(pixels, source, "ARRAY")))
    return views


def samples(guard: Guard) -> list[dict[str, Any]]:
    """The samples of pydicom-data, by header and pixels, and by pixels alone."""
    found = []
    for name in SAMPLES:
        path = get_testdata_file(name)
        assert isinstance(path, str)
        try:
            guard.check(read(path))
            verdict = "accepted"
        except RejectedFilmError as error:
            verdict = error.cause
        pixels = dcmread(path).pixel_array
        pixels = pixels[0] if pixels.ndim == 4 else pixels
        grey = pixels.astype(float).mean(-1) if pixels.ndim == 3 else pixels.astype(float)
        if dcmread(path).PhotometricInterpretation == "MONOCHROME1":
            grey = grey.max() - grey
        grey = ((grey - grey.min()) / np.ptp(grey) * 255).astype(np.uint8)
        alone = guard.examine(Radiograph(grey, name, "ARRAY"))
        found.append(
            {
                "file": name,
                "verdict": verdict,
                "pixels_alone": alone.cause or "accepted",
                "score": alone.score,
            }
        )
    return found


def milliseconds(guard: Guard, side: int, dtype: Any) -> float:
    """Median time of one examination of an image of noise that has to be turned to find the cause."""
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (side, side), dtype)
    film = Radiograph(pixels, "noise", "ARRAY")
    times = []
    for _ in range(15):
        start = time.perf_counter()
        guard.examine(film)
        times.append(time.perf_counter() - start)
    return float(np.median(times) * 1e3)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--not-films", type=Path, required=True)
    parser.add_argument("--drawn", action="store_true", help="Also leave each generated kind out in turn.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()

    rows = read_manifest(options.manifest)
    generator = np.random.default_rng(options.seed)
    train = make_examples(rows, options.root, options.not_films, "train", ExampleCounts(), generator)
    held = ExampleCounts(films=2000, sent=1, spoiled=150, drawn=150, cut=150)
    examples = {
        split: make_examples(rows, options.root, None, split, held, generator)
        for split in ("validation", "test")
    }
    described = described_examples(train)
    soft = softened_views(rows, options.root, 300, options.seed)

    def fitted(left_out: str | None) -> Guard:
        kept = np.array([one.family != left_out for one in train])
        some = [one for one in train if one.family != left_out]
        guard = fit_guard(some, np.random.default_rng(options.seed), described=described[kept])
        return set_thresholds(guard, examples["validation"], refused=REFUSED, warned=WARNED)

    guard = fitted(None)
    chest = chest_table(guard, examples, soft)
    families = []
    real = {path.name for path in options.not_films.iterdir()}
    for family in sorted({one.family for one in train if not one.chest}):
        judged = train if family in real else examples["test"]
        views = [
            one.view for one in judged if one.family == family and (family not in real or not one.altered)
        ]
        row = {"family": family, "images": len(views), "real": family in real}
        row["refused_when_tuned_on"] = 1 - accepted(guard, views)
        left_out = family in real or options.drawn
        row["refused_when_left_out"] = 1 - accepted(fitted(family), views) if left_out else None
        families.append(row)
    report = {
        "wanted": {"refused": WANTED_REFUSED, "accepted": WANTED_ACCEPTED},
        "thresholds": [guard.parameters.refuse_below, guard.parameters.warn_below],
        "chest": chest,
        "families": families,
        "samples": samples(guard),
        "milliseconds": {
            "224 x 224, 8 bit": milliseconds(guard, 224, np.uint8),
            "2500 x 2500, 16 bit": milliseconds(guard, 2500, np.uint16),
        },
    }
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    show(report)


def show(report: dict[str, Any]) -> None:
    """The report as tables."""
    console = Console(width=120)
    for key in ("chest", "families", "samples"):
        table = Table(*report[key][0], title=key)
        for row in report[key]:
            table.add_row(
                *(f"{value:.4f}" if isinstance(value, float) else str(value) for value in row.values())
            )
        console.print(table)
    console.print(report["milliseconds"], report["thresholds"])


if __name__ == "__main__":
    main()

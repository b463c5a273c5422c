"""What the thresholds of a bundle give at a place, and what those give that a few films of the place fix.

    pneumoscope evaluate pneumoscope-lite0 --manifest manifest.parquet --root DIR --split test \
        --scores scores.csv
    python benchmarks/recalibration.py scores.csv --model pneumoscope-lite0 --source kermany \
        --source nih-chestxray14 --films 100 --films 200 --out benchmarks/results/recalibration.json

As many films of a source as --films says, of patients drawn at random, fix temperature and thresholds as
`pneumoscope recalibrate` does; sensitivity and specificity are those of the films of all other patients.
Means of 200 draws, less those with too few films of a label, stand beside the lowest and highest of nineteen
in twenty. Nothing is chosen by them.
"""

import argparse
import csv
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.calibration import calibrated_probability, fit_temperature
from pneumoscope.evaluation.operating_points import choose_operating_points
from pneumoscope.release.recalibrate import FEWEST
from pneumoscope.runtime.bundle import find_bundle, open_bundle

DRAWS = 200


def on_logits(threshold: float, temperature: float) -> float:
    """A threshold on the calibrated probability, as one on the logit."""
    return temperature * math.log(threshold / (1 - threshold))


def rates(logits: NDArray[np.float64], targets: NDArray[np.bool_], threshold: float) -> dict[str, float]:
    """Sensitivity and specificity at a threshold on the logit."""
    found = logits >= threshold
    return {"sensitivity": float(found[targets].mean()), "specificity": float((~found)[~targets].mean())}


def drawn(
    logits: NDArray[np.float64],
    targets: NDArray[np.bool_],
    patients: NDArray[np.str_],
    films: int,
    generator: np.random.Generator,
) -> dict[str, dict[str, float]] | None:
    """Rates, by operating point, on films of other patients; None where films of a label are too few."""
    names = generator.permutation(np.unique(patients))
    counts = np.cumsum([np.count_nonzero(patients == name) for name in names])
    inside = np.isin(patients, names[: int(np.searchsorted(counts, films)) + 1])
    kinds = [np.count_nonzero(targets[part] == kind) for part in (inside, ~inside) for kind in (True, False)]
    if min(kinds[:2]) < FEWEST or min(kinds[2:]) == 0:
        return None
    temperature = fit_temperature(logits[inside], targets[inside])
    points = choose_operating_points(calibrated_probability(logits[inside], temperature), targets[inside])
    return {
        str(name): rates(logits[~inside], targets[~inside], on_logits(point.threshold, temperature))
        for name, point in points.items()
    }


def told(draws: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Mean, and what nineteen in twenty draws lie between."""
    return {
        point: {
            rate: {
                "mean": float(np.mean(values)),
                "low": float(np.percentile(values, 2.5)),
                "high": float(np.percentile(values, 97.5)),
            }
            for rate in ("sensitivity", "specificity")
            for values in ([draw[point][rate] for draw in draws],)
        }
        for point in draws[0]
    }


def said(values: dict[str, dict[str, float]], shipped: dict[str, float]) -> str:
    """One line of a table."""
    return "; ".join(
        f"{rate} {found['mean']:.3f} ({found['low']:.3f} to {found['high']:.3f}), shipped {shipped[rate]:.3f}"
        for rate, found in values.items()
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scores", type=Path, help="what `pneumoscope evaluate --scores` wrote")
    parser.add_argument("--model", help="the bundle that scored")
    parser.add_argument("--source", action="append", required=True)
    parser.add_argument("--films", type=int, action="append", required=True, help="that fix the thresholds")
    parser.add_argument("--out", type=Path, help="JSON")
    options = parser.parse_args()

    card = open_bundle(find_bundle(options.model)).card
    with options.scores.open(newline="", encoding="utf-8") as file:
        lines = [line for line in csv.DictReader(file) if line["status"] == "ok"]
    report: dict[str, Any] = {"model": f"{card.name} {card.version}", "draws": DRAWS, "sources": {}}
    for source in options.source:
        own = [line for line in lines if line["source"] == source]
        logits = np.array([float(line["logit"]) for line in own])
        targets = np.array([line["target"] == "1" for line in own])
        patients = np.array([line["patient"] for line in own])
        shipped = {
            name: rates(logits, targets, on_logits(point.threshold, card.temperature))
            for name, point in card.operating_points.items()
        }
        report["sources"][source] = {"films": len(own), "shipped": shipped, "recalibrated": {}}
        for films in options.films:
            generator = np.random.default_rng(films)
            draws = [drawn(logits, targets, patients, films, generator) for _ in range(DRAWS)]
            usable = [draw for draw in draws if draw is not None]
            if not usable:
                print(f"{source}: no {films} films of it hold {FEWEST} of either label and leave others")
                continue
            found = {"draws": len(usable), "points": told(usable)}
            report["sources"][source]["recalibrated"][str(films)] = found
            for point, values in found["points"].items():
                print(f"{source}, {films} films, {point}: {said(values, shipped[point])}")
    if options.out is not None:
        options.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What `pneumoscope evaluate` leaves, made of drawn scores; no film and no network is needed."""

import csv
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscope.data.manifest import ManifestRow

LABELS = ("PNEUMONIA", "NORMAL", "OTHER")


def make_rows(count: int = 120) -> list[ManifestRow]:
    """Test films of two sources, three labels and both views, two of each patient, children in the east."""
    rows = []
    for number in range(count):
        source = ("east", "west")[(number // 6) % 2]
        rows.append(
            ManifestRow(
                source=source,
                path=f"{source}/film-{number:03}.png",
                sha256=f"{number:064}",
                bytes=1,
                label=LABELS[(number // 2) % 3],
                patient=f"{source}:{number // 2}",
                population="paediatric" if source == "east" else "adult",
                view=("AP", "PA")[(number // 12) % 2],
                split="test",
            )
        )
    return rows


def make_scores(rows: list[ManifestRow], seed: int = 0, skill: float = 1.5) -> NDArray[np.float64]:
    """Probabilities that are higher where there is pneumonia, by `skill` standard deviations in logits."""
    generator = np.random.default_rng(seed)
    positive = np.array([row.label == "PNEUMONIA" for row in rows])
    return 1.0 / (1.0 + np.exp(-generator.normal(np.where(positive, skill, 0.0))))


def write_evaluation(
    figures: Path,
    rows: list[ManifestRow],
    probabilities: NDArray[np.float64],
    *,
    root: str = "/films",
    threshold: float = 0.5,
    sha256: str = "a" * 64,
    **more: object,
) -> None:
    """Write FIGURES.json and FIGURES.csv; `more` is added to the JSON."""
    figures.parent.mkdir(parents=True, exist_ok=True)
    targets = np.array([row.label == "PNEUMONIA" for row in rows])
    pooled = {
        "films": len(rows),
        "metrics": {"brier": {"value": float(np.mean((probabilities - targets) ** 2))}},
        "operating_points": {"balanced": {"threshold": threshold}},
    }
    told = {"model": "made 0.1.0", "sha256": sha256, "groups": [pooled], **more}
    figures.write_text(json.dumps(told))
    with figures.with_suffix(".csv").open("w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(["path", "source", "patient", "target", "status", "logit", "probability"])
        for row, target, value in zip(rows, targets, probabilities.tolist(), strict=True):
            lines.writerow([f"{root}/{row.path}", row.source, row.patient, int(target), "ok", 0.0, value])

"""Generated films, whole and cut to the lungs, as two sources of one manifest."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from generated import chest_like
from pneumoscope.data.manifest import ManifestRow

CUT, WHOLE = "cut-films", "whole-films"
SIDE = 224
BOX = [0.20, 0.30, 0.14, 0.40]  # inside the lung on the left of the picture


def elliptical_lungs(side: int = SIDE, *, bottom: float = 1.0) -> NDArray[np.bool_]:
    """(side, side) bool, where `chest_like` draws lungs; none below `bottom`, -1 to 1 from the top."""
    y, x = (np.mgrid[0:side, 0:side] + 0.5) / side * 2 - 1
    inside = ((np.abs(x) - 0.44) / 0.30) ** 2 + (y / 0.65) ** 2 < 1
    return np.asarray(inside & (y < bottom))


def whole_film(seed: int) -> NDArray[np.uint8]:
    """(SIDE, SIDE) uint8, with grain that is this film's own; lungs are dark, but not black."""
    return np.maximum(chest_like(seed, height=SIDE, width=SIDE, noise=12.0), 20)


def cut_film(seed: int) -> NDArray[np.uint8]:
    """The same, black outside the lungs."""
    return np.where(elliptical_lungs(), whole_film(seed), 0).astype(np.uint8)


def brighter(film: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same film on another grey scale."""
    return np.rint(255 * (film / 255.0) ** 0.6).astype(np.uint8)


def write_film(root: Path, path: str, pixels: NDArray[np.uint8], **columns: Any) -> ManifestRow:
    """Save a film and describe it."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(root / path)
    content = (root / path).read_bytes()
    facts = {"format": "PNG", "width": SIDE, "height": SIDE, "split": "train", "population": "adult"}
    return ManifestRow(
        **{**facts, **columns},
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
    )


def make_cut_pool(root: Path, *, hosts: int = 3, sick: int = 2) -> list[ManifestRow]:
    """Normal films whole (on another grey scale) and cut, sick ones only cut; all of the training split."""
    rows = []
    for seed in range(hosts):
        facts: dict[str, Any] = {"label": "NORMAL", "patient": f"made:{seed}"}
        rows.append(write_film(root, f"cut/n{seed}.png", cut_film(seed), source=CUT, boxes="[]", **facts))
        whole = brighter(whole_film(seed))
        rows.append(write_film(root, f"whole/w{seed}.png", whole, source=WHOLE, **facts))
    for seed in range(100, 100 + sick):
        rows.append(
            write_film(
                root,
                f"cut/p{seed}.png",
                cut_film(seed),
                source=CUT,
                label="PNEUMONIA",
                patient=f"made:{seed}",
                boxes=json.dumps([BOX]),
                view="AP",
                age=61.0,
            )
        )
    return rows

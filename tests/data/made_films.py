"""Artificial labelled films without a shortcut, and ways to plant one."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from generated import chest_like
from pneumoscope.data.manifest import ManifestRow

Pixels = NDArray[np.uint8]


@dataclass
class Made:
    """One film before it is written; a plant changes it.

    Attributes:
        pixels: (H, W).
        suffix: of the file.
        options: for Pillow's `save`.
        record: columns of the manifest.
        index: within the set.
    """

    pixels: Pixels
    sick: bool
    record: dict[str, Any]
    index: int
    suffix: str = ".png"
    options: dict[str, Any] = field(default_factory=dict)


Plant = Callable[[Made, np.random.Generator], None]


def artificial_films(
    root: Path,
    seed: int,
    *,
    patients: int = 120,
    sources: tuple[str, ...] = ("here",),
    plant: Plant | None = None,
) -> list[ManifestRow]:
    """Write films of patients with and without a faint opacity, and the rows of their manifest.

    Label, source, split, view, age and size are independent of each other; opacities lie within the lungs.

    Args:
        root: folder to write to.
        seed: makes the set.
        patients: half of them sick; every third has two films.
        sources: dealt to patients.
        plant: changes films before they are written, to plant a shortcut.
    """
    generator = np.random.default_rng(seed)
    rows = []
    for patient in range(patients):
        sick = bool(generator.random() < 0.5)
        source = sources[int(generator.integers(len(sources)))]
        split = str(generator.choice(["train", "validation", "test"], p=[0.6, 0.15, 0.25]))
        height, width = (int(n) for n in generator.integers(118, 140, 2))
        plain = chest_like(seed * 10_000 + patient, height=height, width=width, noise=0.0).astype(float)
        ill = chest_like(seed * 10_000 + patient, height=height, width=width, noise=0.0, opacity=True)
        build = np.asarray(
            Image.fromarray(generator.normal(0, 12, (7, 6)).astype(np.float32)).resize((width, height))
        )
        view, age = str(generator.choice(["AP", "PA"])), float(generator.integers(1, 90))
        for film in range(1 + patient % 3 // 2):
            pixels = plain + (0.25 * (ill - plain) if sick else 0.0) + build
            pixels += generator.normal(0, 4, pixels.shape)
            made = Made(
                np.clip(np.rint(pixels), 0, 255).astype(np.uint8),
                sick,
                {
                    "source": source,
                    "label": "PNEUMONIA" if sick else "NORMAL",
                    "patient": f"made:{patient}",
                    "split": split,
                    "view": view,
                    "age": age,
                },
                len(rows),
            )
            if plant is not None:
                plant(made, generator)
            rows.append(write_film(root, f"{patient:04d}-{film}", made))
    return rows


def write_film(root: Path, name: str, made: Made) -> ManifestRow:
    """Write one film and describe it as a manifest does."""
    path = root / f"{name}{made.suffix}"
    Image.fromarray(made.pixels).save(path, **made.options)
    content = path.read_bytes()
    return ManifestRow(
        path=path.name,
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        format={".png": "PNG", ".jpg": "JPEG", ".bmp": "BMP"}[made.suffix],
        height=made.pixels.shape[0],
        width=made.pixels.shape[1],
        **made.record,
    )


def resized(made: Made, height: int, width: int) -> Pixels:
    """The film's pixels at another size."""
    return np.asarray(Image.fromarray(made.pixels).resize((width, height), Image.Resampling.BILINEAR))


def copy_into_another_split(root: Path, row: ManifestRow, **changes: Any) -> ManifestRow:
    """A scaled and re-encoded copy of a film under another patient, in another split."""
    image = Image.open(root / row.path)
    smaller = np.asarray(
        image.resize((image.width * 4 // 5, image.height * 4 // 5), Image.Resampling.LANCZOS)
    )
    image.close()
    made = Made(smaller, row.label == "PNEUMONIA", {}, 0, ".jpg", {"quality": 85})
    written = write_film(
        root, f"copy-{row.path.split('.')[0]}", made=replace(made, record={"source": row.source})
    )
    other = "train" if row.split == "test" else "test"
    return replace(written, label=row.label, patient=f"copy:{row.path}", split=other, **changes)

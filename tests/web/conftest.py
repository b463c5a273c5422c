"""A small bundle, Debian's Chromium, and a page in a process of its own."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, sync_playwright

import api.running
import pneumoscope
from generated import chest_like
from installing import Started, free_port, started
from pneumoscope.evaluation.operating_points import measure_curve
from pneumoscope.runtime.loading import load
from pneumoscope.runtime.predictor import Predictor
from tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a curve of which every point is another one."""
    labels = np.arange(2000) % 2 == 0
    probabilities = np.random.default_rng(3).beta(np.where(labels, 3, 2), np.where(labels, 2, 3))
    curve = measure_curve(probabilities, labels, split="made films")
    return make_tiny_bundle(tmp_path_factory.mktemp("tiny"), curve=curve.model_dump())


@pytest.fixture(scope="session")
def predictor(bundle: Path) -> Predictor:
    return load(bundle)


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a film of every kind that a visitor may send."""
    from PIL import Image

    from api.films import dicom
    from image.made_images import encoded

    folder = tmp_path_factory.mktemp("films")
    for seed in range(1, 7):
        film = Image.fromarray(chest_like(seed, height=300, width=260, opacity=seed % 2 == 0))
        (folder / f"film-{seed}.png").write_bytes(encoded(film, "PNG"))
    (folder / "film-7.jpg").write_bytes(encoded(Image.fromarray(chest_like(7)), "JPEG"))
    (folder / "ward.dcm").write_bytes(dicom(8))
    (folder / "hand.dcm").write_bytes(dicom(9, BodyPartExamined="HAND"))
    (folder / "notes.txt").write_text("Not a film.\n")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Closed after each module: while it runs, no other event loop can run in this thread."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None and os.environ.get("CI"):
        pytest.fail("no Chromium is installed: apt-get install chromium")
    if chromium is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Home, temporary and working folder of the page's process."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def served(bundle: Path, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """`pneumoscope app` as a user starts it; what it writes and whom it calls is noted in `home`.notes."""
    notes = home.with_suffix(".notes")
    notes.touch()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(home),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(Path(pneumoscope.__file__).parents[1]),
        "OMP_NUM_THREADS": "1",
        "NOTED_WRITES": str(notes),
        # Gradio imports matplotlib where it is installed, and that keeps a list of fonts.
        "MPLCONFIGDIR": str(tmp_path_factory.mktemp("matplotlib")),
    }
    command = [sys.executable, "-P", api.running.LAUNCHER, "app", "--port", str(free_port())]
    options = ["--model", bundle, "--workers", "2", "--max-films", "12", "--max-film-mb", "2"]
    with started([*command, *options], environment, home) as server:
        yield server

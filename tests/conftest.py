"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest

_POOL_BESIDE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def pool() -> Path:
    """Root of the pool of real radiographs; the test is skipped, saying so, where there is none."""
    root = Path(os.environ.get("PNEUMOSCOPE_POOL", _POOL_BESIDE_CHECKOUT))
    if not (root / "kermany").is_dir():
        pytest.skip(f"no image pool at {root}: set PNEUMOSCOPE_POOL to the folder that holds kermany/")
    return root

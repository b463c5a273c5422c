"""One tiny bundle, and predictors of it, for all tests of the runtime."""

from pathlib import Path

import pytest

from pneumoscope.runtime.bundle import Bundle, open_bundle
from pneumoscope.runtime.predictor import Predictor
from tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def bundle(tiny: Path) -> Bundle:
    return open_bundle(tiny)


@pytest.fixture(scope="session")
def predictor(bundle: Bundle) -> Predictor:
    return Predictor(bundle)

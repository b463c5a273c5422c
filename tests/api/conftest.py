"""Servers that several tests share; each film is answered on its own, so no test leaves a trace in them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.running import Server, running
from pneumoscope.runtime.loading import load
from pneumoscope.runtime.predictor import Predictor
from tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def predictor(bundle: Path) -> Predictor:
    return load(bundle)


@pytest.fixture(scope="session")
def server(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with its defaults."""
    with running(bundle, tmp_path_factory.mktemp("server"), "--workers", "2") as server:
        yield server

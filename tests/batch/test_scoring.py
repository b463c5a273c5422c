"""Other processes score as this one does, with the same bundle or not at all."""

import pickle
from pathlib import Path

import pytest
from PIL import Image

from generated import chest_like
from pneumoscope.batch.outputs import OutputFolders
from pneumoscope.batch.processes import map_in_processes
from pneumoscope.batch.scoring import FilmScorer, MakeScorer, lost_film
from pneumoscope.errors import BundleError
from pneumoscope.runtime.bundle import open_bundle
from pneumoscope.runtime.film import RECORD_FIELDS
from pneumoscope.runtime.predictor import Predictor
from tiny_bundle import make_tiny_bundle


def test_processes_score_and_write_what_this_one_would(tmp_path: Path) -> None:
    bundle = open_bundle(make_tiny_bundle(tmp_path / "tiny"))
    films = [str(tmp_path / name) for name in ("a.png", "b.png", "absent.png")]
    for seed, path in enumerate(films[:2]):
        Image.fromarray(chest_like(seed)).save(path)
    results, files = [], []
    for name in ("here", "there"):
        folders = OutputFolders(films, overlays=None, heatmaps=tmp_path / name)
        if name == "here":
            scorer = FilmScorer(Predictor(bundle, operating_point="screening"), folders)
            results.append([scorer(film) for film in enumerate(films)])
        else:
            make = MakeScorer(bundle, "screening", folders)
            results.append(list(map_in_processes(make, enumerate(films), 2, lost_film)))
        files.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert results[0] == results[1]
    assert [record["status"] for _, record, _ in results[0]] == ["ok", "ok", "error"]
    assert files[0] == files[1]
    assert sorted(files[0]) == ["a.npy", "b.npy"]


def test_bundle_that_changes_on_the_way(tmp_path: Path) -> None:
    directory = make_tiny_bundle(tmp_path / "tiny")
    make = MakeScorer(open_bundle(directory), "balanced", OutputFolders([], overlays=None, heatmaps=None))
    make_tiny_bundle(directory, version="0.2.0")
    with pytest.raises(BundleError, match="has become another bundle"):
        pickle.loads(pickle.dumps(make))()


def test_lost_film() -> None:
    number, record, warnings = lost_film((7, "a.dcm"), "signal SIGKILL")
    assert (number, record["path"], record["status"], warnings) == (7, "a.dcm", "error", ())
    assert "signal SIGKILL" in str(record["reason"])
    assert tuple(record) == RECORD_FIELDS

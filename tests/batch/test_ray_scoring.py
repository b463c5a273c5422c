"""What must be equal on every machine is sent along or checked, and what a cluster must be is said."""

import os
import pickle
import sys
from pathlib import Path

import pytest
from PIL import Image

from generated import chest_like
from pneumoscope.batch import ray_scoring
from pneumoscope.batch.outputs import OutputFolders
from pneumoscope.batch.ray_cluster import open_cluster
from pneumoscope.batch.ray_scoring import MakeRemoteScorer, remote_scorer
from pneumoscope.batch.scoring import FilmScorer
from pneumoscope.cli.main import main
from pneumoscope.errors import MissingExtraError, PneumoscopeError, UsageError
from pneumoscope.runtime.bundle import Bundle, open_bundle
from pneumoscope.runtime.predictor import Predictor
from tiny_bundle import make_tiny_bundle

FILMS = ("film.png", "absent.png")


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(chest_like(1)).save("film.png")
    return open_bundle(make_tiny_bundle(Path("tiny")))


def there(make: MakeRemoteScorer) -> MakeRemoteScorer:
    """The maker as another machine gets it."""
    arrived: MakeRemoteScorer = pickle.loads(pickle.dumps(make))
    return arrived


def no_folders() -> OutputFolders:
    return OutputFolders(FILMS, overlays=None, heatmaps=None)


def test_machine_without_the_bundle_s_folder_scores_as_this_one(bundle: Bundle, tmp_path: Path) -> None:
    folders = OutputFolders(FILMS, overlays=Path("overlays"), heatmaps=Path("maps"))
    here = FilmScorer(Predictor(bundle, operating_point="screening", guard=False), no_folders())
    with remote_scorer(bundle, "screening", False, FILMS, folders) as make:
        for file in sorted(Path("tiny").iterdir()):
            file.unlink()
        assert len(list(Path("maps").iterdir())) == 1
        os.chdir("/")
        scorer = there(make)()
    assert [scorer(film) for film in enumerate(FILMS)] == [here(film) for film in enumerate(FILMS)]
    assert [path.name for path in sorted((tmp_path / "maps").iterdir())] == ["film.npy"]
    assert [path.name for path in sorted((tmp_path / "overlays").iterdir())] == ["film.png"]


def test_machine_that_does_not_see_the_films(bundle: Bundle, tmp_path: Path) -> None:
    with remote_scorer(bundle, "balanced", True, ("memory://a/b.png", *FILMS), no_folders()) as make:
        Path("film.png").unlink()
        with pytest.raises(
            PneumoscopeError, match=r"does not see what is in .*: keep films and output folders"
        ):
            there(make)()


def test_machine_that_does_not_see_the_folders(bundle: Bundle) -> None:
    folders = OutputFolders(FILMS, overlays=None, heatmaps=Path("maps"))
    with remote_scorer(bundle, "balanced", True, FILMS, folders) as make:
        arrived = there(make)
    assert list(Path("maps").iterdir()) == []
    with pytest.raises(PneumoscopeError, match=r"does not see what is in .*maps: keep films"):
        arrived()


def test_machine_without_the_working_directory(bundle: Bundle, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.mkdir()
    os.chdir(away)
    with remote_scorer(bundle, "balanced", True, (), no_folders()) as make:
        arrived = there(make)
    os.chdir(tmp_path)
    away.rmdir()
    with pytest.raises(PneumoscopeError, match=r"has no folder .*away \(No such file or directory\)"):
        arrived()


def test_machine_with_another_version(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    with remote_scorer(bundle, "balanced", True, FILMS, no_folders()) as make:
        arrived = there(make)
    monkeypatch.setattr(ray_scoring, "__version__", "99.0")
    with pytest.raises(
        PneumoscopeError, match=r"has pneumoscope 99\.0, and this one .*: install the same version"
    ):
        arrived()


def test_folder_that_cannot_be_written_to(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = OutputFolders(FILMS, overlays=None, heatmaps=Path("maps"))
    Path("maps").rmdir()
    Path("maps").write_text("no folder")
    with (
        pytest.raises(UsageError, match=r"maps cannot be written to: Not a directory"),
        remote_scorer(bundle, "balanced", True, FILMS, folders),
    ):
        pass


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ray://head:10001", "which is for Ray's client: run this on a machine of the cluster"),
        ("127.0.0.1:1", "cannot be reached (.*Connection refused.*): give HOST:PORT of its head"),
        ("head", "cannot be reached"),
    ],
)
def test_cluster_that_cannot_be_joined(monkeypatch: pytest.MonkeyPatch, address: str, message: str) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(UsageError, match=message.replace("(", r"\(").replace(")", r"\)")), open_cluster(1):
        pass


def test_without_ray(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError), open_cluster(1):
        pass
    monkeypatch.setattr(
        sys, "argv", ["pneumoscope", "predict", "film.png", "--model", "tiny", "--engine", "ray"]
    )
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 1
    said = capsys.readouterr()
    assert said == ("", "pneumoscope: ray is not installed; run: pip install 'pneumoscope[ray]'\n")


def test_reports_are_refused(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["predict", "film.png", "--model", "tiny", "--engine", "ray", "--report", "pages"]
    monkeypatch.setattr(sys, "argv", ["pneumoscope", *command])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 2
    assert "--report and --engine ray contradict each other" in capsys.readouterr().err
    assert not Path("pages").exists()

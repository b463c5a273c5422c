"""`pneumoscope predict --engine ray`, the whole command: what `local` says, also on one core, and killed.

Every command has a limit: an engine that hangs fails.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from PIL import Image

from batch.results import rows_of
from generated import chest_like
from pneumoscope.runtime.bundle import open_bundle
from pneumoscope.runtime.predictor import Predictor
from tiny_bundle import make_tiny_bundle

# Seconds; far more than it takes, on a machine that is busy with other things.
LIMIT = 200.0
TESTS = Path(__file__).parents[1]
RUN = "from pneumoscope.cli.main import main; main()"
ON_ONE_CORE = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); " + RUN
LET_IN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 4}
ODD_NAME = b"\xff odd\n.png".decode(errors="surrogateescape")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="sets the cores and reads the processes of Linux"),
]


@pytest.fixture
def films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder `films` of the working directory, in it some that cannot be scored; and the bundle `tiny`."""
    monkeypatch.chdir(tmp_path)
    make_tiny_bundle(tmp_path / "tiny")
    for name in ("a.png", "b/a.png", "b/c.jpg", ODD_NAME, *(f"d/{number:02d}.png" for number in range(12))):
        path = tmp_path / "films" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(chest_like(len(name), height=90, width=80)).save(path)
    (tmp_path / "films/broken.png").write_text("not a film")
    return Path("films")


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder with a short name, for what Ray keeps while it runs; nothing may be left in it."""
    folder = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))
    try:
        yield folder
        assert list(folder.iterdir()) == []
    finally:
        shutil.rmtree(folder)


def environment(**more: str) -> dict[str, str]:
    path = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    return inherited | {"PYTHONPATH": path} | more


def run(
    program: list[str], *arguments: str, stdin: IO[str] | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *program, *arguments],
        stdin=stdin,
        env=environment(**more),
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=False,
        timeout=LIMIT,
    )


def predict(engine: str, name: str) -> list[str]:
    """A command that writes everything there is, below the folder `name`."""
    outputs = ["--heatmap-dir", f"{name}/maps", "--overlay-dir", f"{name}/overlays"]
    return [
        "predict",
        "films",
        "absent.png",
        "--model",
        "tiny",
        "--format",
        "jsonl",
        "--engine",
        engine,
        *outputs,
    ]


def files_in(folder: str) -> dict[str, bytes]:
    found = Path(folder).rglob("*")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found if path.is_file()}


def test_one_core_gives_what_the_local_engine_gives(films: Path, scratch: Path) -> None:
    local = run(["-c", RUN], *predict("local", "local"))
    assert local.returncode == 3
    assert len(local.stdout.splitlines()) == 18
    on_ray = run(["-c", ON_ONE_CORE], *predict("ray", "ray"), TMPDIR=str(scratch))
    assert (on_ray.stdout, on_ray.stderr, on_ray.returncode) == (local.stdout, local.stderr, 3)
    assert files_in("ray") == files_in("local")
    assert len(files_in("ray")) == 2 * 16


@pytest.fixture
def small_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a cluster with one processor, started elsewhere by somebody else."""
    folder = tempfile.mkdtemp(prefix="t", dir="/tmp")
    start = ["start", "--head", "--block", "--num-cpus=1", "--port=0", "--include-dashboard=false"]
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "ray.scripts.scripts",
            *start,
            f"--temp-dir={folder}",
            "--disable-usage-stats",
        ],
        cwd=tmp_path_factory.mktemp("elsewhere"),
        env=environment(**LET_IN),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        watch = threading.Timer(LIMIT, process.kill)
        watch.start()
        try:
            assert process.stdout is not None
            said = ""
            while not (found := re.search(r"--address='([^']+)'", said)):
                line = process.stdout.readline()
                assert line, said
                said += line
            yield found[1]
        finally:
            process.terminate()
            process.communicate()
            watch.cancel()
            shutil.rmtree(folder, ignore_errors=True)


def test_cluster_of_one_processor_is_enough(films: Path, small_cluster: str) -> None:
    local = run(["-c", RUN], *predict("local", "local"))
    for workers in ([], ["--workers", "3"]):
        arguments = [*predict("ray", "ray"), *workers]
        on_ray = run(["-c", RUN], *arguments, RAY_ADDRESS=small_cluster, **LET_IN)
        assert (on_ray.stdout, on_ray.stderr, on_ray.returncode) == (local.stdout, local.stderr, 3)
        assert files_in("ray") == files_in("local")
    refused = run(["-c", RUN], *predict("ray", "ray"), RAY_ADDRESS=small_cluster)
    assert (refused.stdout, refused.returncode) == ("", 2)
    assert "cannot be joined: it asks for a token; set RAY_AUTH_MODE=token" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_every_film_exactly_once_whoever_is_killed(films: Path, scratch: Path) -> None:
    many = [f"films/e/{number:03d}.png" for number in range(150)]
    Path("films/e").mkdir()
    # So large that actors are still at work when they are killed, however slowly records are taken.
    for number, path in enumerate(many):
        if number < 5:
            Image.fromarray(chest_like(number, height=1080, width=960)).save(path)
        else:
            Path(path).hardlink_to(many[number % 5])
    arguments = [
        "predict",
        "films/e",
        "--model",
        "tiny",
        "--engine",
        "ray",
        "--out",
        "r.parquet",
        "--workers",
        "2",
    ]
    program = str(TESTS / "batch" / "killed_job.py")
    run_of_it = run([program, "30", "SIGKILL"], *arguments, TMPDIR=str(scratch))
    assert run_of_it.returncode == -9, run_of_it.stderr
    assert 0 < len(list(Path("r.parquet.parts").glob("0*.parquet"))) < 150
    for left in scratch.iterdir():  # a process that is killed cannot tidy up
        shutil.rmtree(left)
    program = str(TESTS / "batch" / "ray_job.py")
    run_of_it = run([program, "3,60"], *arguments, TMPDIR=str(scratch))
    assert run_of_it.returncode == 0, run_of_it.stderr
    said = re.fullmatch(r"(\d+) killed, (\d+) restarts", run_of_it.stdout)
    assert said is not None, run_of_it.stdout
    assert int(said[1]) >= 1
    assert int(said[2]) >= 1
    bundle = open_bundle("tiny")
    assert rows_of("r.parquet") == [
        film.record() | {"bundle_sha256": bundle.sha256} for film in Predictor(bundle).predict_many(many)
    ]


@pytest.mark.pool
def test_real_films_give_what_the_local_engine_gives(
    pool: Path, tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Films of every collection, chest or not, with the shipped bundle and its guard."""
    monkeypatch.chdir(tmp_path)
    sampled = []
    for collection in sorted(path for path in pool.iterdir() if path.is_dir()):
        with os.scandir(collection) as entries:
            folder = min((entry.path for entry in entries if entry.is_dir()), default=str(collection))
        films = [str(path) for path in sorted(Path(folder).rglob("*")) if path.is_file()]
        sampled += films[:: max(len(films) // 7, 1)]
    Path("films.txt").write_text("\n".join(sampled))
    records = {}
    for engine in ("local", "ray"):
        command = ["predict", "-", "--format", "jsonl", "--engine", engine]
        with Path("films.txt").open() as films_txt:
            records[engine] = run(["-c", RUN], *command, stdin=films_txt, TMPDIR=str(scratch))
    assert records["ray"].stdout == records["local"].stdout
    assert records["ray"].returncode == records["local"].returncode == 3
    assert records["ray"].stdout.count('"status": "ok"') >= 30


def test_interruption_is_one_line_and_leaves_nothing_running(films: Path, scratch: Path) -> None:
    many = ["films"] * 300
    command = ["predict", *many, "--model", "tiny", "--format", "jsonl", "--engine", "ray", "--workers", "2"]
    # Where the tests run in the background of a shell, SIGINT is ignored, and children inherit that.
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    with subprocess.Popen(
        [sys.executable, "-c", heed + RUN, *command],
        env=environment(TMPDIR=str(scratch)),
        bufsize=0,  # `communicate` does not see what a buffer holds
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        watch = threading.Timer(LIMIT, process.kill)
        watch.start()
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(b'{"path": "films/')
            os.killpg(process.pid, signal.SIGINT)
            records, said = process.communicate()
        finally:
            watch.cancel()
    assert process.returncode == 130, said
    stated = re.fullmatch(rf"interrupted: (\d+) of {17 * 300} films are done\n", said.decode())
    assert stated is not None, said
    # The signal may come between a record and its being counted.
    assert 1 + len(records.splitlines()) - int(stated[1]) in (0, 1)

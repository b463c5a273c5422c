"""The whole command, killed again and again at random steps: every film is in the result exactly once."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import create_engine, text

from batch.results import rows_of
from generated import chest_like
from pneumoscope.runtime.bundle import open_bundle
from pneumoscope.runtime.predictor import Predictor
from tiny_bundle import make_tiny_bundle

KILLS = 20
FILMS = 24
# A job is about three steps for each film.
LONGEST_RUN = 40
NEVER = 10**9


@pytest.fixture
def films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Films in the folder `films` of the working directory, one of them unreadable, and the bundle `tiny`."""
    monkeypatch.chdir(tmp_path)
    make_tiny_bundle(tmp_path / "tiny")
    Path("films").mkdir()
    for seed in range(FILMS):
        Image.fromarray(chest_like(seed, height=90, width=80)).save(f"films/{seed:02d}.png")
    Path("films/10.png").write_text("not a film")
    return [f"films/{seed:02d}.png" for seed in range(FILMS)]


def predict(
    step: int, signal: str, out: str, *more: str, model: str = "tiny"
) -> subprocess.CompletedProcess[str]:
    """One run of the command, with the first film named twice, that gets a signal at a step."""
    tests = Path(__file__).parents[1]
    path = os.pathsep.join([str(tests), *filter(None, [os.environ.get("PYTHONPATH")])])
    program = [sys.executable, str(tests / "batch" / "killed_job.py"), str(step), signal]
    arguments = ["predict", "films", "films/00.png", "--model", model, "--out", out, *more]
    workers = ["--workers", str(1 + step % 2)]
    return subprocess.run(
        [*program, *arguments, *workers],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def expected(films: list[str]) -> list[dict[str, object]]:
    bundle = open_bundle("tiny")
    return [
        film.record() | {"bundle_sha256": bundle.sha256} for film in Predictor(bundle).predict_many(films)
    ]


def remove(out: str) -> None:
    if "://" not in out:
        Path(out).unlink()
        return
    engine = create_engine(out)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE pneumoscope_results"))
    engine.dispose()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_film_exactly_once_after_twenty_kills(films: list[str], out: str) -> None:
    generator = random.Random(out.split(":")[0].rsplit(".")[-1])
    wanted = expected(films)
    kills = finished = 0
    while kills < KILLS:
        run = predict(generator.randint(1, LONGEST_RUN), "SIGKILL", out)
        if run.returncode == -9:
            kills += 1
            continue
        assert (run.returncode, run.stdout) == (3, ""), run.stderr
        assert rows_of(out) == wanted
        remove(out)
        finished += 1
    run = predict(NEVER, "SIGKILL", out)
    assert run.returncode == 3, run.stderr
    assert rows_of(out) == wanted
    assert finished >= 1
    # Once more: nothing is left to do, and nothing is done.
    run = predict(NEVER, "SIGKILL", out)
    assert (run.returncode, run.stderr) == (3, f"{FILMS} of {FILMS} films have been done before\n")
    assert rows_of(out) == wanted


def test_interruption_keeps_what_is_done(films: list[str], out: str) -> None:
    run = predict(40, "SIGINT", out)
    assert run.returncode == 130, run.stderr
    *_, said = run.stderr.splitlines()
    done = int(said.split()[1])
    assert 3 < done < FILMS
    assert said == f"interrupted: {done} of {FILMS} films are done; the same command goes on from there"
    run = predict(NEVER, "SIGINT", out)
    assert run.stderr.splitlines()[0] == f"{done} of {FILMS} films have been done before"
    assert rows_of(out) == expected(films)


def test_resume_with_another_bundle_is_refused(films: list[str], out: str) -> None:
    assert predict(30, "SIGKILL", out).returncode == -9
    make_tiny_bundle(Path("newer"), version="0.2.0")
    run = predict(NEVER, "SIGKILL", out, model="newer")
    assert run.returncode == 2
    assert "holds results of the bundle tiny 0.1.0" in run.stderr
    assert "Traceback" not in run.stderr
    assert predict(NEVER, "SIGKILL", out).returncode == 3
    assert rows_of(out) == expected(films)


def test_result_says_what_the_other_formats_say(films: list[str], tmp_path: Path) -> None:
    out = str(tmp_path / "results.parquet")
    predict(NEVER, "SIGKILL", out)
    predict(NEVER, "SIGKILL", "records.jsonl", "--format", "jsonl")
    lines = [json.loads(line) for line in Path("records.jsonl").read_text().splitlines()]
    rows = [{key: value for key, value in row.items() if key != "bundle_sha256"} for row in rows_of(out)]
    assert rows == lines[:FILMS]
    assert lines[FILMS:] == lines[:1]

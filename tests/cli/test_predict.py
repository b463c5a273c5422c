"""`pneumoscope predict`: records, files, exit status, and nothing that stops it."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pneumoscope
from pneumoscope.image import sample
from pneumoscope.runtime.film import RECORD_FIELDS

from .conftest import Run

PATHS = ["films/a/x.png", "films/b/x.png", "films/b/y.jpg"]


def test_records_are_those_of_the_api(run: Run, films: Path, tiny: Path) -> None:
    outcome = run("predict", films, "--model", tiny, "--format", "jsonl")
    records = [json.loads(line) for line in outcome.out.splitlines()]
    assert outcome.status == 0
    assert records == [film.record() for film in pneumoscope.load(tiny).predict_many(PATHS)]
    assert {record["finding"] for record in records} == {"NORMAL", "PNEUMONIA"}
    assert outcome.err == "left out 2 files: no films by name or kind\n"


def test_every_format_holds_the_same(run: Run, films: Path, tiny: Path) -> None:
    results = {
        form: run("predict", films, "--model", tiny, "--format", form).out
        for form in ("json", "jsonl", "csv")
    }
    as_json = json.loads(results["json"])
    assert [json.loads(line) for line in results["jsonl"].splitlines()] == as_json
    rows = list(csv.DictReader(io.StringIO(results["csv"])))
    assert tuple(rows[0]) == RECORD_FIELDS
    assert [float(row["probability"]) for row in rows] == [record["probability"] for record in as_json]


@pytest.mark.parametrize("guard", [[], ["--no-guard"]])
def test_many_films_in_processes_give_what_threads_give(
    run: Run, films: Path, tiny: Path, guard: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (films / "b" / "z.png").write_text("not a film")
    given: dict[str, tuple[object, ...]] = {}
    for engine, fewest in (("threads", 100), ("processes", 2)):
        monkeypatch.setattr("pneumoscope.cli.predict._FILMS_FOR_PROCESSES", fewest)
        outcome = run(
            "predict",
            films,
            "--model",
            tiny,
            "--format",
            "jsonl",
            "--workers",
            2,
            "--heatmap-dir",
            engine,
            *guard,
        )
        maps = {path.name: path.read_bytes() for path in Path(engine).iterdir()}
        given[engine] = (outcome.status, outcome.out, outcome.err, maps)
    assert given["threads"] == given["processes"]
    assert (given["threads"][0], len(given["threads"][3])) == (3, 3)


def test_processes_are_what_many_films_are_scored_in(
    run: Run, films: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pneumoscope.cli.predict._FILMS_FOR_PROCESSES", 2)
    monkeypatch.setattr("pneumoscope.batch.processes.map_in_processes", lambda *_: (_ for _ in ()))
    assert run("predict", films, "--model", tiny, "--format", "jsonl", "--workers", 2).out == ""
    for few in ([films / "a"], [films, "--workers", 1], [films, "--report", "pages"]):
        assert run("predict", *few, "--model", tiny, "--format", "jsonl").out != ""


def test_table_is_the_default(run: Run, films: Path, tiny: Path) -> None:
    outcome = run("predict", films / "a", "--model", tiny)
    assert "films/a/x.png" in outcome.out
    assert "tiny 0.1.0, operating point balanced: PNEUMONIA from a probability of 0.500" in outcome.out
    assert "measured there on validation: sensitivity 0.910 (0.880 to 0.930)" in outcome.out
    assert "For research use only." in outcome.out


def test_operating_point(run: Run, films: Path, tiny: Path) -> None:
    outcome = run("predict", films, "--model", tiny, "--format", "json", "--operating-point", "rule-in")
    for record in json.loads(outcome.out):
        assert (record["operating_point"], record["threshold"], record["finding"]) == (
            "rule-in",
            0.8,
            "NORMAL",
        )


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_workers_change_nothing(run: Run, films: Path, tiny: Path, workers: int) -> None:
    one = run("predict", films, "--model", tiny, "--format", "jsonl", "--workers", 1)
    assert run("predict", films, "--model", tiny, "--format", "jsonl", "--workers", workers) == one


def test_out(run: Run, films: Path, tiny: Path) -> None:
    to_screen = run("predict", films, "--model", tiny, "--format", "csv")
    to_file = run("predict", films, "--model", tiny, "--format", "csv", "--out", "r.csv")
    assert to_file == (0, "", to_screen.err)
    assert Path("r.csv").read_text() == to_screen.out


def test_maps_and_overlays(run: Run, films: Path, tiny: Path) -> None:
    outcome = run("predict", films, "--model", tiny, "--heatmap-dir", "maps", "--overlay-dir", "overlays")
    assert outcome.status == 0
    assert sorted(os.listdir("maps")) == ["x-2.npy", "x.npy", "y.npy"]  # noqa: PTH208
    assert sorted(os.listdir("overlays")) == ["x-2.png", "x.png", "y.png"]  # noqa: PTH208
    for name, film in zip(("x", "x-2", "y"), pneumoscope.load(tiny).predict_many(PATHS), strict=True):
        assert isinstance(film, pneumoscope.Film)
        heatmap = np.load(f"maps/{name}.npy")
        assert heatmap.dtype == np.float32
        assert heatmap.shape == film.radiograph.pixels.shape
        np.testing.assert_array_equal(heatmap, film.heatmap)
        np.testing.assert_array_equal(
            np.asarray(Image.open(f"overlays/{name}.png")), np.asarray(film.overlay())
        )


def test_a_bad_film_has_a_record_but_no_files(run: Run, films: Path, tiny: Path) -> None:
    outcome = run(
        "predict", "films/notes.txt", "absent.png", "films/a/x.png", "--model", tiny, "--format", "jsonl",
        "--heatmap-dir", "maps", "--overlay-dir", "overlays",
    )  # fmt: skip
    assert outcome.status == 3
    text, absent, good = (json.loads(line) for line in outcome.out.splitlines())
    assert (text["path"], text["status"], good["status"]) == ("films/notes.txt", "error", "ok")
    assert (absent["path"], absent["status"]) == ("absent.png", "error")
    for record in (text, absent):
        assert record["reason"]
        assert [record[key] for key in RECORD_FIELDS[3:]] == [None] * 6
    assert os.listdir("maps") == ["x.npy"]  # noqa: PTH208
    assert os.listdir("overlays") == ["x.png"]  # noqa: PTH208


def test_all_bad(run: Run, films: Path, tiny: Path) -> None:
    outcome = run("predict", "films/notes.txt", "--model", tiny)
    assert outcome.status == 3
    assert "0 scored, 1 not scored" in outcome.out


def test_list_on_standard_input(run: Run, films: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("films/b/y.jpg\nfilms/a\n"))
    outcome = run("predict", "-", "--model", tiny, "--format", "json")
    assert [record["path"] for record in json.loads(outcome.out)] == ["films/b/y.jpg", "films/a/x.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "nothing to do: name a film or a folder, or --sample"),
        (("films/empty",), "nothing to do: no films were found there"),
        (("films", "--engine", "spark"), "spark"),
        (("films", "--format", "xml"), "xml"),
        (("films", "--operating-point", "0.5"), "0.5"),
        (("films", "--workers", "0"), "workers"),
        (("films", "--colour"), "--colour"),
        (("films", "--out", "nowhere/r.json"), "cannot be written"),
        (("films", "--out", "films"), "cannot be written"),
        (("films", "--out", "films/b/x.png"), "is one of the films"),
        (("films", "--overlay-dir", "films/a"), "is one of the films"),
        (("films", "--overlay-dir", "films/a/x.png"), "cannot be made a folder"),
        (("films", "--overlay-dir", "o", "--out", "o/x-2.png"), "name another --out"),
        (("-", "-"), "given twice"),
    ],
)
def test_wrong_usage_is_a_sentence_and_status_2(
    run: Run, films: Path, tiny: Path, arguments: tuple[str, ...], message: str
) -> None:
    Path("films/empty").mkdir()
    before = {path: path.read_bytes() for path in films.rglob("*") if path.is_file()}
    outcome = run("predict", *arguments, "--model", tiny)
    assert (outcome.status, outcome.out) == (2, "")
    assert message in outcome.err
    assert {path: path.read_bytes() for path in films.rglob("*") if path.is_file()} == before


def test_bundle_that_is_not_there(run: Run, films: Path) -> None:
    outcome = run("predict", films, "--model", "nothing", "--out", "r.json")
    assert (outcome.status, outcome.out) == (1, "")
    assert "there is no bundle 'nothing'" in outcome.err
    assert not Path("r.json").exists()


def test_sample_is_scored_without_network(run: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object) -> None:
        pytest.fail("it went to the network")

    monkeypatch.setattr("socket.socket.connect", no_network)
    outcome = run("predict", "--sample", "--model", tiny, "--format", "json")
    (record,) = json.loads(outcome.out)
    assert (outcome.status, record["status"]) == (0, "ok")
    assert record["path"].endswith("RG1_UNCR.dcm")


def test_sample_comes_after_the_paths(run: Run, films: Path, tiny: Path) -> None:
    outcome = run("predict", "films/a", "--sample", "--model", tiny, "--format", "json")
    assert [Path(record["path"]).name for record in json.loads(outcome.out)] == ["x.png", "RG1_UNCR.dcm"]


def test_sample_that_is_not_installed(run: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "find_spec", lambda _: None)
    outcome = run("predict", "--sample", "--model", tiny)
    assert outcome.status == 1
    assert outcome.err == (
        "pneumoscope: pydicom-data is not installed; run: pip install 'pneumoscope[sample]'\n"
    )


def start(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
    # Where the tests run in the background of a shell, SIGINT is ignored, and children inherit that.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code += "from pneumoscope.cli.main import main; main()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload,no-any-return]


def test_reader_that_goes_away(films: Path, tiny: Path) -> None:
    many = ["films/a/x.png"] * 1500
    with start("predict", *many, "--model", tiny, "--format", "jsonl", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_interruption_keeps_what_is_done(films: Path, tiny: Path) -> None:
    many = ["films/a/x.png"] * 20000
    with start("predict", *many, "--model", tiny, "--format", "jsonl", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        lines = [first, *process.stdout.read().splitlines()]
        error = process.stderr.read().decode()
        assert process.wait() == 130
    # The signal may fall between the writing of a record and its counting.
    counts = (len(lines) - 1, len(lines))
    assert error in [f"interrupted: {done} of 20000 films are done\n" for done in counts]
    assert {json.loads(line)["status"] for line in lines} == {"ok"}


def test_full_disk(films: Path, tiny: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        process = start("predict", films, "--model", tiny, "--format", "csv", stdout=full)
        _, error = process.communicate()
    assert process.returncode == 1
    assert error.decode().splitlines()[1:] == [
        "pneumoscope: standard output cannot be written: No space left on device; "
        "name a file for the records with --out"
    ]


def test_film_that_out_links_to_stays_whole(run: Run, films: Path, tiny: Path) -> None:
    before = Path("films/a/x.png").read_bytes()
    Path("out.jsonl").symlink_to("films/a/x.png")
    outcome = run("predict", "films/a", "--model", tiny, "--format", "jsonl", "--out", "out.jsonl")
    assert (outcome.status, outcome.out) == (2, "")
    assert "out.jsonl is one of the films" in outcome.err
    assert Path("films/a/x.png").read_bytes() == before


def test_overlays_beside_the_films_are_rejected_on_the_next_run(run: Run, films: Path, tiny: Path) -> None:
    arguments = ("predict", "films/a", "--model", tiny, "--format", "jsonl")
    assert run(*arguments, "--overlay-dir", "films/a/overlays").status == 0
    outcome = run(*arguments)
    statuses = {record["path"]: record["status"] for record in map(json.loads, outcome.out.splitlines())}
    assert outcome.status == 3
    assert statuses == {"films/a/overlays/x.png": "rejected", "films/a/x.png": "ok"}


def test_closed_standard_input_and_output(
    run: Run, films: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert run("predict", "-", "--model", tiny).err == (
        "pneumoscope: nothing to do: no films were found there\n"
    )
    monkeypatch.setattr(sys, "stdout", None)
    outcome = run("predict", "films/a", "--model", tiny)
    assert (outcome.status, "--out" in outcome.err) == (2, True)
    assert run("predict", "films/a", "--model", tiny, "--out", "r.txt").status == 0
    assert "1 scored" in Path("r.txt").read_text()


def test_name_that_is_no_text(films: Path, tiny: Path) -> None:
    name = b"films/a/\xff.png"
    Path(os.fsdecode(name)).write_bytes(Path("films/a/x.png").read_bytes())
    process = start("predict", "films/a", "--model", tiny, "--format", "csv", stdout=subprocess.PIPE)
    out, error = process.communicate()
    assert (process.returncode, error) == (0, b"")
    assert b"\n" + name + b",ok," in out


def test_works_without_torch_and_the_other_extras(films: Path, tiny: Path) -> None:
    blocked = ("torch", "torchvision", "timm", "onnx", "sklearn", "scipy", "yaml", "pyarrow")
    blocked += ("matplotlib", "pandas", "jinja2", "gradio", "fastapi", "ray")
    Path("site").mkdir()
    Path("site/sitecustomize.py").write_text(f"import sys\nsys.modules.update(dict.fromkeys({blocked}))\n")
    process = start(
        "predict", films, "--sample", "--model", tiny, "--overlay-dir", "o", "--heatmap-dir", "h",
        stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": "site"},
    )  # fmt: skip
    out, error = process.communicate()
    assert process.returncode == 0, error
    assert b"4 scored, 0 not scored" in out


def test_report(run: Run, films: Path, tiny: Path) -> None:
    asked = ("predict", films, films / "notes.txt", "--model", tiny, "--format", "csv")
    outcome = run(*asked, "--report", "pages")
    assert outcome.status == 3
    assert sorted(os.listdir("pages")) == ["index.html", "x-2.html", "x.html", "y.html"]  # noqa: PTH208
    assert "4 chest films, 3 scored" in Path("pages/index.html").read_text()
    assert run(*asked).out == outcome.out

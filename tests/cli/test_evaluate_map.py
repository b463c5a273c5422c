import json
import subprocess
import sys

import numpy as np
import pytest

from data.made_pool import person_film, save
from pneumoscope.data.manifest import read_manifest
from pneumoscope.report.explanation_page import render_explanation_page
from pneumoscope.runtime.bundle import open_bundle
from pneumoscope.runtime.predictor import Predictor
from release.made_run import make_run


def _segmentations(root, count=8):
    """Films in the published layout, the last one without a lesion; two films are of one case."""
    folder = root / "covid19-segmentations"
    for number in range(count):
        name = f"ryct.2020200034.fig{number // 2}-day{number % 2}"
        lesion, lung = np.zeros((2, 96, 80), np.uint8)
        lung[20:80, 8:34] = lung[20:80, 46:72] = 255
        if number < count - 1:
            lesion[30 + number : 60, 10:30] = 255
        save(folder / f"images/{name}.jpg", person_film(number, height=96, width=80))
        save(folder / f"masks/{name}_lesion.png", lesion)
        save(folder / f"masks/{name}_lung.png", lung)
    return root


@pytest.fixture
def pool(tmp_path, run):
    root = _segmentations(tmp_path / "films")
    assert run("data", "build", "--root", root, "--out", tmp_path / "built", "--workers", 1).status == 0
    return root, tmp_path / "built/manifest.parquet"


def test_outlines_are_measured(tiny, pool, run, tmp_path):
    root, manifest = pool
    out, html = tmp_path / "map.json", tmp_path / "map.html"
    place = ["--manifest", manifest, "--root", root, "--split", "test", "--source", "covid19-segmentations"]
    outcome = run("evaluate-map", tiny, *place, "--out", out, "--html", html)
    assert outcome.status == 0, outcome.err
    told = json.loads(out.read_text())
    (group,) = told["groups"]
    assert (group["group"], group["films"], group["patients"]) == ("covid19-segmentations", 7, 4)
    predictor = Predictor(open_bundle(tiny), guard=False)
    hits = []
    for film in told["films"]:
        heatmap = predictor.predict(film["path"]).heatmap
        row, column = np.unravel_index(heatmap.argmax(), heatmap.shape)
        day = int(film["path"].partition("-day")[2][0])
        number = 2 * int(film["path"].partition(".fig")[2][0]) + day
        hits.append(30 + number <= row < 60 and 10 <= column < 30)
    assert [film["hit"] for film in told["films"]] == hits
    pointing = group["metrics"]["pointing"]["map"]
    assert pointing["value"] == pytest.approx(np.mean(hits))
    assert f"{pointing['value']:.3f} ({pointing['low']:.3f}-{pointing['high']:.3f})" in outcome.out
    assert html.read_text(encoding="utf-8") == render_explanation_page(told)


def test_it_needs_no_torch(tiny, pool):
    root, manifest = pool
    arguments = [
        "evaluate-map",
        str(tiny),
        "--manifest",
        str(manifest),
        "--root",
        str(root),
        "--split",
        "test",
    ]
    code = (
        "import sys\n"
        f"sys.argv = ['pneumoscope', *{arguments}]\n"
        "from pneumoscope.cli.main import main\n"
        "try: main()\n"
        "finally: print('torch' in sys.modules, 'captum' in sys.modules, file=sys.stderr)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stderr.split() == ["False", "False"]


@pytest.mark.slow
def test_the_network_behind_a_bundle_is_measured(run, tmp_path):
    made = make_run(tmp_path)
    bundle, out, html = tmp_path / "bundle", tmp_path / "map.json", tmp_path / "map.html"
    place = ["--manifest", made.manifest, "--root", made.root]
    assert run("export", made.directory, *place, "--out", bundle).status == 0
    outcome = run(
        "evaluate-map",
        bundle,
        *place,
        "--split",
        "train",
        "--run",
        made.directory,
        "--methods",
        "--seeds",
        1,
        "--films",
        2,
        "--out",
        out,
        "--html",
        html,
    )
    assert outcome.status == 0, outcome.err
    told = json.loads(out.read_text())
    boxed = [row for row in read_manifest(made.manifest) if row.boxes not in (None, "[]")]
    assert told["groups"][0]["films"] == len(boxed) == 8
    assert len(told["randomisation"]["seeds"]) == 1
    assert told["methods"]["grad_cam_difference"] < 1e-4
    failed = told["randomisation"]["failed"]
    verdict = f"fails for seeds {', '.join(map(str, failed))}" if failed else "fails for no seed"
    assert f"Random weights: the test {verdict} (1 tried)" in outcome.out
    assert "Occlusion (captum)" in outcome.out
    assert html.read_text(encoding="utf-8") == render_explanation_page(told)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods"], "--run RUN"),
        (["--split", "train"], "holds no film with pneumonia"),
        (["--source", "kermany"], "no source 'kermany'"),
        (["--out", "a.json", "--html", "a.json"], "a.json cannot be written: it is named twice"),
    ],
)
def test_wrong_usage_is_one_sentence(tiny, pool, run, arguments, message):
    root, manifest = pool
    split = [] if "--split" in arguments else ["--split", "test"]
    outcome = run("evaluate-map", tiny, "--manifest", manifest, "--root", root, *split, *arguments)
    assert outcome.status == 2
    assert message in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1


def test_a_run_is_looked_for_before_any_film(tiny, run, tmp_path):
    words = ["--manifest", tmp_path / "absent.parquet", "--root", tmp_path, "--split", "test"]
    outcome = run("evaluate-map", tiny, *words, "--run", tmp_path / "no-run")
    assert outcome.status == 1
    assert "no-run" in outcome.err
    assert "absent.parquet" not in outcome.err


def test_a_bad_film_is_named_and_the_others_measured(tiny, pool, run):
    root, manifest = pool
    bad = root / "covid19-segmentations/images/ryct.2020200034.fig0-day0.jpg"
    bad.write_text("no film")
    outcome = run("evaluate-map", tiny, "--manifest", manifest, "--root", root, "--split", "test")
    assert outcome.status == 0
    assert f"{bad}: error:" in outcome.err

"""A running page beyond one visitor: who waits, what is kept of whom, and what a public link changes."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, expect

import pneumoscope
from installing import free_port, started
from pneumoscope.runtime.predictor import Predictor
from pneumoscope.web.page import build_page
from tiny_bundle import make_tiny_bundle, tiny_card
from web.visiting import send

LAUNCHER = Path(__file__).with_name("launch_page.py")
expect.set_options(timeout=60_000)

Command = Callable[..., tuple[list[str | Path], dict[str, str]]]


@pytest.fixture
def command(bundle: Path, tmp_path: Path) -> Command:
    """Words and environment of `pneumoscope app` in a mode of the launcher."""

    def words(mode: str, *options: str) -> tuple[list[str | Path], dict[str, str]]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "TMPDIR": str(tmp_path),
            "PYTHONPATH": str(Path(pneumoscope.__file__).parents[1]),
            "OMP_NUM_THREADS": "1",
            "GO": str(tmp_path / "go"),
            "GONE": str(tmp_path / "gone"),
        }
        start = [sys.executable, LAUNCHER, mode, "app", "--model", bundle, "--port", str(free_port())]
        return [*start, *options], environment

    return words


def test_a_visitor_waits_for_his_turn_and_is_forgotten_when_he_goes(
    command: Command, browser: Browser, films: Path, tmp_path: Path
) -> None:
    go, gone = tmp_path / "go", tmp_path / "gone"
    os.mkfifo(go)
    os.mkfifo(gone)
    words, environment = command("waiting", "--workers", "1")
    with started(words, environment, tmp_path) as server:
        first, second = browser.new_page(), browser.new_page()
        for visitor, film in ((first, "film-1.png"), (second, "film-2.png")):
            visitor.goto(server.url)
            visitor.set_input_files("#drop input[type=file]", films / film)
            expect(visitor.locator("#drop")).to_contain_text("Scoring" if visitor is first else "queue: 1/1")
        for visitor, film in ((first, "film-1.png"), (second, "film-2.png")):
            go.write_text("")
            expect(visitor.locator("#result .film-name")).to_have_text(film)
            expect(visitor.locator("#drop .told")).to_have_text("Scored")
        first.close()
        kept = gone.read_text()
        assert ("film-1.png" in kept, "film-2.png" in kept) == (False, True)
        third = browser.new_page()
        third.goto(server.url)
        third.set_input_files("#drop input[type=file]", films / "film-3.png")
        expect(third.locator("#drop")).to_contain_text("Scoring")
        third.close()
        assert "film-3.png" not in gone.read_text()
        go.write_text("")
        second.set_input_files("#drop input[type=file]", films / "film-4.png")
        go.write_text("")
        expect(second.locator("#result .film-name")).to_have_text("film-4.png")
        expect(second.locator("#drop .told")).to_have_text("Scored")
        second.close()
        assert gone.read_text() == "[]"


def test_while_films_are_scored_no_older_verdict_stands_and_the_rule_is_fixed(
    command: Command, browser: Browser, films: Path, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    words, environment = command("waiting", "--workers", "1")
    with started(words, environment, tmp_path) as server:
        page = browser.new_page()
        page.goto(server.url)
        choose = page.locator("#drop input[type=file]")
        choose.set_input_files(films / "film-1.png")
        go.write_text("")
        expect(page.locator("#result .film-name")).to_have_text("film-1.png")
        expect(page.get_by_label("Rule-in")).to_be_enabled()
        choose.set_input_files([films / "film-2.png", films / "film-3.png"])
        expect(page.locator("#drop .told")).to_have_text("Scoring 1 of 2")
        expect(page.locator("#result .verdict")).to_have_count(0)
        expect(page.locator("#viewer img")).to_have_count(0)
        expect(page.get_by_role("button", name="Save report")).to_be_hidden()
        go.write_text("")
        expect(page.locator("#result .film-name")).to_have_text("film-2.png")
        expect(page.get_by_label("Rule-in")).to_be_disabled()
        expect(page.locator("#percent input[type=range]")).to_be_disabled()
        go.write_text("")
        expect(page.locator("#drop .told")).to_have_text("2 files are done")
        expect(page.get_by_label("Rule-in")).to_be_enabled()
        expect(page.locator("#percent input[type=range]")).to_be_enabled()
        choose.set_input_files(films / "film-4.png")
        expect(page.get_by_label("Rule-in")).to_be_disabled()
        page.get_by_role("button", name="Clear").click()
        expect(page.get_by_label("Rule-in")).to_be_enabled()
        go.write_text("")
        page.close()


def test_a_bundle_whose_threshold_lies_beyond_the_slider_has_a_page(
    command: Command, browser: Browser, films: Path, tmp_path: Path
) -> None:
    """A slider that stands outside its own range would refuse every film."""
    points = tiny_card().operating_points
    strict = points["balanced"].model_copy(update={"threshold": 0.002})
    low = make_tiny_bundle(tmp_path / "low", operating_points={**points, "screening": strict})
    words, environment = command("plain", "--operating-point", "screening")
    words[words.index("--model") + 1] = low
    with started(words, environment, tmp_path) as server:
        page = browser.new_page()
        page.goto(server.url)
        send(page, films / "film-1.png")
        expect(page.locator("#result .why")).to_contain_text("the screening threshold of 0.2 %")
        page.get_by_label("Balanced").check()
        expect(page.locator("#result .why")).to_contain_text("the balanced threshold")
        page.get_by_label("Screening").check()
        expect(page.locator("#result .why")).to_contain_text("the screening threshold of 0.2 %")
        page.close()


def test_nothing_of_the_page_can_be_called_by_name(predictor: Predictor) -> None:
    page = build_page(predictor)
    assert {function.api_visibility for function in page.fns.values()} == {"private"}
    told = page.get_api_info()
    assert (told["named_endpoints"], told["unnamed_endpoints"]) == ({}, {})


def test_a_public_link_is_warned_of_and_its_page_comes_from_here(command: Command, tmp_path: Path) -> None:
    words, environment = command("tunnel", "--share")
    with started(words, environment, tmp_path) as server:
        port = words[words.index("--port") + 1]
        with urlopen(f"http://127.0.0.1:{port}") as answer:
            page = answer.read().decode()
        server.process.terminate()
        assert server.process.wait(60) == 0
    said = "".join(server.said)
    assert said.index("Warning: --share makes a public link.") < said.index("https://abc.gradio.live")
    assert "from this machine only" not in said
    assert "Set PNEUMOSCOPE_TOKEN to have the page ask for a password." in said
    assert "Films leave your machine here" in page
    sources = re.findall(r'<(?:script|link)[^>]* (?:src|href)="([^"]+)"', page)
    assert any(source.endswith(".js") for source in sources)
    assert [source for source in sources if "//" in source] == []


def test_without_a_public_link_there_is_no_page(command: Command, tmp_path: Path) -> None:
    words, environment = command("no-tunnel", "--share")
    done = subprocess.run(
        words, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 1
    assert done.stderr.endswith(
        "pneumoscope: no public link could be made: check that this machine reaches the internet, "
        "or leave --share out\n"
    )

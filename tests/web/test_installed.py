"""One installation from nothing, as newcomers and the container make it: page, interface, Space."""

import shutil
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page, expect

from containerfile import ROOT, copied, documented_runs, values, variables, words
from installing import free_port, pip_variables, started
from pneumoscope.api.client import Client
from pneumoscope.cli.access import TOKEN_VARIABLE
from pneumoscope.image.sample import sample_path

TOKEN = "a-token-of-more-than-16-characters"
PREFIX = "/opt/pneumoscope"
EXTRAS = "pip install '.[web,sample]'"
SLOW_START = 60_000


def installed(folder: Path) -> Path:
    """Run the Containerfile's own command beside what it copies; returns the folder of programs."""
    source = folder / "source"
    source.mkdir()
    for name in copied():
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    (command,) = values("RUN")
    command = command.replace(PREFIX, str(folder / "opt")).replace("--no-cache-dir ", "")
    environment = pip_variables() | {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    done = subprocess.run(
        ["sh", "-c", command], cwd=source, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    shutil.rmtree(source)
    return folder / "opt" / "bin"


def score_sample(page: Page, url: str) -> None:
    """Press the button of the sample film, and wait for its number."""
    page.goto(url)
    page.locator("#sample").click(timeout=SLOW_START)
    expect(page.locator("#result .probability b")).to_contain_text("%", timeout=SLOW_START)
    page.close()


def container(
    programs: Path, arguments: list[str], home: Path
) -> tuple[list[str], list[str], dict[str, str]]:
    """A command of the image, its health check and its variables, on a port that is free here."""
    (stated,), port = values("EXPOSE"), str(free_port())
    command = [port if word == stated else word for word in (*words("ENTRYPOINT"), *arguments)]
    check = [word.replace(f":{stated}/", f":{port}/") for word in words("HEALTHCHECK")]
    environment = variables() | {"PATH": str(programs), "TMPDIR": str(home), TOKEN_VARIABLE: TOKEN}
    return [str(programs / command[0]), *command[1:]], check, environment


def is_refused(url: str) -> bool:
    """Whether nobody is let in without the token."""
    with pytest.raises(HTTPError) as refusal:
        urlopen(url)
    with refusal.value:
        return refusal.value.code == 401


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_page_interface_and_space_work_from_one_installation(tmp_path: Path, browser: Browser) -> None:
    assert EXTRAS in (ROOT / "README.md").read_text(encoding="utf-8")
    programs = installed(tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    own = {"PATH": "/usr/bin:/bin", "HOME": str(home), "TMPDIR": str(home)}

    # A newcomer: two commands to a scored film, one more to the Space.
    with started([programs / "pneumoscope", "app", "--port", str(free_port())], own, home) as server:
        score_sample(browser.new_page(), server.url)
    assert server.process.returncode == 0
    subprocess.run(
        [programs / "pneumoscope", "export-space"], cwd=home, env=own, check=True, capture_output=True
    )
    requirements = (home / "space" / "requirements.txt").read_text()
    assert requirements == (ROOT / "deploy" / "space" / "requirements.txt").read_text()
    shutil.rmtree(home / "space")

    # The container: the interface, which is its default, and the page as documented.
    command, check, environment = container(programs, words("CMD"), home)
    with started(command, environment, Path("/")) as server:
        subprocess.run(check, env=environment, check=True)
        assert is_refused(f"{server.url}/v1/model")
        assert 0 < Client(server.url, token=TOKEN).predict(sample_path()).probability < 1
    assert server.process.returncode == 0
    (page_arguments,) = {tuple(arguments) for _, arguments in documented_runs() if arguments[:1] == ["app"]}
    command, check, environment = container(programs, list(page_arguments), home)
    with started(command, environment, Path("/")) as server:
        subprocess.run(check, env=environment, check=True)
        assert is_refused(server.url)
        known = browser.new_context(http_credentials={"username": "anybody", "password": TOKEN})
        score_sample(known.new_page(), server.url)
        known.close()
    assert server.process.returncode == 0
    assert [path for path in home.rglob("*") if path.is_file()] == []

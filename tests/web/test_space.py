"""A Space as Spaces builds and starts it, with a browser before it."""

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

import pneumoscope
from installing import free_port, made_environment, pip, started
from pneumoscope.image.sample import sample_path
from pneumoscope.report.wording import percent
from pneumoscope.runtime.bundle import find_bundle, open_bundle
from pneumoscope.web.space import write_space

# What Spaces sets; the port is one that is free here.
VARIABLES = {
    "GRADIO_ALLOW_FLAGGING": "never",
    "GRADIO_NUM_PORTS": "1",
    "GRADIO_SERVER_NAME": "0.0.0.0",
    "GRADIO_THEME": "huggingface",
    "SPACE_ID": "owner/pneumoscope",
    "SYSTEM": "spaces",
}


def built(space: Path, folder: Path) -> tuple[Path, Path]:
    """Python and folder of the app, made from a Space as the build logs of Spaces show.

    Of what Spaces installs by itself `datasets` is left out: it is large, and shares nothing with the page.
    """
    version = re.search(r'^sdk_version: "(.*)"$', (space / "README.md").read_text(), re.MULTILINE)[1]
    python = made_environment(folder / "venv")
    app, mounted = folder / "app", folder / "mounted"
    app.mkdir()
    mounted.mkdir()
    shutil.copy(space / "requirements.txt", mounted)
    pip(python, "install", "--upgrade", "pip", cwd=app)
    pip(python, "install", "huggingface-hub>=0.30", "hf-transfer>=0.1.4", "protobuf<4", "click<8.1", cwd=app)
    own = [f"gradio[oauth,mcp]=={version}", "uvicorn>=0.14.0", "websockets>=10.4", "spaces"]
    pip(python, "install", "-r", str(mounted / "requirements.txt"), *own, cwd=app)
    pip(python, "check", cwd=app)
    shutil.copytree(space, app, dirs_exist_ok=True)
    return python, app


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_space_scores_a_film_and_keeps_nothing(tmp_path: Path, browser: Browser) -> None:
    write_space(tmp_path / "space", open_bundle(find_bundle()))
    python, app = built(tmp_path / "space", tmp_path)
    film = sample_path()
    expected = pneumoscope.load().predict(film)
    home = tmp_path / "home"
    home.mkdir()
    before = {path for path in app.rglob("*") if "__pycache__" not in path.parts}
    environment = {"HOME": str(home), "TMPDIR": str(home), "PATH": "/usr/bin:/bin"} | VARIABLES
    environment["GRADIO_SERVER_PORT"] = str(free_port())
    with started([python, "app.py"], environment, app) as server:
        page = browser.new_page()
        requested: list[str] = []
        refused: list[str] = []
        page.on("request", lambda request: requested.append(request.url))
        page.on("response", lambda response: refused.append(response.url) if response.status >= 400 else None)
        page.goto(server.url)
        notice = page.locator("#welcome [role=note]")
        expect(notice).to_contain_text("Films leave your machine here.", timeout=60_000)
        page.set_input_files("#drop input[type=file]", film)
        expect(page.locator("#result .probability b")).to_have_text(
            percent(expected.probability), timeout=60_000
        )
        expect(page.locator("#result .finding")).to_have_text(expected.finding)
        expect(page.locator("#result")).to_contain_text(expected.model)
        assert page.locator("#viewer img.evidence").evaluate("image => image.naturalWidth") > 0
        assert refused == []
        assert requested
        assert [url for url in requested if not url.startswith((server.url, "data:", "blob:"))] == []
        page.close()
        left = [path for path in (*home.rglob("*"), *app.rglob("*")) if path.is_file()]
        assert [path for path in left if path not in before and "__pycache__" not in path.parts] == []
    assert film.name not in "".join(server.said)

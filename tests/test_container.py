"""What can be said of the Containerfile without building it."""

import re
import shlex
from pathlib import Path

import typer

from pneumoscope.cli.main import app
from pneumoscope.cli.serve import TOKEN_VARIABLE

ROOT = Path(__file__).resolve().parents[1]
LINES = (ROOT / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
INSTRUCTIONS = [tuple(line.split(None, 1)) for line in LINES if line and not line.startswith("#")]


def last(name: str) -> str:
    return [value for instruction, value in INSTRUCTIONS if instruction == name][-1]


def test_runs_as_a_user_without_rights() -> None:
    user = last("USER").split(":")[0]
    assert user.isdigit()
    assert int(user) >= 1000
    names = [name for name, _ in INSTRUCTIONS]
    assert names.index("USER") > max(index for index, name in enumerate(names) if name in ("RUN", "COPY"))


def test_command_exists_with_its_options() -> None:
    words = [*shlex.split(last("ENTRYPOINT").strip("[]").replace(",", " "))]
    words += shlex.split(last("CMD").strip("[]").replace(",", " "))
    assert words[0] == "pneumoscope"
    group = typer.main.get_command(app)
    context = group.make_context("pneumoscope", [], resilient_parsing=True)
    command = group.get_command(context, words[1])
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words[2:] if word.startswith("--")} <= known
    assert last("EXPOSE") == words[words.index("--port") + 1]


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    ignored = (ROOT / ".containerignore").read_text(encoding="utf-8")
    assert (ROOT / ".dockerignore").read_text(encoding="utf-8") == ignored
    copied = [word for name, value in INSTRUCTIONS if name == "COPY" for word in value.split()[:-1]]
    sources = {word for word in copied if not word.startswith(("-", "/"))}
    assert sources
    assert all((ROOT / source).exists() for source in sources)
    assert set(re.findall(r"^!(.+)$", ignored, re.MULTILINE)) == sources


def test_no_token_is_baked_in() -> None:
    assert not any(TOKEN_VARIABLE in value for _, value in INSTRUCTIONS)

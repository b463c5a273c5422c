"""What the README says can be done, can be done."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from PIL import Image

import pneumoscope
from generated import chest_like
from pneumoscope.cli.main import app
from pneumoscope.runtime.film import RECORD_FIELDS
from tiny_bundle import make_tiny_bundle

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    return [block for named, block in found if named == language]


def commands(program: str) -> Iterator[list[str]]:
    """Arguments of every call of a program in the README's shell blocks."""
    for block in blocks(""):
        for line in block.splitlines():
            words = shlex.split(line.split("  #")[0])
            if program in words:
                yield words[words.index(program) + 1 :]


@pytest.mark.parametrize("words", list(commands("pneumoscope")), ids=" ".join)
def test_every_command_exists_with_its_options(words: list[str]) -> None:
    command = typer.main.get_command(app)
    context = command.make_context("pneumoscope", [], resilient_parsing=True)
    while hasattr(command, "get_command"):
        command = command.get_command(context, words.pop(0))
        assert command is not None
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_every_recipe_and_linked_file_exists() -> None:
    named = {*re.findall(r"\]\((?!http)([^)#]+)\)", README), *re.findall(r"recipes/[\w-]+\.yaml", README)}
    assert len(named) >= 4
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_every_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {words[0] for words in commands("make")} | set(re.findall(r"`make ([a-z-]+)`", README))
    assert targets >= {"demo", "test"}
    assert targets <= set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))


def test_the_table_of_fields_is_that_of_the_records() -> None:
    table = README.split("| field | |")[1].split("\n\n")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)) == RECORD_FIELDS


def test_the_python_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(chest_like(1)).save("film.dcm", format="PNG")
    predictor = pneumoscope.load(make_tiny_bundle(tmp_path / "bundle"))
    monkeypatch.setattr(pneumoscope, "load", lambda: predictor)
    (example,) = blocks("python")
    exec(compile(example, "README.md", "exec"), {})
    assert Path("overlay.png").stat().st_size > 0
    finding, scored, missing = capsys.readouterr().out.splitlines()
    assert finding.split()[0] in ("NORMAL", "PNEUMONIA")
    assert "'status': 'ok'" in scored
    assert "'status': 'error'" in missing

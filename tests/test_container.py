"""The Containerfile, without building it. Its commands are run in tests/web/test_installed.py."""

import re

import typer

from containerfile import INSTRUCTIONS, ROOT, copied, documented_runs, last, variables, words
from pneumoscope.cli.access import TOKEN_VARIABLE
from pneumoscope.cli.main import app


def is_known(arguments: list[str]) -> bool:
    """Whether a verb exists with the options that are given to it."""
    group = typer.main.get_command(app)
    context = group.make_context("pneumoscope", [], resilient_parsing=True)
    command = group.get_command(context, arguments[0])
    known = {option for parameter in command.params for option in parameter.opts}
    return {word for word in arguments[1:] if word.startswith("--")} <= known


def test_runs_as_a_user_without_rights() -> None:
    user = last("USER").split(":")[0]
    assert user.isdigit()
    assert int(user) >= 1000
    names = [name for name, _ in INSTRUCTIONS]
    assert names.index("USER") > max(index for index, name in enumerate(names) if name in ("RUN", "COPY"))


def test_command_exists_with_its_options() -> None:
    assert words("ENTRYPOINT") == ["pneumoscope"]
    assert is_known(words("CMD"))
    assert last("EXPOSE") == words("CMD")[words("CMD").index("--port") + 1]


def test_documented_commands_exist_and_fit_the_image() -> None:
    runs = documented_runs()
    assert {arguments[0] for _, arguments in runs if arguments} >= {"app"}
    for options, arguments in runs:
        assert is_known(arguments or words("CMD"))
        for option in options:
            if option.startswith("127.0.0.1:"):
                assert option.split(":")[-1] == last("EXPOSE")
        served = not arguments or arguments[0] in ("serve", "app")
        assert not served or options[options.index("-e") + 1] == TOKEN_VARIABLE
        assert arguments[:1] != ["app"] or arguments[arguments.index("--port") + 1] == last("EXPOSE")
        assert "--read-only" in options


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    ignored = (ROOT / ".containerignore").read_text(encoding="utf-8")
    assert (ROOT / ".dockerignore").read_text(encoding="utf-8") == ignored
    assert copied()
    assert all((ROOT / source).exists() for source in copied())
    assert set(re.findall(r"^!(.+)$", ignored, re.MULTILINE)) == set(copied())


def test_nobody_is_told_anything_and_no_token_is_baked_in() -> None:
    assert variables()["ORT_DISABLE_TELEMETRY"] == "1"
    assert variables()["GRADIO_ANALYTICS_ENABLED"] == "False"
    assert not any(TOKEN_VARIABLE in value for _, value in INSTRUCTIONS)

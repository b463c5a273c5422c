"""Runs `pneumoscope ARGUMENTS...` with one thing about the page's process made as a test needs it.

waiting     scoring waits until somebody writes into the pipe GO; who is forgotten is told into the pipe GONE
tunnel      a public link comes from nowhere
no-tunnel   there is no way to a public link
plain       as it is
"""

import os
import sys
from pathlib import Path

import gradio as gr
from gradio import networking

from pneumoscope.cli.main import main
from pneumoscope.runtime.predictor import Predictor
from pneumoscope.web.page import Page


def wait() -> None:
    attempt, forget = Predictor.attempt, Page._forget

    def told_to(self, source, *, name=None):
        Path(os.environ["GO"]).read_text()
        return attempt(self, source, name=name)

    def telling(self, request: gr.Request):
        forget(self, request)
        kept = [state.config_values for state in self.state_holder.session_data.values()]
        Path(os.environ["GONE"]).write_text(repr(kept))

    Predictor.attempt, Page._forget = told_to, telling


def tunnel(**_):
    return "http://abc.gradio.live"


def no_tunnel(**_):
    raise OSError("no way out")


if __name__ == "__main__":
    mode = sys.argv.pop(1)
    if mode == "waiting":
        wait()
    elif mode != "plain":
        networking.setup_tunnel = {"tunnel": tunnel, "no-tunnel": no_tunnel}[mode]
    main()

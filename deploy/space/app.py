"""The web page of Pneumoscope as a Hugging Face Space. Written by `pneumoscope export-space`."""

import os
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
# Where Gradio knows the name of the Space, its page fetches a header and fonts from others.
os.environ.pop("SPACE_ID", None)

from pneumoscope import load
from pneumoscope.web.page import build_page
from pneumoscope.web.settings import PageSettings

demo = build_page(load(Path(__file__).with_name("bundle")), PageSettings(public=True))

if __name__ == "__main__":
    demo.launch()

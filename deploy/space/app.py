"""The web page of Pneumoscope as a Hugging Face Space. Written by `pneumoscope export-space`."""

import os
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

from pneumoscope import load
from pneumoscope.web.page import build_page

demo = build_page(load(Path(__file__).with_name("bundle")))

if __name__ == "__main__":
    demo.launch()

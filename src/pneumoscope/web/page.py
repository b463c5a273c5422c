"""The page itself, for `pneumoscope app` and for a Hugging Face Space alike.

```python
from pneumoscope import load
from pneumoscope.web.page import build_page

build_page(load()).launch()
```
"""

from typing import Any

import gradio as gr

from pneumoscope.runtime.predictor import Predictor
from pneumoscope.web.settings import PageSettings

__all__ = ["Page", "build_page"]


class Page(gr.Blocks):
    """A `gradio.Blocks` whose `launch` is private unless told otherwise."""

    def __init__(self, settings: PageSettings) -> None:
        super().__init__(title="Pneumoscope", analytics_enabled=False)
        self.settings = settings

    def launch(self, *arguments: Any, **options: Any) -> Any:
        """Serve the page; the options are those of `gradio.Blocks.launch` and win over our defaults."""
        private: dict[str, Any] = {
            "footer_links": [],
            "run_history": False,
            "ssr_mode": False,
            "mcp_server": False,
        }
        return super().launch(*arguments, **(private | options))


def build_page(predictor: Predictor, settings: PageSettings | None = None) -> Page:
    """Build the page.

    Args:
        predictor: scores; its operating point is the one chosen at first.
        settings: limits; None for the defaults.
    """
    page = Page(settings or PageSettings())
    with page:
        gr.Markdown(f"# Pneumoscope\n\n{predictor.bundle.identity}. Research use only; not a medical device.")
    return page

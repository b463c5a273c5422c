"""The page itself, for `pneumoscope app` and for a Hugging Face Space alike.

```python
from pneumoscope import load
from pneumoscope.web.page import build_page

build_page(load()).launch()
```
"""

from importlib import import_module
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from pneumoscope.runtime.predictor import Predictor
from pneumoscope.web.actions import Actions
from pneumoscope.web.arrivals import Arrivals
from pneumoscope.web.gate import Gate
from pneumoscope.web.layout import Layout, look
from pneumoscope.web.settings import PageSettings
from pneumoscope.web.theme import page_theme

__all__ = ["Page", "build_page"]


class Page(gr.Blocks):
    """A `gradio.Blocks` whose `launch` is private unless told otherwise.

    Args:
        predictor: scores; its operating point is the one chosen at first.
        settings: limits.
    """

    def __init__(self, predictor: Predictor, settings: PageSettings) -> None:
        super().__init__(title="Pneumoscope", analytics_enabled=False, fill_width=True)
        self._settings = settings
        self.arrivals = Arrivals(settings)
        self.actions = Actions(predictor, self.arrivals, settings)
        with self:
            Layout(self.actions, settings, predictor.operating_point)
            self.unload(self._forget)

    def launch(self, *arguments: Any, **options: Any) -> Any:
        """Serve the page; the options are those of `gradio.Blocks.launch` and win over our defaults."""
        private: dict[str, Any] = {
            "theme": page_theme(),
            # What is given as "css" Gradio rewrites, and rules for narrow screens do not survive that.
            "head": f"<style>{look('page.css')}</style>",
            "footer_links": [],
            "run_history": False,
            "ssr_mode": False,
            "mcp_server": False,
            "pwa": False,
            "enable_monitoring": False,
            "app_kwargs": {
                "routes": [self.arrivals.route()],
                "middleware": [Middleware(Gate, password=self._settings.password)],
                "docs_url": None,
                "redoc_url": None,
                "openapi_url": None,
            },
        }
        shared = {"prevent_thread_lock": True} if options.get("share") else {}
        served = super().launch(*arguments, **(private | options | shared))
        # Gradio would serve its scripts from another company's server to the visitors of a shared page.
        self.share = False
        if shared and not options.get("prevent_thread_lock"):
            self.block_thread()
        return served

    def _forget(self, request: gr.Request) -> None:
        """A visitor has closed the page: Gradio would keep what it was last told for as long as it runs."""
        self.state_holder.session_data.pop(str(request.session_hash), None)
        self.state_holder.time_last_used.pop(str(request.session_hash), None)


def build_page(predictor: Predictor, settings: PageSettings | None = None) -> Page:
    """Build the page.

    Args:
        predictor: scores; its operating point is the one chosen at first.
        settings: limits; None for the defaults.
    """
    import_module("pneumoscope.image.dicom")  # the first DICOM film shall not wait for it
    return Page(predictor, settings or PageSettings())

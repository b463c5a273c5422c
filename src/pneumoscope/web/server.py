"""A running page: where it is reached, and a stop that waits for nobody's film."""

import signal
import threading
from types import FrameType
from typing import NamedTuple

from pneumoscope.errors import PneumoscopeError, UsageError
from pneumoscope.web.page import Page

__all__ = ["Addresses", "open_page", "wait_for_stop"]

_LOOK_EVERY_SECONDS = 0.5


class Addresses(NamedTuple):
    """Where a page is reached.

    Attributes:
        local: on this machine or its network.
        public: by everybody who has it, or None.
    """

    local: str
    public: str | None


def open_page(page: Page, *, host: str, port: int | None, share: bool, browser: bool) -> Addresses:
    """Start to serve a page in threads of its own.

    Args:
        page: as built.
        host: address to listen on.
        port: or None for the first free one from 7860 on.
        share: reach it by a public link, too.
        browser: open it in this machine's browser.

    Raises:
        UsageError: nothing can listen there.
        PneumoscopeError: there is no public link.
    """
    try:
        _, local, public = page.launch(
            server_name=host,
            server_port=port,
            share=share,
            inbrowser=browser,
            quiet=True,
            prevent_thread_lock=True,
        )
    except OSError as error:
        where = f"{host}, ports 7860 to 7959," if port is None else f"{host}:{port}"
        raise UsageError(f"{where} cannot be listened on: name another with --host or --port") from error
    if share and public is None:
        close_page(page)
        raise PneumoscopeError(
            "no public link could be made: check that this machine reaches the internet, or leave --share out"
        )
    return Addresses(local.rstrip("/"), public)


def wait_for_stop(page: Page) -> None:
    """Serve until an interrupt or SIGTERM, then close the page."""
    stop = threading.Event()

    def ask_to_stop(_: int, __: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask_to_stop)
    while not stop.wait(_LOOK_EVERY_SECONDS):
        pass
    close_page(page)


def close_page(page: Page) -> None:
    """Stop serving; films that wait are dropped."""
    page.close(verbose=False)
    page.actions.close()

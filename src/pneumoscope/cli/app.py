"""`pneumoscope app`: the web page."""

import os
from typing import Annotated

import typer

from pneumoscope.cli.access import TOKEN_VARIABLE, access_token, is_loopback
from pneumoscope.cli.options import ModelOption, WorkersOption

__all__ = ["app"]

_MB = 2**20
_SHARED = (
    "Warning: --share makes a public link. Films and results then travel over servers of Hugging Face, and "
    "everybody who gets to know the link can use this page. Send no film that you may not pass on."
)
_WITHOUT_TLS = "Warning: what is sent over the network is not encrypted; put a proxy that has TLS in front."


def app(
    share: Annotated[
        bool, typer.Option("--share", help="Make a public link, too. Everybody who has it can use the page.")
    ] = False,
    host: Annotated[
        str, typer.Option(help="Address to listen on; the default is reached from this machine only.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, show_default="the first free one from 7860 on")
    ] = None,
    model: ModelOption = None,
    operating_point: Annotated[
        str, typer.Option(metavar="NAME", help="Chosen at first: screening, balanced or rule-in.")
    ] = "balanced",
    workers: WorkersOption = None,
    max_film_mb: Annotated[int, typer.Option(min=1, help="Megabytes of one film.")] = 64,
    max_films: Annotated[int, typer.Option(min=1, help="Films at one go.")] = 100,
    max_memory_mb: Annotated[
        int, typer.Option(min=1, help="Megabytes of all films that wait, as sent.")
    ] = 1024,
    browser: Annotated[
        bool, typer.Option("--browser", help="Open the page in this machine's browser.")
    ] = False,
    without_token: Annotated[
        bool, typer.Option("--without-token", help="Let other machines in without a password.")
    ] = False,
) -> None:
    """Open the web page: drop films into a browser, see how likely pneumonia is, and where the evidence lies.

    Films are held in memory until they are scored, and nowhere else. Where the environment variable
    PNEUMOSCOPE_TOKEN is set, the browser asks for it as the password, under any user name. For research use
    only.
    """
    token = access_token(host, without_token)
    # Read when these are imported: nobody is told that or how the page is used.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    from pneumoscope.batch.local import default_workers
    from pneumoscope.runtime.loading import load
    from pneumoscope.web.page import build_page
    from pneumoscope.web.server import open_page, wait_for_stop
    from pneumoscope.web.settings import PageSettings

    settings = PageSettings(
        workers=workers or default_workers(),
        film_bytes=max_film_mb * _MB,
        films=max_films,
        held_bytes=max_memory_mb * _MB,
        password=token,
        public=share or not is_loopback(host),
    )
    page = build_page(load(model, operating_point=operating_point), settings)
    if share:
        typer.echo(_SHARED, err=True)
        if token is None:
            typer.echo(f"Set {TOKEN_VARIABLE} to have the page ask for a password.", err=True)
    elif not is_loopback(host):
        typer.echo(_WITHOUT_TLS, err=True)
    addresses = open_page(page, host=host, port=port, share=share, browser=browser)
    reach = ", from this machine only" if is_loopback(host) and not share else ""
    typer.echo(f"The page is at {addresses.local}{reach}. Ctrl-C ends it.")
    if addresses.public is not None:
        typer.echo(f"Everybody reaches it at {addresses.public}.")
    wait_for_stop(page)

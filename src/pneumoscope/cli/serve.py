"""`pneumoscope serve`: the HTTP interface."""

from typing import Annotated

import typer

from pneumoscope.cli.access import access_token
from pneumoscope.cli.options import ModelOption, WorkersOption

__all__ = ["serve"]

_MB = 2**20


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; the default is reached from this machine only.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8000,
    model: ModelOption = None,
    workers: WorkersOption = None,
    max_film_mb: Annotated[int, typer.Option(min=1, help="Megabytes of one film.")] = 64,
    max_request_mb: Annotated[int, typer.Option(min=1, help="Megabytes of one request.")] = 256,
    max_films: Annotated[int, typer.Option(min=1, help="Films in one request.")] = 32,
    max_waiting: Annotated[
        int, typer.Option(min=1, help="Requests in work or waiting; one more gets 503 and Retry-After.")
    ] = 256,
    max_memory_mb: Annotated[
        int, typer.Option(min=1, help="Megabytes of all films that are held, as sent.")
    ] = 1024,
    max_connections: Annotated[int, typer.Option(min=1, help="Connections open at the same time.")] = 512,
    rate: Annotated[
        int, typer.Option(min=0, help="Requests per minute of one address; one more gets 429. 0: no limit.")
    ] = 0,
    read_timeout: Annotated[float, typer.Option(min=0.1, help="Seconds for a request to arrive.")] = 30.0,
    answer_timeout: Annotated[float, typer.Option(min=0.1, help="Seconds for a film's result.")] = 60.0,
    without_token: Annotated[
        bool, typer.Option("--without-token", help="Let other machines in without a token.")
    ] = False,
) -> None:
    """Serve predictions, maps, reports and metrics over HTTP, to this machine unless told otherwise.

    Where the environment variable PNEUMOSCOPE_TOKEN is set, callers must send it as "Authorization: Bearer
    TOKEN". Films are kept in memory until they are answered, and nowhere else. SIGTERM finishes the requests
    that were accepted. The operations are listed at /v1/openapi.json. For research use only.
    """
    token = access_token(host, without_token)
    from pneumoscope.api.server import run_server
    from pneumoscope.api.settings import Settings
    from pneumoscope.batch.local import default_workers
    from pneumoscope.runtime.loading import load

    settings = Settings.model_validate(
        {
            "host": host,
            "port": port,
            "token": token,
            "workers": workers or default_workers(),
            "film_bytes": max_film_mb * _MB,
            "request_bytes": max_request_mb * _MB,
            "films": max_films,
            "held_bytes": max_memory_mb * _MB,
            "unfinished": max_waiting,
            "connections": max_connections,
            "per_minute": rate,
            "read_seconds": read_timeout,
            "answer_seconds": answer_timeout,
        }
    )
    run_server(load(model), settings)

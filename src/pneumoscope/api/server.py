"""A running server: uvicorn with our connections, our log, and a stop that loses nothing."""

import logging
import signal
import sys
from importlib import import_module
from types import FrameType
from typing import Any

import uvicorn

from pneumoscope.api.app import make_app
from pneumoscope.api.connection import make_connection_class
from pneumoscope.api.service import Service
from pneumoscope.api.settings import Settings
from pneumoscope.runtime.predictor import Predictor

__all__ = ["PlacesOnly", "run_server"]

_LONGEST_HEAD = 32 * 1024


class PlacesOnly(logging.Formatter):
    """Log lines in which an exception is its type and where it arose; its text may quote a film's name."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name is logging's
        """Type and places, innermost last."""
        kind, _, trace = ei
        places = []
        while trace is not None:
            code = trace.tb_frame.f_code
            places.append(f"  {code.co_filename}:{trace.tb_lineno} in {code.co_name}")
            trace = trace.tb_next
        return "\n".join([f"{getattr(kind, '__name__', kind)} at", *places])


class _Server(uvicorn.Server):
    """Tells the application of a signal at once, so that `/ready` says no while the last requests end."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; a second interrupt from the keyboard stops at once."""
        self._service.stopping = True
        super().handle_exit(sig, frame)


def run_server(predictor: Predictor, settings: Settings) -> None:
    """Serve until SIGTERM or an interrupt; accepted requests are finished first.

    Args:
        predictor: scores; its operating point is the default of no request.
        settings: limits and time-outs.
    """
    import_module("pneumoscope.image.dicom")  # the first DICOM film shall not wait for it
    service = Service(predictor, settings)
    config = uvicorn.Config(
        make_app(service),
        host=settings.host,
        port=settings.port,
        http=make_connection_class(settings.connections, settings.read_seconds),
        loop="asyncio",
        ws="none",
        lifespan="on",
        log_config=_log_config(),
        access_log=False,
        proxy_headers=False,
        server_header=False,
        h11_max_incomplete_event_size=_LONGEST_HEAD,
        timeout_graceful_shutdown=int(settings.read_seconds + settings.answer_seconds) + 1,
    )
    # uvicorn raises the signal again once it has stopped: a stop that was asked for is no failure.
    signal.signal(signal.SIGTERM, _leave)
    _Server(config, service).run()


def _leave(sig: int, frame: FrameType | None) -> None:  # noqa: ARG001
    sys.exit(0)


def _log_config() -> dict[str, Any]:
    handler = {"class": "logging.StreamHandler", "stream": "ext://sys.stderr", "formatter": "places"}
    logger = {"handlers": ["stderr"], "level": "INFO", "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"places": {"()": PlacesOnly, "fmt": "%(asctime)s %(levelname)s %(message)s"}},
        "handlers": {"stderr": handler},
        "loggers": {"uvicorn": logger, "pneumoscope.api": logger, "asyncio": logger},
    }

"""A Ray cluster to work on: one of this machine's own, or the one that RAY_ADDRESS names."""

import logging
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pneumoscope.batch.local import default_workers
from pneumoscope.errors import MissingExtraError, UsageError

__all__ = ["Cluster", "cpus_per_actor", "open_cluster"]

# Ray wants 75 MB at least; what passes through are a bundle, names and records.
_OBJECT_STORE_BYTES = 128 * 1024 * 1024
# Ray's folder holds sockets, whose paths may have about 100 letters; Ray itself takes 66 of them.
_LONGEST_FOLDER = 32
_SECONDS_TO_ANSWER = 10.0
# Ray shares out processors in ten-thousandths.
_SHARES = 10_000
_STANDARD_ERROR = 2

# Read by Ray when it is imported or started. By default it reports to its makers, and tells of dead workers
# on standard output, where records may go.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DEDUP_LOGS": "1",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """What of a cluster is used.

    Attributes:
        workers: actors.
        cpus_per_actor: what each of them asks the cluster for.
    """

    workers: int
    cpus_per_actor: float


def cpus_per_actor(cpus: float, workers: int) -> float:
    """Processors for each actor: one, or less, so that all actors fit and the share of one more stays free.

    Actors that held every processor would leave none for the small tasks that Ray puts between them, and all
    would wait for ever.

    >>> cpus_per_actor(16, 4), cpus_per_actor(2, 2), cpus_per_actor(1, 1)
    (1.0, 0.6666, 0.5)
    """
    return min(1.0, int(cpus / (workers + 1) * _SHARES) / _SHARES)


@contextmanager
def open_cluster(workers: int | None) -> Iterator[Cluster]:
    """Start a cluster of this machine alone, or join the one at RAY_ADDRESS; it is left at the end.

    Nobody is told about it, no dashboard is started, and what workers print stays in Ray's logs. Where this
    process is on a cluster already, that one is used, and not left.

    Args:
        workers: actors that are wanted; None is one per core, at most eight, on a cluster of one's own, and
            one less than there are processors on another.

    Raises:
        MissingExtraError: Ray is not installed.
        UsageError: the cluster at RAY_ADDRESS cannot be joined, or has no processors.
    """
    os.environ.update(_QUIET)
    try:
        import ray
        import ray.data
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "ray", "ray") from None
    if ray.is_initialized():
        yield _share(_cpus(), workers)
        return
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    address = os.environ.get("RAY_ADDRESS", "")
    folder = None
    try:
        if address in ("", "local"):
            workers = workers or default_workers()
            folder = _folder()
            # Ray lets nobody in without it. It would keep one for all clusters to come in the user's home.
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
            with _nothing_said():
                ray.init(
                    address="local",
                    # Ray counts processors, but does not look for them: one more is the one that stays free.
                    num_cpus=workers + 1,
                    num_gpus=0,
                    include_dashboard=False,
                    object_store_memory=_OBJECT_STORE_BYTES,
                    log_to_driver=False,
                    logging_level=logging.CRITICAL,
                    _temp_dir=str(folder),
                    # As high as this process: Ray would put its actors behind everything else.
                    _system_config={"worker_niceness": 0},
                )
        else:
            _join(address)
        yield _share(_cpus(), workers)
    finally:
        ray.shutdown()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _cpus() -> float:
    """Processors of the whole cluster."""
    import ray

    return float(ray.cluster_resources().get("CPU", 0.0))  # type: ignore[no-untyped-call]


def _share(cpus: float, workers: int | None) -> Cluster:
    if cpus <= 0:
        raise UsageError("the Ray cluster has no processors: start one with at least --num-cpus 1")
    workers = workers or max(1, int(cpus) - 1)
    return Cluster(workers, cpus_per_actor(cpus, workers))


def _join(address: str) -> None:
    """Join a cluster; this machine must be one of it."""
    import ray

    if address.startswith("ray://"):
        raise UsageError(
            f"RAY_ADDRESS is {address}, which is for Ray's client: run this on a machine of the cluster with"
            " RAY_ADDRESS=auto, or hand it over with 'ray job submit'"
        )
    if address != "auto":
        _knock(address)
    try:
        with _nothing_said():
            ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except (ConnectionError, RuntimeError, ValueError) as error:
        cause = _first_line(error)
        if "InvalidAuthToken" in str(error.__cause__):
            cause = (
                "it asks for a token; set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or ~/.ray/auth_token to it"
            )
        raise UsageError(f"the Ray cluster at RAY_ADDRESS={address} cannot be joined: {cause}") from error


def _knock(address: str) -> None:
    """See whether anybody is there; Ray itself would wait for long and say much."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _SECONDS_TO_ANSWER):
            return
    except (OSError, ValueError, OverflowError) as error:
        raise UsageError(
            f"the Ray cluster at RAY_ADDRESS={address} cannot be reached ({error}): give HOST:PORT of its"
            " head, or leave RAY_ADDRESS unset to work on this machine alone"
        ) from None


@contextmanager
def _nothing_said() -> Iterator[None]:
    """Nothing written to standard error, by whatever library, is shown: Ray announces its log level there."""
    try:
        shown = os.dup(_STANDARD_ERROR)
    except OSError:  # it is closed
        yield
        return
    try:
        with Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), _STANDARD_ERROR)
        yield
    finally:
        os.dup2(shown, _STANDARD_ERROR)
        os.close(shown)


def _folder() -> Path:
    """Where Ray keeps its sockets and logs, for this user's eyes only."""
    system = tempfile.gettempdir()
    short = "/tmp" if len(system) > _LONGEST_FOLDER and os.name == "posix" else system
    return Path(tempfile.mkdtemp(prefix="ps-ray-", dir=short))


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)

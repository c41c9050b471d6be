"""Ray: the one that the caller has, a cluster at an address, or one for this machine alone."""

import logging
import math
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from ...actors.cores import available_cores
from ...actors.ray_fleet import alive_nodes

OBJECT_STORE_BYTES = 512 * 1024 * 1024

STARTS = 2
"""How often Ray is started until it is there; what came too late ends with this process."""


@contextmanager
def ray_at(address: str | None, *, cpus: int) -> Iterator[None]:
    """Join the Ray that the caller has initialised, or the cluster at an address.

    Without either, start one on this machine and end it.
    """
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # a profiler must not give way to others
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    on_terminate = signal.getsignal(signal.SIGTERM)
    if address is None:
        os.environ.pop("RAY_JOB_CONFIG_JSON_ENV_VAR", None)  # of a cluster's job that this runs in
        _start(cpus)
    else:
        _join(address)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_terminate)  # Ray puts its own there
    try:
        yield
    finally:
        ray.shutdown()


def node_resources() -> list[dict[str, float]]:
    """The resources of each node of the Ray that this process is in, or of this machine without."""
    if not ray.is_initialized():
        return [{"CPU": available_cores(), "GPU": math.inf}]  # Ray will count the GPUs
    return [node["Resources"] for node in alive_nodes()]


def require_reachable(address: str | None) -> None:
    """Refuse an address where nobody listens, before anything starts: Ray would try for minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if not (host and port.isdigit()):
        return  # this machine, or `auto`, which Ray finds out about at once
    try:
        socket.create_connection((host, int(port)), timeout=10.0).close()
    except OSError as error:
        raise _no_cluster(address, error) from error


def _start(cpus: int) -> None:
    """Start Ray here. It gives its processes half a minute, too few where others keep all cores."""
    for left in reversed(range(STARTS)):
        try:
            ray.init(
                address="local",
                num_cpus=cpus,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                object_store_memory=OBJECT_STORE_BYTES,
            )
        except Exception as error:
            ray.shutdown()
            if "timed out during startup" not in str(error):
                raise
            if not left:
                raise RuntimeError(
                    f"Ray did not start within 30 seconds, {STARTS} times: the machine is busy; "
                    "call again when it is less so"
                ) from error
        else:
            return


def _join(address: str) -> None:
    require_reachable(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str | None, error: Exception) -> ValueError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return ValueError(
        f"no Ray cluster at {address} ({reason}): give --address as HEAD:6379, or auto on one of "
        "its nodes; where it asks for a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH"
    )

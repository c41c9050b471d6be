"""Crew: the workers of a run - who they are, what they load, and the Ray they run on."""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from ..actors.cores import confined, split_cores
from ..actors.dispatcher import Crew, RayDispatcher
from ..actors.job import Role
from ..actors.meters import AccuracyPayload, LatencyPayload, load_accuracy, load_latency
from ..methods.latency import Protocol
from ..search.candidate import Estimate
from .progress import Watcher
from .record import Record
from .workpiece import Workpiece

OBJECT_STORE_BYTES = 512 * 1024 * 1024


@contextmanager
def workers(run: Record, workpiece: Workpiece, watcher: Watcher) -> Iterator[RayDispatcher]:
    """Start a local Ray: a profiler with a core of its own, evaluators on those that are left."""
    config = run.config
    profiling = "latency_ms" in config.quantities
    cores = split_cores(config.latency.threads if profiling else 0)
    crews: dict[Role, Crew] = {"evaluator": _evaluators(workpiece, cores.others, watcher)}
    if profiling:
        crews["profiler"] = _profiler(run, workpiece, cores.profiler)
    watcher.say("starting Ray")
    with confined(cores.others), _local_ray(sum(crew.size for crew in crews.values())):
        dispatcher = RayDispatcher(crews, lease_seconds=config.workers.lease_seconds)
        try:
            yield dispatcher
        finally:
            dispatcher.close()


def _evaluators(workpiece: Workpiece, cores: frozenset[int], watcher: Watcher) -> Crew:
    config, dataset = workpiece.config, workpiece.dataset
    threads, free = config.workers.threads, len(cores) or os.cpu_count() or 1
    wanted = config.workers.evaluators
    size = max(1, free // threads) if wanted == "auto" else wanted
    if size * threads > free:
        watcher.say(f"{size} evaluators share {free} free core{'s' if free > 1 else ''}")
    payload = AccuracyPayload(
        prunable=workpiece.prunable,
        recalibration=dataset.train[: config.data.recalibration_images],
        search=dataset.search,
        final=dataset.final,
        threads=threads,
    )
    return Crew(size, load_accuracy, payload, cores)


def _profiler(run: Record, workpiece: Workpiece, cores: frozenset[int]) -> Crew:
    """The one profiler; what it measured of the dense network in an earlier sitting still holds."""
    settings = workpiece.config.latency
    dense = run.journal.answers().get(0, {}).get("latency_ms")
    payload = LatencyPayload(
        prunable=workpiece.prunable,
        dense_onnx=workpiece.dense_onnx,
        protocol=Protocol(
            threads=settings.threads,
            batch=settings.batch,
            seconds=settings.seconds,
            precision=settings.precision,
        ),
        reference_ms=dense.result if dense and isinstance(dense.result, Estimate) else None,
    )
    return Crew(1, load_latency, payload, cores)


@contextmanager
def _local_ray(cpus: int) -> Iterator[None]:
    """Join the Ray that the caller has initialised, or start one on this machine and end it."""
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # a profiler must not give way to others
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    on_terminate = signal.getsignal(signal.SIGTERM)
    ray.init(
        address="local",
        num_cpus=cpus,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=OBJECT_STORE_BYTES,
    )
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_terminate)  # Ray puts its own there
    try:
        yield
    finally:
        ray.shutdown()

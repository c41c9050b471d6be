"""Crew: the workers of a run - who they are, what they load, and the Ray they run on."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from ..actors.cores import confined, split_cores
from ..actors.dispatcher import Disagreement, Dispatcher
from ..actors.fleet import Crew
from ..actors.job import Role
from ..actors.meters import AccuracyPayload, LatencyPayload, load_accuracy, load_latency
from ..actors.ray_fleet import RayFleet
from ..methods.latency import Protocol
from ..search.candidate import Estimate
from .local_ray import local_ray
from .progress import Watcher
from .record import DISAGREEMENTS, Record
from .workpiece import Workpiece


@contextmanager
def workers(run: Record, workpiece: Workpiece, watcher: Watcher) -> Iterator[Dispatcher]:
    """Start a local Ray: a profiler with a core of its own, evaluators on those that are left."""
    config = run.config
    profiling = "latency_ms" in config.quantities
    cores = split_cores(config.latency.threads if profiling else 0)
    crews: dict[Role, Crew] = {"evaluator": _evaluators(workpiece, cores.others, watcher)}
    if profiling:
        crews["profiler"] = _profiler(run, workpiece, cores.profiler)
    watcher.say("starting Ray")
    with confined(cores.others), local_ray(sum(crew.size for crew in crews.values())):
        dispatcher = Dispatcher(
            RayFleet(crews),
            lease_seconds=config.workers.lease_seconds,
            alarm=lambda found: _disagreement(run, found, watcher),
        )
        try:
            yield dispatcher
        finally:
            dispatcher.close()


def _disagreement(run: Record, found: Disagreement, watcher: Watcher) -> None:
    """Journal two answers that contradict each other; the first one counts."""
    told = [asdict(answer) for answer in (found.first, found.second)]
    run.journal.note(DISAGREEMENTS, [*run.journal.fact(DISAGREEMENTS, []), told])
    watcher.say(
        f"warning: {found.first.worker} and {found.second.worker} disagree about the "
        f"{found.first.quantity} of network {found.first.number}; the first answer counts"
    )


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
        quick_images=config.search.fidelity.images,
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

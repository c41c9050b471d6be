"""Crew: the workers of a run - who they are, what they load, and the Ray they run on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from ..actors.cores import CoreSplit, available_cores, confined, split_cores
from ..actors.dispatcher import Disagreement, Dispatcher
from ..actors.fleet import Crew
from ..actors.job import Role
from ..actors.meters import AccuracyPayload, LatencyPayload, load_accuracy, load_latency
from ..actors.ray_fleet import PROFILER, RayFleet
from ..methods.latency import Protocol
from ..search.candidate import Estimate
from .config import Config
from .progress import Watcher
from .ray_cluster import ray_at
from .record import DISAGREEMENTS, MISSING, Record
from .workpiece import Workpiece


@contextmanager
def workers(
    run: Record, workpiece: Workpiece, watcher: Watcher, address: str | None
) -> Iterator[Dispatcher]:
    """Hire a run's workers on the Ray cluster at an address, or on this machine.

    On this machine the profiler has a core of its own, and evaluators have those that are left;
    where one core is all there is, they share it, and whoever watches is told.
    """
    config = run.config
    profiling = "latency_ms" in config.quantities
    here = split_cores(config.latency.threads if profiling else 0)
    cores = here if address is None else CoreSplit(frozenset(), frozenset())
    crews: dict[Role, Crew] = {}
    if profiling:  # hired first, as evaluators would fill its node
        crews["profiler"] = _profiler(run, workpiece, cores)
        if address is None and available_cores() <= config.latency.threads:
            watcher.say("the profiler shares its core with evaluators: latencies will vary more")
    size = _size(config, cores.others, address, watcher)
    crews["evaluator"] = _evaluators(workpiece, size, cores)
    watcher.say("starting Ray" if address is None else f"joining Ray at {address}")
    cpus = sum(crew.cpus * (crew.size or 0) for crew in crews.values())
    with confined(cores.others), ray_at(address, cpus=int(cpus)):
        dispatcher = Dispatcher(
            RayFleet(crews),
            lease_seconds=config.workers.lease_seconds,
            alarm=lambda found: _disagreement(run, found, watcher),
            missing=lambda roles: _missing(run, roles, watcher),
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


def _missing(run: Record, roles: tuple[Role, ...], watcher: Watcher) -> None:
    """Journal which roles nobody can do; the others go on."""
    run.journal.note(MISSING, list(roles) or None)
    if roles:
        watcher.say(f"waiting for a node that a {' and a '.join(roles)} can run on")


def _size(
    config: Config, cores: frozenset[int], address: str | None, watcher: Watcher
) -> int | None:
    """How many evaluators there are; none: as many as the cluster has room for."""
    threads, wanted = config.workers.threads, config.workers.evaluators
    if address is not None:
        return None if wanted == "auto" else wanted
    free = len(cores) or available_cores()
    size = max(1, free // threads) if wanted == "auto" else wanted
    if size * threads > free:
        watcher.say(f"{size} evaluators share {free} free core{'s' if free > 1 else ''}")
    return size


def _evaluators(workpiece: Workpiece, size: int | None, cores: CoreSplit) -> Crew:
    config, dataset = workpiece.config, workpiece.dataset
    payload = AccuracyPayload(
        prunable=workpiece.prunable,
        recalibration=dataset.train[: config.data.recalibration_images],
        search=dataset.search,
        final=dataset.final,
        threads=config.workers.threads,
        quick_images=config.search.fidelity.images,
        gpu=config.workers.gpus > 0,
    )
    return Crew(
        size,
        load_accuracy,
        payload,
        cores=cores.others,
        cpus=config.workers.threads,
        gpus=config.workers.gpus,
    )


def _profiler(run: Record, workpiece: Workpiece, cores: CoreSplit) -> Crew:
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
    name = workpiece.config.workers.profiler
    return Crew(
        1,
        load_latency,
        payload,
        cores=cores.profiler,
        cpus=settings.threads,
        resources={f"{PROFILER}{name}": 1.0} if name else {},
    )

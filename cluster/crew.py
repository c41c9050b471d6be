"""Crew: the workers of a run - who they are, what they load, and the Ray they run on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import ray
import torch

from ..actors.cores import CoreSplit, available_cores, confined, split_cores
from ..actors.dispatcher import Disagreement, Dispatcher
from ..actors.fleet import Crew
from ..actors.job import EVALUATOR, PROFILER, Quantity, Role, role_on
from ..actors.meters import (
    AccuracyPayload,
    LatencyPayload,
    Timing,
    load_accuracy,
    load_latency,
)
from ..actors.ray_fleet import RESOURCE, RayFleet
from ..methods.measuring.quantised import CALIBRATION_IMAGES
from .on_ray.ray_cluster import ray_at
from .profiling.targets import protocol_for, target_for
from .runs.progress import Watcher
from .runs.record import DISAGREEMENTS, MISSING, Record
from .runs.workpiece import Workpiece
from .settings.checked import ConfigError
from .settings.config import Config, Latency


@contextmanager
def workers(
    run: Record, workpiece: Workpiece, watcher: Watcher, address: str | None
) -> Iterator[Dispatcher]:
    """Hire a run's workers on the Ray cluster at an address, or on this machine.

    On this machine the profiler has a core of its own, and evaluators have those that are left;
    where one core is all there is, they share it, and whoever watches is told.
    """
    config = run.config
    threads = max((one.threads for one in config.latencies.values()), default=0)
    cores = split_cores(threads) if address is None else CoreSplit(frozenset(), frozenset())
    crews = _profilers(run, workpiece, cores)  # hired first, as evaluators would fill their nodes
    if crews and address is None and available_cores() <= threads:
        watcher.say("the profiler shares its core with evaluators: latencies will vary more")
    size = _size(config, cores.others, address, watcher)
    crews[EVALUATOR] = _evaluators(workpiece, size, cores)
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


def require_workers(config: Config, address: str | None) -> None:
    """Refuse what only nodes of a cluster can have, where there is none: Ray would wait for it."""
    if address is not None or ray.is_initialized():
        return
    for quantity, settings in config.latencies.items():
        if node := settings.profiler or config.workers.profiler:
            raise ConfigError(
                f"{quantity} is measured on the node {node} of a cluster: give its --address, or "
                "leave out what names the profiler to measure on this machine"
            )
    last = config.search.fidelity.epochs is not None and config.finetune.gpu
    if last and not torch.cuda.is_available():
        raise ConfigError(
            "finetune.gpu: the front is to be fine-tuned on a GPU of this machine, which has none "
            "that PyTorch can use: leave finetune.gpu or search.fidelity.epochs out"
        )
    if config.workers.gpus and not torch.cuda.is_available():
        raise ConfigError(
            f"workers.gpus: evaluators get {config.workers.gpus} of a GPU each, and this machine "
            "has none that PyTorch can use: give a cluster's --address, or set it to 0"
        )


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


def _profilers(run: Record, workpiece: Workpiece, cores: CoreSplit) -> dict[Role, Crew]:
    """One profiler for each node that measures, with all its latencies, one after the other."""
    nodes: dict[str | None, dict[Quantity, Latency]] = {}
    for quantity, settings in run.config.latencies.items():
        nodes.setdefault(run.config.node_of(quantity), {})[quantity] = settings
    return {
        PROFILER if node is None else role_on(node): Crew(
            1,
            load_latency,
            LatencyPayload(
                prunable=workpiece.prunable,
                dense_onnx=workpiece.dense_onnx,
                timings={
                    name: Timing(target_for(one), protocol_for(one), run.dense_latency(name))
                    for name, one in latencies.items()
                },
                calibration=workpiece.dataset.train[:CALIBRATION_IMAGES],
            ),
            cores=cores.profiler,
            cpus=max(one.threads for one in latencies.values()),
            resources=_resource(node or run.config.workers.profiler),
        )
        for node, latencies in nodes.items()
    }


def _resource(node: str | None) -> dict[str, float]:
    """What a profiler needs to be on a certain node."""
    return {f"{RESOURCE}{node}": 1.0} if node else {}

"""Training: a job on Ray Train that goes on from its last checkpoint, whatever stops it.

Ray Train keeps a job's state as JSON beside its checkpoints; ours hold safetensors and JSON. A job
of the same name in the same folder takes up where the last one ended.
"""

import contextlib
import json
import logging
import math
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import ray.train
import torch
from ray.train.torch import TorchTrainer

from ...methods.training.epochs import Place
from ..on_ray.ray_cluster import node_resources, ray_at

HISTORY = "history.json"
"""In a checkpoint: the metrics of every epoch so far."""

GAVE_UP = "gave_up.txt"
"""In a job's folder: why training again would be of no use."""

RETRIES = 3
"""Lost workers after which a job gives up."""

JOINING_SECONDS = 5.0
"""How long nodes that are missing may take to join."""

Metrics = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scale:
    """How many workers a job has, and what each of them gets.

    With fewer than `workers`, down to `least`, it begins and goes on as well. A configuration's
    `section` says all this.
    """

    workers: int
    least: int
    threads: int
    gpu: bool
    section: str

    @property
    def cpus(self) -> int:
        """All cores that the job takes."""
        return self.workers * self.threads

    @property
    def per_worker(self) -> dict[str, int]:
        """The resources of Ray's that a worker takes."""
        return {"CPU": self.threads} | ({"GPU": 1} if self.gpu else {})

    @classmethod
    def of(
        cls, workers: int, least: int | None, threads: int | str, *, gpu: bool, section: str
    ) -> "Scale":
        """Where `threads` is `auto`, share the cores of Ray's nodes, or of this machine before.

        More than all workers are never needed, whatever `least` is.
        """
        own = _share(workers, gpu=gpu) if isinstance(threads, str) else threads
        return cls(workers, min(workers, least or workers), own, gpu, section)


@dataclass(frozen=True, slots=True)
class Worker:
    """What a training loop knows of its place in the job."""

    place: Place
    checkpoint: Path | None  # the folder of the last checkpoint, if any
    history: list[Metrics]  # of the epochs so far

    def report(self, metrics: Metrics, save: Callable[[Path], None]) -> None:
        """End an epoch: the first worker's checkpoint is kept, with all metrics so far."""
        self.history.append(metrics)
        if self.place.rank > 0:
            ray.train.report(metrics)
            return
        with tempfile.TemporaryDirectory() as folder:
            save(Path(folder))
            (Path(folder) / HISTORY).write_text(json.dumps(self.history))
            ray.train.report(metrics, checkpoint=ray.train.Checkpoint.from_directory(folder))


def train_job(
    loop: Callable[[Any, Worker], None],
    payload: Any,
    folder: Path,
    scale: Scale,
    *,
    look: Callable[[], None],
) -> Path:
    """Run a training loop on workers and return the folder of its last checkpoint.

    `payload` is sent to the workers once; `look` is called twice a second meanwhile, and at the
    end: workers cannot call this process. They are on the Ray that the caller has, whose nodes must
    share the folder, or on this machine.

    Raises:
        ValueError: there are not as many CPUs or GPUs as the workers need.
        RuntimeError: the job failed; what was reported is kept, and calling again goes on from it.
    """
    logging.getLogger("ray.train").setLevel(logging.ERROR)
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
    gave_up = folder / GAVE_UP
    gave_up.unlink(missing_ok=True)
    with ray_at(None, cpus=scale.cpus), _looking(look):
        _require_room(scale)
        trainer = TorchTrainer(
            _worker,
            train_loop_config={
                "loop": loop,
                "payload": ray.put(payload),
                "threads": scale.threads,
                "gave_up": str(gave_up.absolute()),
            },
            scaling_config=ray.train.ScalingConfig(
                num_workers=_elastic(scale),  # type: ignore[arg-type]  # as the older API had it
                use_gpu=scale.gpu,
                resources_per_worker=scale.per_worker,
            ),
            run_config=ray.train.RunConfig(
                name=folder.name,
                storage_path=str(folder.parent.absolute()),
                failure_config=ray.train.FailureConfig(max_failures=RETRIES),
                checkpoint_config=ray.train.CheckpointConfig(num_to_keep=1),
            ),
        )
        try:
            result = trainer.fit()
        except ray.train.TrainingFailedError as error:
            raise RuntimeError(_reason(error)) from error
    if gave_up.is_file():
        raise RuntimeError(gave_up.read_text())
    if result.checkpoint is None:
        raise RuntimeError(f"the job in {folder} ended without a checkpoint")
    return Path(result.checkpoint.path)


def places(threads: int) -> int:
    """How many workers of so many threads there is room for, on Ray's nodes or on this machine."""
    return _room(node_resources(), threads, gpu=False)


def _room(nodes: Sequence[Mapping[str, float]], threads: int, *, gpu: bool) -> int:
    return sum(
        int(min(node.get("CPU", 0) // threads, node.get("GPU", 0) if gpu else math.inf))
        for node in nodes
    )


def history(folder: Path) -> list[Metrics]:
    """Return the metrics of a job's epochs as far as its last checkpoint in a folder knows them."""
    told: list[Metrics] = []
    for path in folder.glob(f"checkpoint_*/{HISTORY}"):
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):  # it is being replaced
            told = max(told, json.loads(path.read_text()), key=len)
    return told


def _share(workers: int, *, gpu: bool) -> int:
    """The most threads that each worker can have; 1 where there is no room for all of them."""
    nodes = node_resources()
    most = max((int(node.get("CPU", 0)) for node in nodes), default=1)
    return next((n for n in range(most, 1, -1) if _room(nodes, n, gpu=gpu) >= workers), 1)


def _require_room(scale: Scale) -> None:
    """Say what is missing, where Ray would wait for it for ever; nodes may be about to join."""
    wanted = {name: scale.least * count for name, count in scale.per_worker.items()}
    until = time.monotonic() + JOINING_SECONDS
    while True:
        there: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        missing = [name for name, count in wanted.items() if there.get(name, 0) < count]
        if not missing:
            return
        if time.monotonic() > until:
            break
        time.sleep(0.5)
    name, section = missing[0], scale.section
    who = "a worker needs" if scale.least == 1 else f"{scale.least} workers need"
    what = name if wanted[name] == 1 else f"{name}s"
    raise ValueError(
        f"{who} {wanted[name]} {what}, Ray has {there.get(name, 0):.0f}: choose fewer "
        f"{section}.workers, {section}.least_workers or {section}.threads, or let more nodes join"
    )


def _elastic(scale: Scale) -> int | tuple[int, int]:
    """Ray Train's word for it: a number, or the least and the most."""
    return scale.workers if scale.least == scale.workers else (scale.least, scale.workers)


def _worker(config: dict[str, Any]) -> None:
    """Run the loop on one worker, from the last checkpoint."""
    torch.set_num_threads(config["threads"])
    context, last = ray.train.get_context(), ray.train.get_checkpoint()
    place = Place(
        rank=context.get_world_rank(),
        workers=context.get_world_size(),
        device=ray.train.torch.get_device(),
        distribute=_distributed,
        average=_averaged,
    )
    folder = Path(last.path) if last else None
    told = json.loads((folder / HISTORY).read_text()) if folder else []
    try:
        config["loop"](ray.get(config["payload"]), Worker(place, folder, told))
    except FloatingPointError as error:  # on all that train one network: it would end so again
        if place.rank == 0:
            Path(config["gave_up"]).write_text(str(error))


def _distributed(network: torch.nn.Module) -> torch.nn.Module:
    """Let all workers train one network."""
    if ray.train.get_context().get_world_size() == 1:
        return network
    prepared: torch.nn.Module = ray.train.torch.prepare_model(network, move_to_device=False)
    return prepared


def _averaged(value: torch.Tensor) -> torch.Tensor:
    """The mean over all workers."""
    workers = ray.train.get_context().get_world_size()
    if workers == 1:
        return value
    mean: torch.Tensor = value / workers
    torch.distributed.all_reduce(mean)
    return mean


def telling(folder: Path, tell: Callable[[Metrics], None]) -> Callable[[], None]:
    """Look for a job's new epochs: tell of the metrics of each."""
    known = len(history(folder))

    def look() -> None:
        nonlocal known
        for metrics in history(folder)[known:]:
            known += 1
            tell(metrics)

    return look


@contextmanager
def _looking(look: Callable[[], None]) -> Iterator[None]:
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.5):
            look()
        look()

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()


def _reason(error: BaseException) -> str:
    """The innermost message of Ray Train's nested ones, in one line."""
    failures = getattr(error, "worker_failures", None) or {}
    inner = next(iter(failures.values()), None) or getattr(error, "controller_failure", None)
    text = str(getattr(inner, "cause", None) or inner or error)
    if "set up cluster storage" in text:
        return (
            "the workers' nodes do not see the run's folder: give a folder that all nodes share, "
            "or leave out --address"
        )
    return text.strip().splitlines()[-1]

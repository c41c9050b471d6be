"""Training: a job on Ray Train that goes on from its last checkpoint, whatever stops it.

Ray Train keeps a job's state as JSON beside its checkpoints; ours hold safetensors and JSON. A job
of the same name in the same folder takes up where the last one ended.
"""

import contextlib
import json
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import ray.train
import torch
from ray.train.torch import TorchTrainer

from ..actors.cores import available_cores
from .ray_cluster import ray_at

METRICS = "checkpoint_*/metrics.json"
RETRIES = 3
"""Lost workers after which a job gives up."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How many workers a job has, and what each of them gets."""

    workers: int
    threads: int
    gpu: bool

    @property
    def cpus(self) -> int:
        """All cores that the job takes."""
        return self.workers * self.threads

    @classmethod
    def of(cls, workers: int, threads: int | str, gpu: bool) -> "Scale":
        """Share this machine's cores among the workers where `threads` is `auto`."""
        shared = max(1, available_cores() // workers)
        return cls(workers, shared if isinstance(threads, str) else threads, gpu)


@dataclass(frozen=True, slots=True)
class Worker:
    """What a training loop knows of its place in the job."""

    rank: int
    workers: int
    device: torch.device
    checkpoint: Path | None  # the folder of the last checkpoint, if any

    def distribute(self, network: torch.nn.Module) -> torch.nn.Module:
        """Let all workers train one network."""
        if self.workers == 1:
            return network
        prepared: torch.nn.Module = ray.train.torch.prepare_model(network, move_to_device=False)
        return prepared

    def report(self, metrics: dict[str, Any], save: Callable[[Path], None]) -> None:
        """End an epoch: the first worker's checkpoint is kept, and the metrics as a line."""
        if self.rank > 0:
            ray.train.report(metrics)
            return
        with tempfile.TemporaryDirectory() as folder:
            save(Path(folder))
            (Path(folder) / "metrics.json").write_text(json.dumps(metrics))
            ray.train.report(metrics, checkpoint=ray.train.Checkpoint.from_directory(folder))


def train_job(
    loop: Callable[[Any, Worker], None],
    payload: Any,
    folder: Path,
    scale: Scale,
    *,
    after_epoch: Callable[[dict[str, Any]], None],
) -> Path:
    """Run a training loop on workers and return the folder of its last checkpoint.

    `payload` is sent to the workers once; `after_epoch` is told the metrics that they report.

    Raises:
        RuntimeError: the job failed; what was reported is kept, and calling again goes on from it.
    """
    logging.getLogger("ray.train").setLevel(logging.ERROR)
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
    with ray_at(None, cpus=scale.cpus), _told(folder, after_epoch):
        trainer = TorchTrainer(
            _worker,
            train_loop_config={
                "loop": loop,
                "payload": ray.put(payload),
                "threads": scale.threads,
            },
            scaling_config=ray.train.ScalingConfig(
                num_workers=scale.workers,
                use_gpu=scale.gpu,
                resources_per_worker={"CPU": scale.threads} | ({"GPU": 1} if scale.gpu else {}),
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
    if result.checkpoint is None:
        raise RuntimeError(f"the job in {folder} ended without a checkpoint")
    return Path(result.checkpoint.path)


def _worker(config: dict[str, Any]) -> None:
    """Run the loop on one worker, from the last checkpoint."""
    torch.set_num_threads(config["threads"])
    context, last = ray.train.get_context(), ray.train.get_checkpoint()
    worker = Worker(
        context.get_world_rank(),
        context.get_world_size(),
        ray.train.torch.get_device(),
        Path(last.path) if last else None,
    )
    config["loop"](ray.get(config["payload"]), worker)


@contextmanager
def _told(folder: Path, tell: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """Tell of each new checkpoint's metrics meanwhile: workers cannot call this process."""
    ended, seen = threading.Event(), set(folder.glob(METRICS))

    def watch() -> None:
        while not ended.wait(0.5):
            for path in sorted(set(folder.glob(METRICS)) - seen):
                seen.add(path)
                with contextlib.suppress(FileNotFoundError):  # the next one has replaced it
                    tell(json.loads(path.read_text()))

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
    return text.strip().splitlines()[-1]

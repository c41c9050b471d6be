"""Fine-tune: networks of a complete run trained further, and put into its front."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ...methods.data.batches import Batches, require_batches
from ...methods.models.accuracy import AccuracyMeter
from ...methods.models.prunable import Prunable
from ...methods.models.teacher import Teacher
from ...methods.tensors.snapshot import Snapshot
from ...methods.training.finetune import Recipe, finetune
from ..exports.export import export_network, pick
from ..on_ray.ray_cluster import ray_at, require_reachable
from ..reports.report import write_report
from ..runs.coordinator import RunFailed
from ..runs.progress import Watcher
from ..runs.record import FINETUNED, Record
from ..runs.results import Member
from ..runs.workpiece import WORKPIECE, Workpiece, open_workpiece
from ..settings.checked import ConfigError
from ..settings.config import Config, Finetune, check_config
from ..storage.journal import Finetuned
from .train_job import Metrics, Scale, Worker, telling, train_job

JOBS = "jobs"
ALL = "all"


@dataclass(frozen=True)
class Payload:
    """What a worker needs: which network to train, who teaches it, on what images, and how."""

    prunable: Prunable
    genome: tuple[int, ...]
    teacher: Teacher
    batches: Batches
    recipe: Recipe


def finetune_members(
    record: Record,
    choices: Sequence[str],
    changes: Mapping[str, Any],
    watcher: Watcher,
    *,
    address: str | None,
) -> list[tuple[Member, Member]]:
    """Train networks of a complete run further; return each as it was and as it is now.

    Args:
        record: the run; its front and its report have the new networks afterwards.
        choices: ids or names of picks; `all` for all picks.
        changes: settings under `finetune` that differ from the run's configuration.
        watcher: is told of the progress.
        address: of a Ray cluster that trains them, whose nodes must share the run's folder; None:
            this machine does.

    A network that was trained by the same recipe already is not trained again. What a killed
    command has trained is kept: the same command goes on from the last epoch.

    Raises:
        ValueError: the run is not complete, or there is no such network or setting.
        RunFailed: the training failed; the message says why.
    """
    config = with_changes(record.config, changes)
    if record.state != "complete":
        raise ValueError(
            f"{record.path} is {record.state}: its networks can be trained further once the search "
            f"is complete; go on with: secateur resume {record.path}"
        )
    parents = _chosen(record, choices)
    require_reachable(address)
    with record.journal.held(), ray_for(config.finetune, address):
        watcher.say("loading data and network")
        record.artifacts.bring_back(WORKPIECE)
        workpiece = open_workpiece(config, record.path, watcher.say)
        settings = config.finetune
        batches_of(settings, workpiece)
        numbers = [
            finetune_member(record, parent, workpiece, settings, watcher) for parent in parents
        ]
        record.artifacts.keep(
            *write_report(replace(record.results(), state="complete"), record.path)
        )
    members = {member.id: member for member in record.results().members}
    return [(was, members[number]) for was, number in zip(parents, numbers, strict=True)]


def ray_for(settings: Finetune, address: str | None) -> AbstractContextManager[None]:
    """One Ray for all the jobs of a command: a cluster's, or this machine's."""
    return ray_at(address, cpus=scale_of(settings).cpus)


def with_changes(config: Config, changes: Mapping[str, Any]) -> Config:
    """Put settings over those of the run, checked."""
    values = config.model_dump(mode="json")
    if other := [key for key in changes if key.split(".")[0] != "finetune"]:
        raise ConfigError(f"{other[0]}: only keys under finetune can be set for a complete run")
    values["finetune"] |= {key.removeprefix("finetune."): value for key, value in changes.items()}
    return check_config(values, source="the command line")


def _chosen(record: Record, choices: Sequence[str]) -> list[Member]:
    """Find the networks, each once; the dense one and fine-tuned ones are not pruned anew."""
    results = record.results()
    names = [name for one in choices for name in (results.picks if one == ALL else [one])]
    members = {member.id: member for member in (pick(results, name) for name in names)}
    for member in members.values():
        if member.origin in ("dense", "fine-tuned"):
            raise ValueError(
                f"network {member.id} is {member.origin}: --pick must name a pruned network of the "
                "search"
            )
    return list(members.values())


def finetune_member(
    record: Record, parent: Member, workpiece: Workpiece, settings: Finetune, watcher: Watcher
) -> int:
    """Train one network, or find that it is trained already; return its number."""
    recipe = recipe_of(settings)
    known = record.journal.finetuned()
    for network in known:
        if network.parent == parent.id and Recipe(**network.recipe) == recipe:
            watcher.say(f"network {parent.id} is fine-tuned already: network {network.number}")
            return network.number
    number = len(record.journal.candidates()) + len(known)  # both are numbered without gaps
    job = record.path / JOBS / f"finetune-{parent.id}-{_digest(recipe)}"
    trained = workpiece.pruner.cut(parent.genome)
    trained.load_state_dict(_train(job, parent, workpiece, settings, watcher).weights)
    meter = AccuracyMeter(
        workpiece.pruner,
        workpiece.prunable.normalisation,
        recalibration=workpiece.dataset.train[:1],
        splits={"search": workpiece.dataset.search, "final": workpiece.dataset.final},
    )
    watcher.say(f"measuring the fine-tuned network {parent.id}")
    trained = trained.to(memory_format=torch.channels_last)
    errors = {split: meter.error(trained, split) for split in ("search", "final")}
    member = replace(
        parent,
        id=number,
        objectives={**parent.objectives, "error": errors["search"]},
        origin="fine-tuned",
        final_error=errors["final"],
        parent=parent.id,
    )
    folder = record.path / FINETUNED / str(number)
    export_network(workpiece, member, trained, folder, recipe=asdict(recipe))
    record.artifacts.keep(folder)
    record.journal.trained_further(
        Finetuned(number, parent.id, asdict(recipe), errors["search"], errors["final"])
    )
    shutil.rmtree(job, ignore_errors=True)
    return number


def _train(
    job: Path, parent: Member, workpiece: Workpiece, settings: Finetune, watcher: Watcher
) -> Snapshot:
    """Run the Ray Train job to its end and return where the network stands."""
    recipe, dense = recipe_of(settings), workpiece.prunable
    payload = Payload(
        dense,
        parent.genome,
        Teacher(dense.factory, dense.arguments, dense.state),
        batches_of(settings, workpiece),
        recipe,
    )
    job.parent.mkdir(exist_ok=True)
    watcher.say(f"fine-tuning network {parent.id}")

    def told(epoch: Metrics) -> None:
        watcher.step(
            f"fine-tuning network {parent.id}, epoch {epoch['epoch']} of {recipe.epochs}: "
            f"loss {epoch['loss']:.3f}"
        )

    try:
        checkpoint = train_job(
            finetune_loop,
            payload,
            job,
            scale_of(settings),
            look=telling(job, told),
        )
    except RuntimeError as error:
        raise RunFailed(
            f"fine-tuning network {parent.id} failed: {error}; the same command goes on from the "
            "last epoch"
        ) from error
    return Snapshot.load(checkpoint)


def finetune_loop(payload: Payload, worker: Worker) -> None:
    """Train on one worker."""
    pruner = payload.prunable.pruner(threads=torch.get_num_threads())
    finetune(
        pruner.cut(payload.genome),
        payload.teacher.network(),
        payload.batches,
        payload.recipe,
        place=worker.place,
        snapshot=Snapshot.load(worker.checkpoint) if worker.checkpoint else None,
        after_epoch=lambda state, terms: worker.report(
            {"epoch": state.epoch, "loss": sum(terms.values()), **terms}, state.save
        ),
    )


def scale_of(settings: Finetune) -> Scale:
    """How many workers train, and with what."""
    return Scale.of(
        settings.workers,
        settings.least_workers,
        settings.threads,
        gpu=settings.gpu,
        section="finetune",
    )


def batches_of(settings: Finetune, workpiece: Workpiece) -> Batches:
    """The training images as they are shown; refused where the workers cannot share a batch."""
    images = workpiece.dataset.train
    require_batches(len(images), settings.batch, settings.workers)
    return Batches(
        images,
        workpiece.prunable.normalisation,
        settings.batch,
        settings.mirror,
        settings.seed,
        settings.mixup,
    )


def recipe_of(settings: Finetune) -> Recipe:
    """How a network is trained further, whoever does it."""
    return Recipe(**settings.model_dump(exclude={"workers", "least_workers", "threads", "gpu"}))


def _digest(recipe: Recipe) -> str:
    """A short name of a recipe: another one is another job."""
    text = json.dumps(asdict(recipe), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]

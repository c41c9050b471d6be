"""CLAD: learns what to prune, cuts once, trains what is left - each a part of one resumable run.

A run's folder holds the journal, the dense network, the jobs of Ray Train while they last, the
learned scores (`learned.safetensors`), TensorBoard's events, the network that came of it in
`pruned/`, and the report.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tensorboardX import SummaryWriter
from torch import nn

from ...methods.clad.cutting import ranking_by, widths_for
from ...methods.clad.learning import Learning, Lesson
from ...methods.data.batches import Batches, require_batches
from ...methods.data.datasets import Dataset
from ...methods.data.images import Images
from ...methods.data.normalisation import Normalisation
from ...methods.models.named import load_model
from ...methods.models.prunable import Prunable
from ...methods.models.teacher import Teacher
from ...methods.pruning.counts import Counts
from ...methods.pruning.plan import Plan
from ...methods.pruning.surgery import fit
from ...methods.tensors.snapshot import Snapshot
from ...methods.tensors.weights import state_of
from ...methods.training.attention import AttentionTransfer
from ...methods.training.finetune import Recipe
from ..exports.trained import PRUNED, RESULT, hand_out
from ..on_ray.ray_cluster import ray_at, require_reachable
from ..runs.coordinator import RunFailed
from ..runs.learned import LEARNED, Learned
from ..runs.progress import Watcher
from ..runs.record import METHOD, Record
from ..runs.sitting import begun, continued
from ..runs.workpiece import Workpiece, space_of
from ..settings.checked import ConfigError
from ..settings.config import Config, with_absolute_paths
from ..storage.journal import Journal
from .finetune import JOBS, Payload, batches_of, finetune_loop, recipe_of, scale_of
from .stages import FINETUNING, LEARNING, WATCHED_IMAGES, epochs_of
from .train_job import Metrics, Worker, history, telling, train_job
from .training_report import write_training_report

CLAD, EVENTS = "clad", "tensorboard"


@dataclass(frozen=True)
class LearningPayload:
    """What a worker needs to learn criteria; progress is told by errors on the `watched` images."""

    prunable: Prunable
    teacher: Teacher
    batches: Batches
    lesson: Lesson
    watched: Images


def start(config: Config, directory: Path, watcher: Watcher, *, address: str | None) -> None:
    """Check everything, make the run's folder, and work until the run is complete."""
    config = with_absolute_paths(config)
    require_reachable(address)

    def check(dataset: Dataset, network: nn.Module, plan: Plan) -> None:
        _check(config, dataset, network, plan)

    with begun(config, directory, watcher, {METHOD: CLAD}, check=check) as (run, workpiece):
        _work(run, workpiece, watcher, address)


def config_of(path: Path, journal: Journal) -> Config:
    """The configuration that a run was launched with."""
    return Record(path, journal).config


def go_on(path: Path, journal: Journal, watcher: Watcher, *, address: str | None) -> None:
    """Work on an existing run until it is complete."""
    run = Record(path, journal)
    if run.journal.fact("completed"):
        return
    require_reachable(address)
    with continued(run, watcher, LEARNED) as workpiece:
        _work(run, workpiece, watcher, address)


def status(path: Path, journal: Journal) -> dict[str, Any]:
    """Return how far a run is: its state, its epochs, and the newest of each kind."""
    run = Record(path, journal)
    settings = run.config
    told: dict[str, Any] = {"state": run.state, "method": CLAD}
    for stage, epochs in ((LEARNING, settings.clad.epochs), (FINETUNING, settings.finetune.epochs)):
        done = epochs_of(run, stage)
        told[stage] = f"{len(done)}/{epochs}"
        told |= {f"{stage}_{name}": value for name, value in (done or [{}])[-1].items()}
    told["elapsed_s"] = run.journal.elapsed_seconds()
    return {**told, **run.journal.fact(RESULT, {})}


def _work(run: Record, workpiece: Workpiece, watcher: Watcher, address: str | None) -> None:
    if run.journal.fact(RESULT) is None:
        with ray_at(address, cpus=scale_of(run.config.finetune).cpus):
            _prune(run, workpiece, watcher)
    write_training_report(run, state="complete")
    run.journal.note("completed", True)
    shutil.rmtree(run.path / JOBS, ignore_errors=True)


def _prune(run: Record, workpiece: Workpiece, watcher: Watcher) -> None:
    """Learn, cut, fine-tune, and hand out what came of it; what is done already is not repeated."""
    config, dense = run.config, workpiece.prunable
    teacher = _teacher(config, dense.normalisation) or Teacher(
        dense.factory, dense.arguments, dense.state
    )
    if not run.journal.fact(LEARNING):
        _learn(run, workpiece, teacher, watcher)
    learned = Learned.load(run.path)
    network, plan = workpiece.pruner.network, workpiece.prunable.plan
    genome = widths_of(config, network, plan, learned.scores)
    kept = replace(workpiece.prunable, state=learned.state, rankings=(ranking_by(learned.scores),))
    left = workpiece.cost(genome).macs / workpiece.cost(plan.widths).macs
    watcher.say(f"cut once: {left:.3f}x the multiply-adds are left")
    told = _finetune(run, workpiece, kept, genome, teacher, watcher)
    pruner = kept.pruner(threads=torch.get_num_threads())
    network = pruner.cut(genome)
    network.load_state_dict(Snapshot.load(_last(run, FINETUNING)).weights)
    watcher.say("measuring the pruned network")
    found = hand_out(run.path / PRUNED, CLAD, workpiece, pruner, genome, network)
    run.artifacts.keep(run.path / PRUNED)
    run.journal.note(FINETUNING, told)
    run.journal.note(RESULT, found)


def _check(config: Config, dataset: Dataset, network: nn.Module, plan: Plan) -> None:
    """Refuse, before anything starts, a target, a teacher or a batch that cannot be."""
    nothing = [np.zeros(width) for width in plan.widths]
    try:
        widths_of(config, network, plan, nothing)
    except ValueError as error:
        raise ConfigError(
            f"clad.target: {error} (times the dense network's multiply-adds): choose a larger "
            "target, a smaller pruning.minimum or clad.least, or pruning.scope coupled"
        ) from error
    require_batches(len(dataset.train), config.finetune.batch, config.finetune.workers)
    given = Normalisation(dataset.mean, dataset.std)
    if named := _teacher(config, given):
        example, teacher = given(dataset.train[:1]), named.network()
        student = fit(network, {}, shared=True)
        try:
            AttentionTransfer(student, teacher, example)
        except ValueError as error:
            raise ConfigError(f"clad.teacher {config.clad.teacher}: {error}") from error
        classes, theirs = (one(example).shape[1] for one in (student, teacher))
        if classes != theirs:
            raise ConfigError(
                f"clad.teacher {config.clad.teacher} tells {theirs} classes apart, the network "
                f"{classes}: choose a teacher of the same data"
            )


def _teacher(config: Config, given: Normalisation) -> Teacher | None:
    """The network that the configuration names, whose inputs come as normalised; None: none."""
    if config.clad.teacher is None:
        return None
    root = Path(config.data.root).expanduser() if config.data.root else None
    model = load_model(config.clad.teacher, root=root)
    alike = model.name == model.factory  # of a user's own network nothing else is known
    inputs = None if alike or model.normalisation == given else (given, model.normalisation)
    return Teacher(model.factory, model.arguments, state_of(model.network), inputs)


def widths_of(
    config: Config, network: nn.Module, plan: Plan, scores: Sequence[NDArray[np.float64]]
) -> tuple[int, ...]:
    """The widths that channels of these scores leave, at the target of the configuration."""
    macs = Counts(plan, network).macs
    (dense,) = macs(np.array([plan.widths]))
    return widths_for(
        scores,
        space_of(config.pruning, plan),
        lambda widths: float(macs(np.array([widths]))[0] / dense),
        config.clad.target,
        least=config.clad.least,
    )


def lesson_of(config: Config) -> Lesson:
    """How criteria are learned, as a configuration says."""
    return Lesson(
        **config.clad.model_dump(exclude={"teacher"}),
        seed=config.finetune.seed,
        precision=config.finetune.precision,
    )


def _learn(run: Record, workpiece: Workpiece, teacher: Teacher, watcher: Watcher) -> None:
    """Learn the criteria as a job, and keep what came of it."""
    config, lesson = run.config, lesson_of(run.config)
    payload = LearningPayload(
        workpiece.prunable,
        teacher,
        replace(batches_of(config.finetune, workpiece), mixup=0.0),
        lesson,
        workpiece.dataset.search[:WATCHED_IMAGES],
    )
    told = _job(
        run,
        LEARNING,
        learning_loop,
        payload,
        watcher,
        lambda epoch: (
            f"learning criteria, epoch {epoch['epoch']} of {lesson.epochs}: "
            f"error {epoch['soft_error']:.3f} with soft gates, {epoch['hard_error']:.3f} with hard "
            f"ones; {epoch['soft_macs']:.2f}x the MACs; {epoch['undecided']} undecided"
        ),
    )
    learning = _learning(payload)
    learning.gated.load_state_dict(Snapshot.load(_last(run, LEARNING)).weights)
    learning.advance(1.0)
    Learned(learning.gated.folded(), learning.gated.scores).save(run.path)
    run.artifacts.keep(run.path / LEARNED)
    run.journal.note(LEARNING, told)


def learning_loop(payload: LearningPayload, worker: Worker) -> None:
    """Learn on one worker; the first one tells how the gates stand."""
    learning = _learning(payload)
    watched = payload.watched
    inputs = payload.batches.normalisation(watched).to(worker.place.device)
    labels = torch.from_numpy(watched.labels).to(worker.place.device)

    def after_epoch(state: Snapshot, terms: dict[str, float]) -> None:
        standing = asdict(learning.standing(inputs, labels)) if worker.place.rank == 0 else {}
        loss = sum(terms.values())
        worker.report({"epoch": state.epoch, "loss": loss, **terms, **standing}, state.save)

    learning.train(
        place=worker.place,
        snapshot=Snapshot.load(worker.checkpoint) if worker.checkpoint else None,
        after_epoch=after_epoch,
    )


def _learning(payload: LearningPayload) -> Learning:
    dense = payload.prunable.pruner(threads=torch.get_num_threads())
    return Learning(
        dense.cut(dense.plan.widths),
        dense.plan,
        payload.teacher.network(),
        payload.batches,
        payload.lesson,
    )


def taught_recipe(config: Config) -> Recipe:
    """How what is left is trained further: attention is transferred as while learning."""
    return replace(recipe_of(config.finetune), attention=config.clad.attention)


def _finetune(
    run: Record,
    workpiece: Workpiece,
    kept: Prunable,
    genome: tuple[int, ...],
    teacher: Teacher,
    watcher: Watcher,
) -> list[Metrics]:
    """Train what is left of the network as a job; return what was told of its epochs."""
    batches, recipe = batches_of(run.config.finetune, workpiece), taught_recipe(run.config)
    payload = Payload(kept, genome, teacher, batches, recipe)
    return _job(
        run,
        FINETUNING,
        finetune_loop,
        payload,
        watcher,
        lambda epoch: (
            f"fine-tuning, epoch {epoch['epoch']} of {recipe.epochs}: loss {epoch['loss']:.3f}"
        ),
    )


def _job(
    run: Record,
    stage: str,
    loop: Callable[[Any, Worker], None],
    payload: Any,
    watcher: Watcher,
    line: Callable[[Metrics], str],
) -> list[Metrics]:
    """Run one stage to its end and return what was told of its epochs."""
    folder = run.path / JOBS / stage
    folder.parent.mkdir(exist_ok=True)
    events = SummaryWriter(str(run.path / EVENTS / stage))

    def told(epoch: Metrics) -> None:
        watcher.step(line(epoch))
        for name, value in epoch.items():
            events.add_scalar(name, value, epoch["epoch"])
        events.flush()

    try:
        train_job(loop, payload, folder, scale_of(run.config.finetune), look=telling(folder, told))
    except RuntimeError as error:
        raise RunFailed(
            f"{stage} failed: {error}; what was trained is safe, go on from the last epoch with: "
            f"secateur resume {run.path}"
        ) from error
    finally:
        events.close()
    return history(folder)


def _last(run: Record, stage: str) -> Path:
    """The checkpoint that a finished stage has left."""
    return max((run.path / JOBS / stage).glob(f"checkpoint_*/{Snapshot.FACTS}")).parent

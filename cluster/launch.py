"""Launch: starts a run or goes on with one, on a local Ray."""

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray

from ..actors.cores import confined, split_cores
from ..actors.dispatcher import Crew, RayDispatcher, WorkersLost
from ..actors.job import Job, Role
from ..actors.meters import AccuracyPayload, LatencyPayload, load_accuracy, load_latency
from ..methods.latency import Protocol
from ..search.algorithm import Algorithm, Search
from ..search.baselines import NSGA2, RandomSearch
from ..search.candidate import Estimate
from ..search.hamp import HAMP, Settings
from ..search.surrogate import Surrogate
from ..surrogates.error_model import error_model
from ..surrogates.formula import formula
from ..surrogates.latency_model import latency_model
from .config import Config, check_config
from .coordinator import Coordinator, RunFailed
from .export import export_member, pick
from .journal import Journal, JournalError
from .lock import held
from .progress import Silent, Watcher
from .report import write_report
from .run import JOURNAL, Run, open_run
from .workpiece import (
    Workpiece,
    finish_workpiece,
    load_data,
    load_network,
    open_workpiece,
    plan_network,
    write_whole,
)

CONFIG, EXPORTS = "config.yaml", "exports"
OBJECT_STORE_BYTES = 512 * 1024 * 1024


def launch(
    config: Config | Mapping[str, Any],
    run: str | Path | None = None,
    *,
    watcher: Watcher | None = None,
) -> Run:
    """Run a search from the beginning and return it, complete.

    Args:
        config: a checked configuration, or plain values as in a YAML file.
        run: the folder to make; by default `runs/NAME-DATE-TIME`. It must not hold a run.
        watcher: is told of the progress.

    Raises:
        ValueError: the configuration, the data or the weights are wrong; nothing was started.
        RunFailed: the run cannot go on; what was measured is kept and can be resumed.
    """
    if not isinstance(config, Config):
        config = check_config(dict(config), source="the configuration")
    watcher = watcher or Silent()
    directory = Path(run) if run else _fresh_directory(config.name)
    if (directory / JOURNAL).exists():
        raise ValueError(
            f"{directory} holds a run already: choose another --run, "
            f"or go on with it by: secateur resume {directory}"
        )
    config = _with_absolute_root(config)
    watcher.say("loading data and network")
    dataset = load_data(config)
    network, trained = load_network(config, Path(os.devnull))
    plan = plan_network(config, network, dataset)
    _make(directory)
    with held(directory):
        write_whole(directory / CONFIG, config.as_yaml().encode())
        Journal.create(
            directory / JOURNAL,
            {
                "config": config.model_dump(mode="json"),
                "groups": [group.name for group in plan.groups],
                "dense_widths": [group.width for group in plan.groups],
            },
        )
        opened = open_run(directory)
        with _failures_noted(opened):
            opened.journal.sit_down()
            workpiece = finish_workpiece(
                config, directory, dataset, network, trained=trained, say=watcher.say
            )
            _work(opened, workpiece, watcher)
    return opened


def resume(path: str | Path, *, watcher: Watcher | None = None) -> Run:
    """Go on with a run after any stop and return it, complete."""
    opened = open_run(path)
    watcher = watcher or Silent()
    with held(opened.path):
        if opened.journal.fact("completed"):
            return opened
        with _failures_noted(opened):
            opened.journal.note("failed", None)
            opened.journal.sit_down()
            watcher.say("loading data and network")
            workpiece = open_workpiece(opened.config, opened.path, watcher.say)
            _work(opened, workpiece, watcher)
    return opened


def _work(run: Run, workpiece: Workpiece, watcher: Watcher) -> None:
    """Search to the budget, look at the final split for the front, hand out the picks."""
    config = run.config
    search = Search(_algorithm(config, workpiece, run), window=config.search.window)
    with _workers(run, workpiece, watcher) as dispatcher:
        watcher.say("searching")
        Coordinator(
            search,
            run.journal,
            dispatcher,
            objectives=config.objectives,
            cost=workpiece.cost,
            budget=config.search.evaluations,
            watch=watcher.evaluated,
        ).run()
        watcher.say("measuring the front on the final split")
        _look_at_final_split(run, dispatcher)
    results = run.results()
    for name in results.picks:
        watcher.say(f"exporting the {name} network")
        export_member(workpiece, pick(results, name), run.path / EXPORTS / name)
    run.journal.note("completed", True)
    write_report(run.results(), run.path)


def _look_at_final_split(run: Run, dispatcher: RayDispatcher) -> None:
    """Measure the front, and the dense network beside it, on the images not used so far."""
    results, known = run.results(), run.journal.answers()
    members = {member.id: member for member in (results.dense, *results.front)}
    missing = [m for m in members.values() if "final_error" not in known[m.id]]
    for member in missing:
        dispatcher.submit(Job(member.id, member.widths, "final_error"))
    for _ in missing:
        run.journal.answered(dispatcher.next_answer())


def _algorithm(config: Config, workpiece: Workpiece, run: Run) -> Algorithm:
    """The one place where an algorithm is chosen by name."""
    space, settings = workpiece.space, config.search
    match settings.algorithm:
        case "random":
            return RandomSearch(space, seed=settings.seed)
        case "nsga2":
            return NSGA2(space, seed=settings.seed, population=settings.population)
        case "hamp":
            return HAMP(
                space,
                run.objectives,
                [_surrogate(name, workpiece) for name in config.objectives],
                seed=settings.seed,
                settings=Settings(
                    population=settings.population,
                    local_search=settings.hamp.local_search,
                    trust=settings.hamp.trust,
                ),
            )


def _surrogate(objective: str, workpiece: Workpiece) -> Surrogate:
    match objective:
        case "error":
            return error_model(workpiece.space.dense)
        case "latency_ms":
            return latency_model(workpiece.space.dense)
        case _:
            return formula(getattr(workpiece.cost, objective))


@contextmanager
def _workers(run: Run, workpiece: Workpiece, watcher: Watcher) -> Iterator[RayDispatcher]:
    """Start a local Ray: a profiler with a core of its own, evaluators on those that are left."""
    config, dataset = run.config, workpiece.dataset
    profiling = "latency_ms" in config.objectives
    cores = split_cores(config.latency.threads if profiling else 0)
    free = len(cores.others) or (os.cpu_count() or 1)
    evaluators = config.workers.evaluators
    size = max(1, free // config.workers.threads) if evaluators == "auto" else evaluators
    if size * config.workers.threads > free:
        watcher.say(f"{size} evaluators share {free} free core{'s' if free > 1 else ''}")
    crews: dict[Role, Crew] = {}
    if profiling:
        dense = run.journal.answers().get(0, {}).get("latency_ms")
        reference = dense.result if dense and isinstance(dense.result, Estimate) else None
        protocol = Protocol(
            threads=config.latency.threads,
            batch=config.latency.batch,
            seconds=config.latency.seconds,
            precision=config.latency.precision,
        )
        payload = LatencyPayload(workpiece.prunable, workpiece.dense_onnx, protocol, reference)
        crews["profiler"] = Crew(1, load_latency, payload, cores.profiler)
    crews["evaluator"] = Crew(
        size,
        load_accuracy,
        AccuracyPayload(
            workpiece.prunable,
            dataset.train[: config.data.recalibration_images],
            dataset.search,
            dataset.final,
            config.workers.threads,
        ),
        cores.others,
    )
    watcher.say("starting Ray")
    with confined(cores.others), _local_ray(sum(crew.size for crew in crews.values())):
        dispatcher = RayDispatcher(crews, lease_seconds=config.workers.lease_seconds)
        try:
            yield dispatcher
        finally:
            dispatcher.close()


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


@contextmanager
def _failures_noted(run: Run) -> Iterator[None]:
    """Remember why a run failed; an interrupted one is just stopped."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped; go on with: secateur resume {run.path}") from None
    except WorkersLost as error:
        raise RunFailed(_noted(run, str(error))) from error
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        reason = f"cannot write{where}: {error.strerror or error}"
        raise RunFailed(_noted(run, reason)) from error
    except Exception as error:
        _noted(run, f"{type(error).__name__}: {error}")
        raise


def _noted(run: Run, reason: str) -> str:
    """Note why the run failed, if the journal still can, and say how to go on."""
    with contextlib.suppress(JournalError):
        run.journal.note("failed", reason)
    return f"{reason}; what was measured is safe, go on with: secateur resume {run.path}"


def _fresh_directory(name: str) -> Path:
    return Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "lock").touch()
    except OSError as error:
        raise ValueError(
            f"cannot make the run folder {directory}: {error.strerror}; choose another by --run"
        ) from error


def _with_absolute_root(config: Config) -> Config:
    """Let a resume from another folder find the same data."""
    if config.data.root is None:
        return config
    root = str(Path(config.data.root).expanduser().absolute())
    return config.model_copy(update={"data": config.data.model_copy(update={"root": root})})

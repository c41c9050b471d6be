"""Launch: starts a run or goes on with one, from loading the data to the report."""

import dataclasses
from functools import partial
from pathlib import Path

from ..actors.job import Job
from ..methods.data.batches import require_batches
from ..methods.data.datasets import Dataset
from ..search.algorithm import Search
from ..search.fidelity import Promotion, rung_agreement
from ..search.screening import Screening
from ..search.sparing import Sparing
from .algorithms import algorithm, surrogate
from .crew import require_workers, workers
from .exports.export import export_member, pick
from .on_ray.metrics import Metered
from .on_ray.ray_cluster import require_reachable
from .profiling.operator_library import COPY, copied, learn, measured
from .profiling.targets import PLACES, places, require_targets
from .reports.report import write_report
from .runs.coordinator import Coordinator, Measuring, Progress
from .runs.drift import DriftAlarm
from .runs.itinerary import Itinerary
from .runs.progress import Watcher
from .runs.racing import race
from .runs.record import Record
from .runs.reference import OneReference
from .runs.sitting import begun, continued
from .runs.workpiece import Workpiece
from .settings.checked import ConfigError
from .settings.config import Config, with_absolute_paths
from .storage.artifacts import ELSEWHERE, elsewhere
from .storage.whole_file import write_whole
from .warm_start import TAKEN_OVER, earlier, require_comparable

EXPORTS = "exports"
LEAST_RUNG_TAU = 0.6


def start(
    config: Config,
    directory: Path,
    watcher: Watcher,
    *,
    url: str | None,
    artifacts: str | None,
    address: str | None,
) -> None:
    """Check everything, make the run's folder, and work until the run is complete.

    The journal is in the folder, or in the database at `url`; files are kept at `artifacts` as
    well; the workers are on this machine, or on the Ray cluster at `address`.
    """
    config = with_absolute_paths(config)
    require_workers(config, address)
    if address is None:
        require_targets(config)
    require_comparable(config)
    require_reachable(address)
    if artifacts is not None:
        elsewhere(artifacts)
    facts = {ELSEWHERE: artifacts}
    with begun(
        config, directory, watcher, facts, url=url, check=partial(_require_rungs, config)
    ) as (run, workpiece):
        _work(run, workpiece, watcher, address)


def go_on(run: Record, watcher: Watcher, *, address: str | None) -> None:
    """Work on an existing run until it is complete."""
    if run.journal.fact("completed"):
        return
    require_workers(run.config, address)
    require_reachable(address)
    with continued(run, watcher, COPY, TAKEN_OVER) as workpiece:
        _work(run, workpiece, watcher, address)


def _work(run: Record, workpiece: Workpiece, watcher: Watcher, address: str | None) -> None:
    """Search to the budget, look at the final split for the front, hand out the picks."""
    config = run.config
    if run.journal.fact(PLACES) is None:
        where = places(config, address)
        run.artifacts.keep(write_whole(run.path / COPY, copied(where)))
        run.journal.note(PLACES, where)
    taken_over = earlier(run, workpiece.space)
    search = Search(
        algorithm(config, workpiece, taken_over), workpiece.space, window=config.search.window
    )
    hours = config.search.hours
    with workers(run, workpiece, watcher, address) as dispatcher:
        metered = Metered(dispatcher, run.path.name, config.goals)
        measuring = DriftAlarm(
            OneReference(metered, run.dense_latency), watcher, run.journal.answers().values()
        )

        def watch(progress: Progress) -> None:
            metered.evaluated(progress.outcome)
            watcher.evaluated(progress)

        watcher.say("searching")
        Coordinator(
            search,
            run.journal,
            measuring,
            Itinerary(
                tuple(config.quantities),
                known=taken_over.answer,
                node_of=config.node_of,
                promotion=_promotion(config),
                screening=_screening(config),
                sparing=_sparing(config, workpiece),
            ),
            cost=workpiece.cost,
            budget=config.search.evaluations,
            expired=lambda: hours is not None and run.journal.elapsed_seconds() >= 3600 * hours,
            watch=watch,
        ).run()
        _tell_of_rungs(run, watcher)
        if count := race(run, measuring):
            metered.measured_again(run.results().hypervolumes[-1])
            watcher.say(f"{count} latencies that the front hangs on were measured again")
        watcher.say("measuring the front on the final split")
        _look_at_final_split(run, measuring)
    if config.search.fidelity.epochs is not None:
        _finetune_front(run, workpiece, config.search.fidelity.epochs, watcher, address)
    results = run.results()
    for name in results.picks:
        watcher.say(f"exporting the {name} network")
        export_member(workpiece, pick(results, name), run.path / EXPORTS / name)
    report = write_report(dataclasses.replace(results, state="complete"), run.path)
    run.artifacts.keep(run.path / EXPORTS, *report)
    _give_back(run, watcher)
    run.journal.note("completed", True)


def _require_rungs(config: Config, dataset: Dataset, *_: object) -> None:
    """Refuse rungs that the data does not give: the last one is climbed when all else is done."""
    fidelity, images = config.search.fidelity, len(dataset.search)
    if fidelity.images is not None and fidelity.images >= images:
        raise ConfigError(
            f"search.fidelity.images: expected fewer than the {images} images of the search split, "
            f"got {fidelity.images}: choose fewer, or leave it out"
        )
    if fidelity.epochs is not None:
        require_batches(len(dataset.train), config.finetune.batch, config.finetune.workers)


def _give_back(run: Record, watcher: Watcher) -> None:
    """Let later runs know what the layers have taken; a home that cannot be written is no harm."""
    try:
        where = run.journal.fact(PLACES)
        for quantity, rows in measured(run.journal.answers().values()).items():
            if quantity in where:
                learn(where[quantity], rows)
    except OSError as error:
        watcher.say(f"what layers take is not kept for later runs: {error}")


def _tell_of_rungs(run: Record, watcher: Watcher) -> None:
    """Say how many candidates deserved all images, and how few images rank them."""
    if rungs := run.rungs(run.journal.answers()):
        watcher.say(f"{rungs['promoted']} candidates were measured on all images")
        _tell_agreement(rungs["rung_tau"], "few images and all", watcher)


def _tell_agreement(tau: float | None, rungs: str, watcher: Watcher) -> None:
    """Tell how two rungs rank the same networks, and warn where they hardly agree."""
    if tau is None:
        return
    watcher.say(f"Kendall's tau of the errors on {rungs}: {tau:.2f}")
    if tau < LEAST_RUNG_TAU:
        watcher.say(f"warning: {rungs} hardly rank alike (below {LEAST_RUNG_TAU})")


def _finetune_front(
    run: Record, workpiece: Workpiece, epochs: int, watcher: Watcher, address: str | None
) -> None:
    """Train the search's front further: the last rung, in which all its networks are compared."""
    from .training.finetune import finetune_member, ray_for  # Ray Train takes seconds to import

    settings = workpiece.config.finetune.model_copy(update={"epochs": epochs})
    with ray_for(settings, address):
        for parent in run.results().search_front:
            if parent.origin != "dense":
                finetune_member(run, parent, workpiece, settings, watcher)
    members = {member.id: member for member in run.results().members}
    pairs = [
        (members[now.parent].objectives["error"].value, now.objectives["error"].value)
        for now in members.values()
        if now.parent is not None
    ]
    _tell_agreement(rung_agreement(pairs), "the cut and the fine-tuned networks", watcher)


def _promotion(config: Config) -> Promotion | None:
    fidelity, search = config.search.fidelity, config.search
    if fidelity.images is None:
        return None
    return Promotion(fidelity.promotion, search.window, config.goals)


def _sparing(config: Config, workpiece: Workpiece) -> Sparing | None:
    """Predict latencies, but for those that are bounded: they decide who is measured at all."""
    fidelity, search = config.search.fidelity, config.search
    bounded = {one.quantity for one in config.goals.constraints}
    names = [name for name in config.latencies if name not in bounded]
    if fidelity.predicted is None or not names:
        return None
    surrogates = {name: surrogate(name, workpiece) for name in names}
    return Sparing(fidelity.predicted, fidelity.promotion, search.window, config.goals, surrogates)


def _screening(config: Config) -> Screening | None:
    screening = Screening(config.search.window, config.goals)
    return screening if screening.quantities else None


def _look_at_final_split(run: Record, dispatcher: Measuring) -> None:
    """Measure the front or its picks, and the dense network, on the images not used so far."""
    results, known = run.results(), run.journal.answers()
    asked = results.looked_at(run.config.search.final)
    members = {member.id: member for member in (results.dense, *asked)}
    missing = [m for m in members.values() if "final_error" not in known[m.id]]
    for member in missing:
        dispatcher.submit(Job(member.id, member.genome, "final_error"))
    for _ in missing:
        run.journal.answered(dispatcher.next_answer())

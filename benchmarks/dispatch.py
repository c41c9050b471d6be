"""How busy are the workers? Sleeping workers on Ray, fed by this product and by its rivals.

    python benchmarks/dispatch.py [--quick] [--json]

Jobs take a second on average with a coefficient of variation of 0.3, drawn once for all; a
straggler (one in a hundred attempts, where there are any) takes ten times as long. This product is
the whole coordinator with its journal: a window of three candidates a worker, committed in order,
30 candidates a worker. Its rivals get ten generations with a candidate for each worker: a barrier
after every generation, the same by Ray's ActorPool (which EvoTorch uses) and by pymoo's Ray runner.
Busy is the share of worker-seconds in use from the first candidate until the last one is handed
out; for rivals, until the end of the last generation. Then the same coordinator on simulated
workers, up to 10,000: the clock is theirs, the coordinator's seconds are real. All this searches at
random; what HAMP takes to breed a candidate is told on its own, for so many evaluations known.

Starting 64 workers takes most of a minute on two cores. `--quick` takes 8 workers and shorter jobs.
"""

import argparse
import itertools
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray
from pymoo.parallelization.ray import RayParallelization
from ray.util import ActorPool
from rich.console import Console
from rich.table import Table

from secateur.actors.dispatcher import Dispatcher
from secateur.actors.fleet import Crew, Fleet, Gone
from secateur.actors.job import Answer, Job
from secateur.actors.ray_fleet import RayFleet
from secateur.actors.simulated_fleet import SimulatedFleet
from secateur.actors.worker import Measure
from secateur.cluster.runs.coordinator import Coordinator
from secateur.cluster.runs.itinerary import Itinerary
from secateur.cluster.storage.journal import Journal
from secateur.methods.pruning.cost import Cost
from secateur.search.algorithm import Search
from secateur.search.baselines import RandomSearch
from secateur.search.candidate import Candidate, Estimate, Evaluation
from secateur.search.drawing import scattered
from secateur.search.goals import Goals
from secateur.search.hamp import HAMP
from secateur.search.objective import Objective
from secateur.search.space import Genome, LayerGroup, Space
from secateur.surrogates.error_model import error_model
from secateur.surrogates.latency_model import latency_model

SPACE = Space(tuple(LayerGroup(f"g{index}", 64, 1, 1) for index in range(8)))
SEED, WINDOW, CANDIDATES, GENERATIONS = 0, 3, 30, 10
SLOW_SHARE, SLOW_FACTOR = 0.01, 10.0
LEASE_S = 600.0


@dataclass(frozen=True)
class Work:
    """How long jobs take, and how many of them are stragglers on whoever attempts them."""

    seconds: NDArray[np.float64]  # by the job's number
    stragglers: float

    @classmethod
    def of(cls, jobs: int, mean: float, stragglers: float) -> "Work":
        """Draw the durations."""
        drawn = np.random.default_rng(SEED).normal(1.0, 0.3, size=jobs)
        return cls(mean * np.clip(drawn, 0.1, None), stragglers)

    def __call__(self, number: int, attempt: int) -> float:
        """The seconds of one attempt, which any number may stand for."""
        rng = np.random.default_rng([SEED, number, attempt])
        slow = rng.random() < self.stragglers
        return float(self.seconds[number % len(self.seconds)]) * (SLOW_FACTOR if slow else 1.0)


@dataclass(frozen=True)
class Sleeping:
    """What a worker loads: the work, and a folder to note in when it slept."""

    work: Work
    folder: str

    def sleep(self, number: int) -> None:
        """Sleep for as long as a job takes, and take note of it."""
        begun = time.time()
        time.sleep(self.work(number, os.getpid()))
        with open(f"{self.folder}/{os.getpid()}", "a") as notes:
            notes.write(f"{begun} {time.time()}\n")


def load_sleeping(sleeping: Sleeping) -> Measure:
    """A worker's measurement: sleep, and answer with anything."""

    def measure(job: Job) -> Estimate:
        sleeping.sleep(job.number)
        return Estimate.exact(1 / (1 + sum(job.genome)))

    return measure


def busy_share(folder: Path, workers: int, begun: float, ended: float) -> float:
    """The share of the workers' time that they slept, by their notes."""
    lines = [line for path in folder.iterdir() for line in path.read_text().splitlines()]
    spans = [(float(first), float(last)) for first, last in map(str.split, lines)]
    return share_of(spans, workers, begun, ended)


def share_of(
    spans: Sequence[tuple[float, float]], workers: int, begun: float, ended: float
) -> float:
    """The share of the workers' time between two moments that lies in spans of work."""
    worked = sum(max(0.0, min(last, ended) - max(first, begun)) for first, last in spans)
    return worked / (workers * (ended - begun))


def load_all(dispatcher: Dispatcher, workers: int) -> None:
    """Keep all workers busy until the last of them has loaded and answered."""
    seen: set[str] = set()
    numbers = itertools.count(10**6)
    for number in itertools.islice(numbers, workers):
        dispatcher.submit(Job(number, (), "error"))
    while len(seen) < workers:
        seen.add(dispatcher.next_answer().worker)
        dispatcher.submit(Job(next(numbers), (), "error"))
    for _ in range(workers):
        dispatcher.next_answer()


class Noting(RandomSearch):
    """Notes by the fleet's clock when each candidate is bred."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(SPACE, seed=SEED)
        self._clock = clock
        self.bred: list[float] = []

    def breed(self, asked: Sequence[Candidate], taken: Set[Genome]) -> Candidate:
        """Note and breed."""
        self.bred.append(self._clock())
        return super().breed(asked, taken)


def streamed(dispatcher: Dispatcher, fleet: Fleet, workers: int, count: int) -> dict[str, float]:
    """Run a search of `count` candidates; begin and end by the fleet's clock, and what it took.

    The end is the moment at which the last candidate was bred: by then all but a window of them
    have been measured.
    """
    algorithm, window = Noting(fleet.now), WINDOW * workers
    with TemporaryDirectory() as folder:
        journal = Journal.create(Path(folder), {})
        begun, used, real = fleet.now(), time.process_time(), time.perf_counter()
        with journal.held():
            Coordinator(
                Search(algorithm, SPACE, window=window),
                journal,
                dispatcher,
                Itinerary(("error", "macs")),
                cost=lambda genome: Cost(macs=sum(genome), params=1, memory_bytes=1),
                budget=count,
            ).run()
        used, real = time.process_time() - used, time.perf_counter() - real
        journal.close()
    ended = algorithm.bred[count - 2]  # the dense network is not bred
    return {
        "begun": begun,
        "ended": ended,
        "rate": (count - window) / (ended - begun),
        "cpu_ms": 1e3 * used / count,
        "wall_ms": 1e3 * real / count,
    }


def ours(workers: int, work: Work) -> dict[str, float]:
    """This product on Ray: how busy it keeps sleeping workers, how fast, and its own cost."""
    with TemporaryDirectory() as notes:
        crew = Crew(workers, load_sleeping, Sleeping(work, notes))
        fleet = RayFleet({"evaluator": crew})
        dispatcher = Dispatcher(fleet, lease_seconds=LEASE_S)
        load_all(dispatcher, workers)
        found = streamed(dispatcher, fleet, workers, CANDIDATES * workers)
        dispatcher.close()
        since = time.time() - fleet.now()
        span = (since + found["begun"], since + found["ended"])
        return found | {"busy": busy_share(Path(notes), workers, *span)}


@ray.remote
class Sleeper:
    """A rival's actor."""

    def __init__(self, sleeping: Sleeping) -> None:
        self._sleeping = sleeping

    def sleep(self, number: int) -> None:
        """Do one job."""
        self._sleeping.sleep(number)


@dataclass(frozen=True)
class SleepingProblem:
    """A job as pymoo calls it."""

    sleeping: Sleeping

    def __call__(self, number: int) -> None:
        """Do one job."""
        self.sleeping.sleep(number)


Generation = Callable[[Sequence[int]], Any]


@contextmanager
def by_barrier(workers: int, sleeping: Sleeping) -> Iterator[Generation]:
    """One job for each actor, and the next generation when all are done."""
    with sleepers(workers, sleeping) as actors:
        yield lambda numbers: ray.get(
            [actor.sleep.remote(number) for actor, number in zip(actors, numbers, strict=True)]
        )


@contextmanager
def by_actor_pool(workers: int, sleeping: Sleeping) -> Iterator[Generation]:
    """Ray's ActorPool, mapped over every generation, as EvoTorch does."""
    with sleepers(workers, sleeping) as actors:
        pool = ActorPool(actors)
        yield lambda numbers: list(
            pool.map_unordered(lambda actor, number: actor.sleep.remote(number), list(numbers))
        )


@contextmanager
def by_pymoo(workers: int, sleeping: Sleeping) -> Iterator[Generation]:  # noqa: ARG001
    """pymoo's Ray runner, which starts a task for each candidate of a generation."""
    run = RayParallelization()
    yield lambda numbers: run(SleepingProblem(sleeping), numbers)


@contextmanager
def sleepers(workers: int, sleeping: Sleeping) -> Iterator[list[Any]]:
    """Actors, all of which have loaded."""
    actors = [Sleeper.remote(sleeping) for _ in range(workers)]
    ray.get([actor.__ray_ready__.remote() for actor in actors])
    try:
        yield actors
    finally:
        for actor in actors:
            ray.kill(actor)


RIVALS = {"barrier": by_barrier, "evotorch": by_actor_pool, "pymoo": by_pymoo}


def rival(name: str, workers: int, work: Work) -> dict[str, float]:
    """Generation after generation; the first one only starts the workers."""
    with TemporaryDirectory() as notes, RIVALS[name](workers, Sleeping(work, notes)) as generation:
        generation(range(workers))
        begun = time.time()
        for number in range(1, GENERATIONS + 1):
            generation(range(number * workers, (number + 1) * workers))
        ended = time.time()
        busy = busy_share(Path(notes), workers, begun, ended)
    return {"busy": busy, "rate": GENERATIONS * workers / (ended - begun)}


def simulated(workers: int, work: Work) -> dict[str, float]:
    """The same coordinator and dispatcher on workers of a clock of their own."""
    attempts: dict[int, int] = {}
    spans: list[tuple[float, float]] = []

    def behave(worker: str, job: Job) -> tuple[float, Answer | Gone]:
        attempts[job.number] = attempts.get(job.number, 0) + 1
        seconds = work(job.number, attempts[job.number])
        spans.append((fleet.now(), fleet.now() + seconds))
        estimate = Estimate.exact(1 / (1 + sum(job.genome)))
        return seconds, Answer(job.number, job.quantity, estimate, worker, seconds)

    fleet = SimulatedFleet({"evaluator": workers}, behave)
    dispatcher = Dispatcher(fleet, lease_seconds=LEASE_S)
    found = streamed(dispatcher, fleet, workers, CANDIDATES * min(workers, 2000))
    return found | {"busy": share_of(spans, workers, found["begun"], found["ended"])}


def breeding_ms(known: int, times: int = 8) -> float:
    """What HAMP takes for a candidate, local search and variation, with so many evaluations."""
    groups = Space(tuple(LayerGroup(f"layer{index}", 64, 1, 1) for index in range(27)))
    goals = Goals((Objective("error", False), Objective("latency_ms", True)))
    surrogates = [error_model(groups.dense), latency_model(groups.dense)]
    hamp = HAMP(groups, goals, surrogates, seed=SEED)
    asked = [Candidate(0, groups.dense, "dense")]
    rng = np.random.default_rng(SEED)
    asked += [Candidate(n, scattered(groups, rng), "initial") for n in range(1, known)]
    for one in asked:
        kept = np.array(one.genome) / 64
        error = 0.08 + 0.8 * np.average((1 - kept) ** 3, weights=np.linspace(1, 3, 27))
        hamp.commit(Evaluation(one, (Estimate.exact(error), Estimate.exact(1 + 9 * kept.mean()))))
    taken, begun = {one.genome for one in asked}, time.perf_counter()
    for _ in range(times):
        asked.append(hamp.breed(asked, taken))
        taken.add(asked[-1].genome)
    return 1e3 * (time.perf_counter() - begun) / times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="8 workers, short jobs")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    workers, mean, many = (8, 0.2, (100,)) if options.quick else (64, 1.0, (1000, 10_000))
    works = {
        label: Work.of(CANDIDATES * workers, mean, share)
        for label, share in (("", 0.0), ("_stragglers", SLOW_SHARE))
    }
    console = Console(stderr=True)
    summary: dict[str, float] = {}
    rows: list[tuple[str, dict[str, float]]] = []

    def keep(label: str, found: dict[str, float]) -> dict[str, float]:
        rows.append((label, found))
        console.print(label)
        return found

    ray.init(
        address="local",
        num_cpus=workers,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=100 * 1024 * 1024,
    )
    if workers > 8:
        summary["busy_8"] = keep("8 workers, this product", ours(8, works[""]))["busy"]
    for suffix, work in works.items():
        what = f"{workers} workers{suffix.replace('_', ', ')}"
        found = keep(f"{what}, this product", ours(workers, work))
        summary[f"busy_{workers}{suffix}"] = found["busy"]
        if not suffix:
            summary["coordinator_ms"] = found["cpu_ms"]
        for name in RIVALS:
            other = keep(f"{what}, {name}", rival(name, workers, work))
            summary[f"over_{name}_{workers}{suffix}"] = found["rate"] / other["rate"]
    ray.shutdown()
    for count in many:
        found = keep(
            f"{count:,} simulated workers, stragglers", simulated(count, works["_stragglers"])
        )
        summary |= {f"busy_{count}_simulated": found["busy"], f"wall_ms_{count}": found["wall_ms"]}
    summary |= {f"breeding_ms_{known}": breeding_ms(known) for known in (100, 500, 2000)}
    if options.json:
        print(json.dumps({"summary": summary}))
        return
    table = Table(title=f"Jobs of {mean:g} s on average")
    for heading in ("workers", "busy", "candidates a second", "coordinator (ms of CPU, of time)"):
        table.add_column(heading, justify="left" if heading == "workers" else "right")
    for label, found in rows:
        own = f"{found['cpu_ms']:.2f}, {found['wall_ms']:.2f}" if "cpu_ms" in found else ""
        table.add_row(label, f"{found['busy']:.3f}", f"{found['rate']:.1f}", own)
    Console(width=120).print(table)
    for name, value in summary.items():
        print(f"{name}: {value:.3f}")


if __name__ == "__main__":
    main()

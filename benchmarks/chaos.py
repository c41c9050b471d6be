"""What does a search lose when everything dies? One calm run and one under random faults, on Ray.

    python benchmarks/chaos.py [--quick] [--json]

A cluster of nodes on this machine searches by HAMP with workers that sleep for half a second on
average and answer by a formula. While the second run is on, every few seconds something happens: a
worker is killed or stopped for good, a node is lost and another one joins, the coordinator is
killed and started anew. Lost is what the calm run has and the other has not, counted twice is what
its journal answers more than once, changed is what was answered and is another answer later.
"""

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ray
from ray.cluster_utils import Cluster
from rich.console import Console
from rich.table import Table

from secateur.actors.dispatcher import Dispatcher
from secateur.actors.fleet import Crew
from secateur.actors.job import Answer, Job
from secateur.actors.ray_fleet import RayFleet
from secateur.actors.worker import Measure
from secateur.cluster.runs.archive import archive_hash
from secateur.cluster.runs.coordinator import Coordinator
from secateur.cluster.runs.itinerary import Itinerary
from secateur.cluster.storage.journal import Journal
from secateur.methods.pruning.cost import Cost
from secateur.search.algorithm import Search
from secateur.search.candidate import Estimate
from secateur.search.goals import Goals
from secateur.search.hamp import HAMP
from secateur.search.objective import Objective
from secateur.search.space import LayerGroup, Space
from secateur.surrogates.latency_model import latency_model

SPACE = Space(tuple(LayerGroup(f"layer{index}", 64, 1, 1) for index in range(9)))
GOALS = Goals((Objective("error", False), Objective("latency_ms", True)))
SEED, WINDOW, LEASE_S = 0, 12, 8.0
NODES, CPUS = 3, 2
PAUSE_S = 4.0
STORE = 100 * 1024 * 1024

Answers = dict[tuple[int, str], Answer]


@dataclass(frozen=True)
class Sleeping:
    """What a worker loads: how long a job takes, and where to note its process and its jobs."""

    mean_s: float
    notes: str


def load_sleeping(sleeping: Sleeping) -> Measure:
    """A worker's measurement: sleep, then answer by a formula."""
    notes = Path(sleeping.notes) / str(os.getpid())
    notes.touch()

    def measure(job: Job) -> Estimate:
        rng = random.Random(f"{job.number} {job.quantity}")
        share = 0.1 if job.quantity == "latency_ms" else 1.0  # one profiler keeps up with them all
        time.sleep(share * sleeping.mean_s * rng.uniform(0.4, 1.6))
        with notes.open("a") as file:
            file.write(f"{job.number} {job.quantity}\n")
        kept = [width / 64 for width in job.genome]
        if job.quantity == "latency_ms":
            return Estimate.exact(1 + sum(kept))
        return Estimate.exact(0.1 + 0.05 * sum(i * (1 - k) ** 3 for i, k in enumerate(kept, 1)))

    return measure


def drive(folder: Path, address: str, sleeping: Sleeping, budget: int) -> None:
    """Begin a search on the cluster or go on with it, to its end."""
    ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    crews = {
        "profiler": Crew(1, load_sleeping, sleeping),
        "evaluator": Crew(None, load_sleeping, sleeping),
    }
    journal = Journal.open(folder) if Journal.exists(folder) else Journal.create(folder, {})
    with journal.held():
        Coordinator(
            Search(
                HAMP(SPACE, GOALS, [latency_model(SPACE.dense)] * 2, seed=SEED),
                SPACE,
                window=WINDOW,
            ),
            journal,
            Dispatcher(RayFleet(crews), lease_seconds=LEASE_S),
            Itinerary(GOALS.quantities),
            cost=lambda genome: Cost(sum(genome), sum(genome), sum(genome)),
            budget=budget,
        ).run()
    ray.shutdown()


class Run:
    """A search in a process of its own, which may be killed."""

    def __init__(self, folder: Path, address: str, mean_s: float, budget: int) -> None:
        folder.mkdir()
        self.folder, self.notes = folder, folder / "notes"
        self.notes.mkdir()
        self._errors = folder / "errors"
        given = (folder, address, mean_s, budget)
        self._command = [sys.executable, __file__, "--drive", *map(str, given)]
        self.start()

    def start(self) -> None:
        """Begin, or go on."""
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(self._command, stdout=errors, stderr=errors)

    @property
    def is_over(self) -> bool:
        """Whether it ended by itself, and well."""
        if (code := self._process.poll()) not in (None, 0):
            raise RuntimeError(f"the search ended with code {code}: {self._errors.read_text()}")
        return code == 0

    def kill(self) -> None:
        """Kill the coordinator."""
        self._process.kill()
        self._process.wait()

    def workers(self) -> list[int]:
        """The processes of workers that live and are not stopped."""
        pids = [int(path.name) for path in self.notes.iterdir()]
        return sorted(pid for pid in pids if _state_of(pid) in ("R", "S", "D"))

    def measurements(self) -> int:
        """What was measured, whether it counted or not."""
        return sum(len(path.read_text().splitlines()) for path in self.notes.iterdir())

    def answers(self) -> Answers:
        """What counts so far."""
        if not Journal.exists(self.folder):
            return {}
        known = Journal.open(self.folder).answers()
        return {(n, quantity): one for n, of in known.items() for quantity, one in of.items()}

    def archive(self) -> str:
        """All of it as one number."""
        journal = Journal.open(self.folder)
        known = journal.answers()
        return archive_hash(
            [
                (one, {name: _value(known[one.number][name]) for name in GOALS.quantities})
                for one, _ in journal.candidates()
            ]
        )


class Chaos:
    """Faults in a random order; each is counted by its name."""

    def __init__(self, cluster: Cluster, nodes: list[Any], run: Run) -> None:
        self._cluster, self._nodes, self._run = cluster, nodes, run
        self._rng = random.Random(SEED)
        self.faults: Counter[str] = Counter()
        self.changed = 0
        self._known: Answers = {}
        self._kinds: dict[str, Callable[[], None]] = {
            "worker killed": lambda: self._signal(signal.SIGKILL),
            "worker stopped for good": lambda: self._signal(signal.SIGSTOP),
            "node lost, another joins": self._exchange,
            "coordinator killed, started anew": self._restart,
        }

    def strike(self) -> None:
        """Let something happen, and see that nothing that was known is forgotten."""
        name = self._rng.choice(list(self._kinds))
        self._kinds[name]()
        self.faults[name] += 1
        self.look()

    def look(self) -> None:
        """Hold what is known against what was."""
        now = self._run.answers()
        self.changed += sum(now.get(key) != one for key, one in self._known.items())
        self._known = now

    def _signal(self, number: int) -> None:
        if workers := self._run.workers():
            with suppress(ProcessLookupError):
                os.kill(self._rng.choice(workers), number)

    def _exchange(self) -> None:
        victim = self._nodes.pop(self._rng.randrange(len(self._nodes)))
        self._cluster.remove_node(victim, allow_graceful=False)
        self._nodes.append(_node(self._cluster))

    def _restart(self) -> None:
        self._run.kill()
        self._run.start()


def _node(cluster: Cluster) -> Any:
    return cluster.add_node(num_cpus=CPUS, object_store_memory=STORE)


def _value(answer: Answer) -> float:
    if isinstance(answer.result, str):
        raise RuntimeError(f"a measurement failed: {answer.result}")
    return answer.result.value


def _state_of(pid: int) -> str:
    """The state of a worker of Ray's as the kernel has it, or nothing where it is gone."""
    with suppress(OSError):
        if b"ray::" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return ""


def counted_twice(folder: Path) -> int:
    """Answers in the journal beyond the first to each job, by its bare table."""
    with sqlite3.connect(folder / "journal.db") as connection:
        rows = connection.execute("select body from entries where kind = 'answered'").fetchall()
    bodies = [json.loads(body) for (body,) in rows]
    return len(bodies) - len({(one["number"], one["quantity"]) for one in bodies})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="60 evaluations in place of 500")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--drive", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.drive:
        folder, address, mean_s, budget = options.drive
        drive(Path(folder), address, Sleeping(float(mean_s), f"{folder}/notes"), int(budget))
        return
    budget, mean_s = (60, 0.25) if options.quick else (500, 0.5)
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": STORE}
    )
    with TemporaryDirectory() as made:
        try:
            nodes = [_node(cluster) for _ in range(NODES)]
            calm, seconds = Run(Path(made) / "calm", cluster.address, mean_s, budget), {}
            begun = time.monotonic()
            while not calm.is_over:
                time.sleep(0.2)
            seconds["calm"] = time.monotonic() - begun
            run, begun = (
                Run(Path(made) / "chaos", cluster.address, mean_s, budget),
                time.monotonic(),
            )
            chaos = Chaos(cluster, nodes, run)
            pauses = random.Random(SEED)
            while not run.is_over:
                until = time.monotonic() + pauses.expovariate(1 / PAUSE_S)
                while time.monotonic() < until and not run.is_over:
                    time.sleep(0.1)
                if not run.is_over:
                    chaos.strike()
            seconds["chaos"] = time.monotonic() - begun
            chaos.look()
        finally:
            cluster.shutdown()
        expected, found = calm.answers(), run.answers()
        summary = {
            "faults": chaos.faults.total(),
            "lost": len(expected.keys() - found.keys()),
            "counted_twice": counted_twice(run.folder),
            "changed": chaos.changed,
            "same_archive": int(run.archive() == calm.archive()),
            "measured_again": run.measurements() - len(found),
            "calm_s": seconds["calm"],
            "chaos_s": seconds["chaos"],
            "lost_s_per_fault": (seconds["chaos"] - seconds["calm"]) / chaos.faults.total(),
        }
    if options.json:
        print(json.dumps({"summary": summary}))
        return
    table = Table(title=f"{budget} evaluations on {NODES} nodes of {CPUS} workers")
    table.add_column("")
    table.add_column("", justify="right")
    for name, count in sorted(chaos.faults.items()):
        table.add_row(name, str(count))
    table.add_section()
    for name, value in summary.items():
        table.add_row(name, f"{value:.1f}" if isinstance(value, float) else str(value))
    Console().print(table)


if __name__ == "__main__":
    main()

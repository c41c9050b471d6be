"""One archive, whoever measures, how fast, in which order, and however often the run is killed.

The workers are simulated, so that many of them fit; tests/cluster/test_search_and_resume.py kills
real ones.
"""

import math
import multiprocessing
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from secateur.actors.dispatcher import ATTEMPTS, Dispatcher
from secateur.actors.fleet import Gone
from secateur.actors.job import Answer, Job
from secateur.actors.simulated_fleet import SimulatedFleet
from secateur.cluster.runs.archive import archive_hash
from secateur.cluster.runs.coordinator import Coordinator
from secateur.cluster.runs.itinerary import Itinerary
from secateur.cluster.runs.readings import CONSTRAINTS, outcome_of
from secateur.cluster.storage.journal import Journal
from secateur.methods.pruning.cost import Cost
from secateur.search.algorithm import Search
from secateur.search.candidate import Estimate, Failure
from secateur.search.constraint import Constraint
from secateur.search.goals import Goals
from secateur.search.hamp import HAMP
from secateur.search.objective import Objective
from secateur.search.screening import Screening
from secateur.search.space import LayerGroup, Space
from secateur.surrogates.latency_model import latency_model

SPACE = Space(tuple(LayerGroup(name, 32, 2, 2) for name in "abcd"))
OBJECTIVES = (Objective("error", relative=False), Objective("latency_ms", relative=True))
GOALS = Goals(OBJECTIVES, (Constraint.parse("latency_ms <= 0.6x"),))
BUDGET, WINDOW, KILLS = 60, 8, 50
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__, "secateur.cluster.runs.coordinator"])


def measured(job: Job) -> float:
    """What any worker answers: an error that falls, and a latency that rises, with the widths."""
    kept = [width / 32 for width in job.genome]
    if job.quantity == "latency_ms":
        return 1 + sum(kept)
    return 0.1 + 0.2 * sum(weight * (1 - k) ** 2 for weight, k in enumerate(kept, start=1))


def unsteady(rng: random.Random):
    """Workers that take their time, die, lose their node or hang, each time anew.

    No job fells so many of them that it is given up: that would be another outcome.
    """
    felled: Counter[Job] = Counter()

    def behaviour(worker: str, job: Job):
        fate, seconds = rng.random(), rng.expovariate(1.0)
        if fate < 0.08:
            return seconds, Gone(worker, "the node has gone", with_node=True)
        if fate < 0.11 and felled[job] < ATTEMPTS - 1:
            felled[job] += 1
            return (seconds, Gone(worker, "shot")) if fate < 0.10 else (math.inf, Gone(worker, ""))
        value = Estimate.exact(measured(job))
        return seconds, Answer(job.number, job.quantity, value, worker, seconds)

    return behaviour


def run(folder: Path, evaluators: int, seed: int | None = None, url: str | None = None) -> None:
    """Begin the search or go on with it, to its end."""
    behaviour = unsteady(random.Random(seed))
    fleet = SimulatedFleet({"evaluator": evaluators, "profiler": 1}, behaviour)
    surrogates = [latency_model(SPACE.dense)] * 2
    is_begun = Journal.exists(folder)
    journal = Journal.open(folder) if is_begun else Journal.create(folder, {}, url=url)
    with journal.held():
        Coordinator(
            Search(HAMP(SPACE, GOALS, surrogates, seed=5), SPACE, window=WINDOW),
            journal,
            Dispatcher(fleet, lease_seconds=60.0),
            Itinerary(GOALS.quantities, screening=Screening(WINDOW, GOALS)),
            cost=lambda genome: Cost(sum(genome), sum(genome), sum(genome)),
            budget=BUDGET,
        ).run()
    journal.close()


def answers(folder: Path) -> dict:
    """Everything answered so far, by candidate and quantity."""
    if not Journal.exists(folder):
        return {}
    journal = Journal.open(folder)
    known = {(n, q): a for n, of in journal.answers().items() for q, a in of.items()}
    journal.close()
    return known


def hash_of(folder: Path) -> str:
    journal = Journal.open(folder)
    known = journal.answers()
    outcomes = [
        outcome_of(one, cost, known[one.number], GOALS.quantities)
        for one, cost in journal.candidates()
    ]
    journal.close()
    assert len(outcomes) == BUDGET
    return archive_hash(
        [
            (one.candidate, {name: estimate.value for name, estimate in one.known.items()})
            if isinstance(one, Failure)
            else (one.candidate, dict(zip(GOALS.quantities, one.objectives, strict=True)))
            for one in outcomes
        ]
    )


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("one evaluator")
    run(folder, 1, seed=0)
    spared = [one for one in answers(folder).values() if one.worker == CONSTRAINTS]
    assert 0 < len(spared) < BUDGET / 2
    return hash_of(folder)


@pytest.mark.parametrize("evaluators", [2, 4, 8])
@pytest.mark.parametrize("seed", [1, 2])
def test_neither_the_number_of_workers_nor_their_fates_matter(tmp_path, expected, evaluators, seed):
    run(tmp_path, evaluators, seed)
    assert hash_of(tmp_path) == expected


def test_kills_at_fifty_random_moments_do_not_matter(tmp_path, expected):
    rng, kills, runs = random.Random(0), 0, 0
    while kills < KILLS:
        runs += 1
        (folder := tmp_path / str(runs)).mkdir()
        known: dict = {}
        while True:
            process = PROCESSES.Process(target=run, args=(folder, rng.choice([1, 2, 4, 8])))
            process.start()
            if kills < KILLS:
                process.join(rng.uniform(0.0, 0.5))
                process.kill()
            process.join()
            kills += process.exitcode != 0
            after = answers(folder)
            assert known.items() <= after.items(), "an answer was measured again or lost"
            known = after
            if process.exitcode == 0:
                break
        assert hash_of(folder) == expected


def test_a_database_that_is_gone_for_a_while_does_not_matter(tmp_path, expected, server, database):
    process = PROCESSES.Process(target=run, args=(tmp_path, 4, None, database))
    process.start()
    while len(answers(tmp_path)) < 5:
        time.sleep(0.05)
    server.stop()
    time.sleep(5.0)
    assert process.is_alive()
    server.start()
    process.join()
    assert process.exitcode == 0
    assert hash_of(tmp_path) == expected

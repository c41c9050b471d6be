"""Racing on a journal that is written by hand, and with a profiler whose answers are known."""

from pathlib import Path

import pytest

from secateur.actors.job import Answer, Job, again
from secateur.cluster.runs.racing import race
from secateur.cluster.runs.readings import PREDICTION
from secateur.cluster.runs.record import Record
from secateur.cluster.settings.config import check_config
from secateur.cluster.storage.journal import Journal
from secateur.methods.pruning.cost import Cost
from secateur.search.candidate import Candidate, Estimate

LATENCY = "latency_ms"
NETWORKS = [  # error, latency: the second cannot be told from the first, the last is dominated
    (0.10, 1.00),
    (0.20, 0.90),
    (0.21, 0.89),
    (0.30, 0.70),
    (0.40, 0.95),
]


class Profiler:
    """Finds what it was told to, and knows what it was asked for."""

    def __init__(self, truth: dict[int, float | str]) -> None:
        self.truth = truth
        self.asked: list[int] = []
        self._queue: list[Job] = []

    def submit(self, job: Job) -> None:
        self._queue.append(job)

    def next_answer(self) -> Answer:
        job = self._queue.pop()
        self.asked.append(job.number)
        found = self.truth.get(job.number, NETWORKS[job.number][1])
        result = found if isinstance(found, str) else about(found)
        return Answer(job.number, job.quantity, result, "profiler-1", 1.0)


def about(value: float) -> Estimate:
    return Estimate(value, value * 0.985, value * 1.015)


@pytest.fixture
def run(tmp_path):
    """A run whose search is over; the fourth network's latency is a prediction."""
    return written(tmp_path)


def written(folder: Path, *predicted: int, **options) -> Record:
    config = check_config({"objectives": ["error", LATENCY], **options}, source="test")
    facts = {"config": config.model_dump(mode="json"), "groups": ["a"]}
    journal = Journal.create(folder, facts)
    for number, (error, latency) in enumerate(NETWORKS):
        origin = "initial" if number else "dense"
        journal.asked(Candidate(number, (8 - number,), origin), Cost(100, 50, 200))
        journal.answered(Answer(number, "error", Estimate.exact(error), "evaluator-0", 1.0))
        worker = PREDICTION if number in predicted else "profiler-0"
        journal.answered(Answer(number, LATENCY, about(latency), worker, 1.0))
    return Record(folder, journal)


def front(run: Record) -> list[int]:
    return sorted(member.id for member in run.results().front)


def test_only_those_that_cannot_be_told_apart_are_measured_again(run):
    assert front(run) == [0, 1, 3]
    profiler = Profiler({})
    assert race(run, profiler) == 2
    assert sorted(profiler.asked) == [1, 2]
    assert race(run, profiler) == 0, "once more is all"


def test_a_second_reading_tells_what_the_first_one_did_not(run):
    race(run, Profiler({2: 0.84}))
    assert front(run) == [0, 1, 2, 3]
    told = run.results().members[2].objectives[LATENCY]
    assert 0.84 < told.value < 0.89
    assert run.status()["archive_hash"] == Record(run.path).status()["archive_hash"]


def test_the_search_is_told_the_first_reading_for_ever(run):
    before = run.status()["archive_hash"], run.population()
    race(run, Profiler({1: 0.80, 2: 0.80}))
    assert run.status()["archive_hash"] == before[0]
    assert [member.id for member in run.population()] == [member.id for member in before[1]]


def test_no_prediction_is_left_on_the_front(tmp_path):
    run = written(tmp_path, 3, 4)
    assert run.results().members[3].predicted == (LATENCY,)
    profiler = Profiler({3: 0.75})
    race(run, profiler)
    assert sorted(profiler.asked) == [1, 2, 3]
    assert run.results().members[3].predicted == ()
    assert run.results().members[3].objectives[LATENCY] == about(0.75)
    assert run.status()["predicted"] == 1, "the dominated one"


def test_a_prediction_that_was_too_hopeful_lets_another_one_onto_the_front(tmp_path):
    run = written(tmp_path, 3)
    race(run, Profiler({3: 0.97}))
    assert front(run) == [0, 1]


def test_what_cannot_be_measured_again_keeps_its_first_reading(run):
    race(run, Profiler({1: "lost 3 workers", 2: "lost 3 workers"}))
    assert front(run) == [0, 1, 3]
    assert run.results().members[1].objectives[LATENCY] == about(0.90)


def test_where_values_alone_count_nothing_is_measured_again(tmp_path):
    run = written(tmp_path, search={"ties": False})
    assert race(run, Profiler({})) == 0
    assert front(run) == [0, 1, 2, 3]


def test_a_race_that_was_cut_short_goes_on_with_what_is_missing(run):
    run.journal.answered(Answer(1, again(LATENCY), about(0.9), "profiler-1", 1.0))
    profiler = Profiler({})
    race(run, profiler)
    assert profiler.asked == [2]


def test_where_only_picks_are_looked_at_only_they_are_not_left_with_a_prediction(tmp_path):
    run = written(tmp_path, 1, 2, 3, search={"final": "picks"})
    profiler = Profiler({})
    race(run, profiler)
    assert sorted(profiler.asked) == sorted(set(run.results().picks.values()))

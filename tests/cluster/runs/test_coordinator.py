from collections import Counter, deque
from dataclasses import replace

import pytest

from secateur.actors.dispatcher import Dispatcher
from secateur.actors.fleet import Crew, LocalFleet
from secateur.actors.job import Answer, Job
from secateur.cluster.runs.coordinator import Coordinator, RunFailed
from secateur.cluster.runs.itinerary import Itinerary
from secateur.cluster.runs.readings import CONSTRAINTS, FEWER_IMAGES, PREDICTION, outcome_of
from secateur.cluster.storage.journal import Journal
from secateur.methods.pruning.cost import Cost
from secateur.search.algorithm import Search
from secateur.search.baselines import RandomSearch
from secateur.search.candidate import Candidate, Estimate, Evaluation, Failure
from secateur.search.constraint import Constraint
from secateur.search.fidelity import Promotion
from secateur.search.goals import Goals
from secateur.search.objective import Objective
from secateur.search.screening import Screening
from secateur.search.space import LayerGroup, Space
from secateur.search.sparing import Sparing

SPACE = Space(tuple(LayerGroup(name, 16, 2, 2) for name in "abc"))
GOALS = Goals(
    tuple(
        Objective(name, relative=name != "error")
        for name in ("error", "latency_ms", "memory_bytes")
    )
)


class Stop(Exception):
    """Stands for a crash."""


class Workers:
    """Answers the newest job first, counts what it measured, and can crash after so many."""

    def __init__(self, *, crash_after: int | None = None, failing: tuple[int, ...] = ()) -> None:
        self.measured: Counter[tuple[int, str]] = Counter()
        self._jobs: deque[Job] = deque()
        self._crash_after = crash_after
        self._failing = failing

    def submit(self, job: Job) -> None:
        self._jobs.append(job)

    def next_answer(self) -> Answer:
        if self._crash_after is not None and self.measured.total() >= self._crash_after:
            raise Stop
        job = self._jobs.pop()
        self.measured[job.number, job.quantity] += 1
        if job.number in self._failing and job.quantity == "error":
            return Answer(job.number, job.quantity, "out of memory", "fake", 0.0)
        value = sum(job.genome) / 100 if job.quantity == "latency_ms" else 1 / sum(job.genome)
        return Answer(job.number, job.quantity, Estimate.exact(value), "fake", 0.0)


def cost(widths):
    return Cost(macs=sum(widths) * 10, params=sum(widths), memory_bytes=sum(widths) * 4)


def drive(journal, workers, budget=30, space=SPACE, **rules):
    Coordinator(
        Search(RandomSearch(space, seed=1), space, window=5),
        journal,
        workers,
        Itinerary(GOALS.quantities, **rules),
        cost=cost,
        budget=budget,
    ).run()
    return journal.candidates(), journal.answers()


@pytest.fixture
def new_journal(tmp_path):
    made = []

    def make() -> Journal:
        (folder := tmp_path / str(len(made))).mkdir()
        made.append(Journal.create(folder, {}))
        return made[-1]

    yield make
    for journal in made:
        journal.close()


def test_the_budget_is_spent_and_not_exceeded(new_journal):
    candidates, answers = drive(new_journal(), workers := Workers(), budget=12)
    assert len(candidates) == len(answers) == 12
    assert set(workers.measured.values()) == {1}


@pytest.mark.parametrize("crash_after", [0, 1, 2, 9, 10, 31, 59])
def test_a_run_resumed_after_a_crash_ends_equal_and_measures_nothing_twice(
    new_journal, crash_after
):
    unbroken = drive(new_journal(), Workers())
    journal = new_journal()
    first, second = Workers(crash_after=crash_after), Workers()
    with pytest.raises(Stop):
        drive(journal, first)
    resumed = drive(journal, second)
    assert resumed == unbroken
    assert max((first.measured + second.measured).values()) == 1


def test_a_complete_run_asks_for_nothing(new_journal):
    journal = new_journal()
    drive(journal, Workers())
    drive(journal, workers := Workers())
    assert workers.measured.total() == 0


def test_a_larger_budget_goes_on_where_the_smaller_ended(new_journal):
    journal = new_journal()
    drive(journal, Workers(), budget=10)
    assert drive(journal, Workers(), budget=30) == drive(new_journal(), Workers(), budget=30)


def test_a_space_that_is_exhausted_ends_the_run(new_journal):
    tiny = Space((LayerGroup("a", 4, 1, 1),))
    candidates, _ = drive(new_journal(), Workers(), budget=100, space=tiny)
    assert sorted(candidate.genome for candidate, _ in candidates) == [(1,), (2,), (3,), (4,)]


def test_a_failed_candidate_costs_nothing_but_itself(new_journal):
    candidates, answers = drive(new_journal(), Workers(failing=(3, 7)))
    assert len(candidates) == 30
    assert [n for n, known in answers.items() if known["error"].failed] == [3, 7]


def test_a_dense_network_that_cannot_be_measured_ends_the_run(new_journal):
    with pytest.raises(RunFailed, match="dense network cannot be measured: error: out of memory"):
        drive(new_journal(), Workers(failing=(0,)))


def test_the_local_twin_of_the_workers_drives_a_run_too(new_journal):
    def load(payload: float):
        return lambda job: Estimate.exact(payload * sum(job.genome))

    crews = {"evaluator": Crew(1, load, 0.01), "profiler": Crew(1, load, 2.0)}
    twin = Dispatcher(LocalFleet(crews), lease_seconds=60.0)
    candidates, answers = drive(new_journal(), twin, budget=8)
    for candidate, _ in candidates:
        total = sum(candidate.genome)
        assert answers[candidate.number]["latency_ms"].result == Estimate.exact(2.0 * total)


def test_objectives_are_put_together_in_their_order():
    candidate = Candidate(4, (8,), "variation")
    answers = {
        "latency_ms": Answer(4, "latency_ms", Estimate(2.0, 1.0, 3.0), "p", 0.0),
        "error": Answer(4, "error", Estimate(0.5, 0.4, 0.6), "e", 0.0),
    }
    outcome = outcome_of(candidate, Cost(7, 8, 9), answers, ("error", "macs", "latency_ms"))
    assert isinstance(outcome, Evaluation)
    assert outcome.objectives == (0.5, 7.0, 2.0)


def test_one_failed_answer_fails_the_candidate_with_its_reason():
    answers = {"error": Answer(4, "error", "RuntimeError: boom", "e", 0.0)}
    outcome = outcome_of(Candidate(4, (8,), "variation"), Cost(7, 8, 9), answers, ("error",))
    assert outcome == Failure(Candidate(4, (8,), "variation"), "error: RuntimeError: boom")


class TwoRungs(Workers):
    """Quick errors are rough: twice the error, within a wide interval."""

    def next_answer(self) -> Answer:
        answer = super().next_answer()
        if answer.quantity != "quick_error" or answer.failed:
            return answer
        value = 2 * answer.result.value
        rough = Estimate(value, 0.9 * value, 1.1 * value)
        return Answer(answer.number, answer.quantity, rough, "fake", 0.0)


def drive_two_rungs(journal, workers):
    _, answers = drive(journal, workers, promotion=Promotion(0.1, 5, GOALS))
    return answers


def test_a_candidate_that_is_surely_dominated_keeps_its_quick_error(new_journal):
    answers = drive_two_rungs(new_journal(), workers := TwoRungs())
    assert len(answers) == 30
    rough = [n for n, known in answers.items() if known["error"].worker == FEWER_IMAGES]
    assert 0 < len(rough) < 29
    for number, known in answers.items():
        assert workers.measured[number, "error"] == (number not in rough)
        assert workers.measured[number, "quick_error"] == (number > 0)
        if number in rough:
            assert known["error"].result == known["quick_error"].result


@pytest.mark.parametrize("crash_after", [1, 2, 10, 31, 50, 59])
def test_two_rungs_resume_as_one(new_journal, crash_after):
    unbroken = drive_two_rungs(new_journal(), TwoRungs())
    journal = new_journal()
    first, second = TwoRungs(crash_after=crash_after), TwoRungs()
    with pytest.raises(Stop):
        drive_two_rungs(journal, first)
    assert drive_two_rungs(journal, second) == unbroken
    assert max((first.measured + second.measured).values()) == 1


def test_the_order_of_answers_does_not_decide_who_is_promoted(new_journal):
    class InOrder(TwoRungs):
        def next_answer(self) -> Answer:
            self._jobs.rotate(-1)
            return super().next_answer()

    assert drive_two_rungs(new_journal(), TwoRungs()) == drive_two_rungs(new_journal(), InOrder())


def test_a_quick_error_that_fails_fails_the_candidate(new_journal):
    class Failing(TwoRungs):
        def next_answer(self) -> Answer:
            answer = super().next_answer()
            if (answer.number, answer.quantity) != (4, "quick_error"):
                return answer
            return Answer(4, "quick_error", "out of memory", "fake", 0.0)

    answers = drive_two_rungs(new_journal(), workers := Failing())
    assert answers[4]["error"].result == "out of memory"
    assert workers.measured[4, "error"] == 0


def screened(*bounds: str) -> Screening:
    return Screening(5, Goals(GOALS.objectives, tuple(map(Constraint.parse, bounds))))


def test_who_exceeds_a_bound_is_spared_the_evaluators(new_journal):
    _, answers = drive(
        new_journal(), workers := Workers(), screening=screened("latency_ms <= 0.6x")
    )
    spared = [n for n, known in answers.items() if known["error"].worker == CONSTRAINTS]
    assert 0 < len(spared) < 20
    for number, known in answers.items():
        assert workers.measured[number, "latency_ms"] == 1
        assert workers.measured[number, "error"] == (number not in spared)
        if number in spared:
            assert known["latency_ms"].result.value > 0.6 * answers[0]["latency_ms"].result.value
            assert known["error"].result == "not measured: exceeds latency_ms <= 0.6x"


def test_who_exceeds_what_is_only_counted_is_spared_everything(new_journal):
    _, answers = drive(
        new_journal(), workers := Workers(), screening=screened("memory_bytes <= 0.6x")
    )
    spared = [n for n, known in answers.items() if known["error"].worker == CONSTRAINTS]
    assert spared
    for number in spared:
        assert answers[number]["latency_ms"].worker == CONSTRAINTS
        assert workers.measured[number, "latency_ms"] == workers.measured[number, "error"] == 0


def test_few_images_come_after_the_bounds(new_journal):
    rules = {"screening": screened("latency_ms <= 0.6x"), "promotion": Promotion(0.1, 5, GOALS)}
    _, answers = drive(new_journal(), workers := TwoRungs(), **rules)
    spared = [n for n, known in answers.items() if known["error"].worker == CONSTRAINTS]
    assert spared
    assert not any(workers.measured[number, "quick_error"] for number in spared)


def test_what_is_known_of_a_failure_is_kept():
    answers = {
        "error": Answer(4, "error", "out of memory", "e", 0.0),
        "latency_ms": Answer(4, "latency_ms", Estimate.exact(2.0), "p", 0.0),
    }
    candidate, quantities = Candidate(4, (8,), "variation"), ("error", "latency_ms", "macs")
    assert outcome_of(candidate, Cost(7, 8, 9), answers, quantities).known == {
        "latency_ms": Estimate.exact(2.0),
        "macs": Estimate.exact(7),
    }


def by_widths(_genomes, _values):
    """Knows latencies as they are, within 5 %."""
    return lambda rows: (rows.sum(axis=1) / 100, 0.05 / 1.96 * rows.sum(axis=1) / 100)


def drive_sparing(journal, workers, within=0.0, **rules):
    sparing = Sparing(within, 0.1, 5, GOALS, {"latency_ms": by_widths})
    _, answers = drive(journal, workers, budget=60, sparing=sparing, **rules)
    return answers


class Unrelated(Workers):
    """Errors have nothing to do with widths, so that many candidates are surely dominated."""

    def next_answer(self) -> Answer:
        answer = super().next_answer()
        if answer.quantity == "latency_ms" or answer.failed:
            return answer
        value = 0.1 + 0.8 * ((37 * answer.number) % 61) / 61 if answer.number else 0.5
        rough = 0.1 if answer.quantity == "quick_error" else 0.0
        return replace(answer, result=Estimate(value, value - rough, value + rough))


def test_a_latency_that_decides_nothing_is_predicted(new_journal):
    answers = drive_sparing(new_journal(), workers := Unrelated())
    spared = [n for n, known in answers.items() if known["latency_ms"].worker == PREDICTION]
    assert min(spared) >= 20 + 5 - 1
    assert len(spared) > 15
    for number, known in answers.items():
        assert workers.measured[number, "latency_ms"] == (number not in spared)
        assert workers.measured[number, "error"] == 1
        if number in spared:
            told = known["latency_ms"].result
            assert told.high - told.value == pytest.approx(0.05 * told.value, rel=1e-3)


def test_a_latency_that_is_predicted_well_enough_is_not_measured_even_where_it_decides(new_journal):
    """The prediction is certain within 5 %."""
    some, all_but_few = (
        {n for n, known in answers.items() if known["latency_ms"].worker == PREDICTION}
        for answers in (drive_sparing(new_journal(), Unrelated(), by) for by in (0.049, 0.05))
    )
    assert some < all_but_few
    assert all_but_few == set(range(min(all_but_few), 60))


def test_what_is_predicted_is_told_to_the_search_as_such():
    candidate = Candidate(4, (8,), "variation")
    answers = {
        "error": Answer(4, "error", Estimate.exact(0.5), "e", 0.0),
        "latency_ms": Answer(4, "latency_ms", Estimate(2.0, 1.0, 3.0), PREDICTION, 0.0),
    }
    outcome = outcome_of(candidate, Cost(7, 8, 9), answers, ("error", "latency_ms"))
    assert outcome.predicted == {"latency_ms"}


@pytest.mark.parametrize("crash_after", [1, 30, 50, 70, 85])
def test_a_search_that_predicts_resumes_as_one(new_journal, crash_after):
    unbroken = drive_sparing(new_journal(), Unrelated())
    journal = new_journal()
    first, second = Unrelated(crash_after=crash_after), Unrelated()
    with pytest.raises(Stop):
        drive_sparing(journal, first)
    assert drive_sparing(journal, second) == unbroken
    assert max((first.measured + second.measured).values()) == 1


def test_few_images_spare_a_latency_as_well(new_journal):
    answers = drive_sparing(
        new_journal(), workers := Unrelated(), promotion=Promotion(0.1, 5, GOALS)
    )
    both = [
        n
        for n, known in answers.items()
        if (known["latency_ms"].worker, known["error"].worker) == (PREDICTION, FEWER_IMAGES)
    ]
    assert both
    for number in both:
        assert workers.measured[number, "error"] == workers.measured[number, "latency_ms"] == 0
        assert workers.measured[number, "quick_error"] == 1


def test_a_candidate_whose_error_fails_is_not_timed(new_journal):
    answers = drive_sparing(new_journal(), workers := Unrelated(failing=(50,)))
    assert answers[50]["error"].failed
    assert workers.measured[50, "latency_ms"] == 0

"""The contract of every algorithm in logical time, and the bookkeeping of Search itself."""

from collections.abc import Callable, Sequence, Set
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.search.algorithm import Algorithm, Search
from secateur.search.baselines import RandomSearch
from secateur.search.candidate import Candidate, Estimate, Evaluation, Failure, Outcome
from secateur.search.goals import Goals
from secateur.search.hamp import HAMP, Settings
from secateur.search.nsga2 import NSGA2
from secateur.search.objective import Objective
from secateur.search.operator_portfolio import OperatorPortfolio
from secateur.search.optuna_nsga2 import OptunaNSGA2
from secateur.search.space import Genome, LayerGroup, Space
from secateur.search.surrogate import Genomes, Predictor

GOALS = Goals(
    (
        Objective("error", relative=False),
        Objective("latency_ms", relative=True),
        Objective("memory_mib", relative=True),
    )
)
WINDOW = 5
COUNT = 45


def space_of(*groups: tuple[int, int, int]) -> Space:
    return Space(tuple(LayerGroup(f"g{i}", *group) for i, group in enumerate(groups)))


SPACE = space_of((16, 4, 4), (30, 8, 8), (32, 4, 4), (64, 8, 8))


def nearest(genomes: Genomes, values: np.ndarray) -> Predictor:
    """A surrogate: the value of the nearest measured genome, and its distance as deviation."""

    def predict(rows: Genomes) -> tuple[np.ndarray, np.ndarray]:
        distances = np.abs(rows[:, None, :] - genomes[None, :, :]).sum(axis=2)
        return values[distances.argmin(axis=1)], distances.min(axis=1) / 100

    return predict


def hamp(space: Space, seed: int) -> Algorithm:
    small = Settings(population=8, starts=2, steps=3, neighbours=6)
    return HAMP(space, GOALS, [nearest] * 3, seed=seed, settings=small)


def nsga2(space: Space, seed: int) -> Algorithm:
    return NSGA2(space, GOALS, seed=seed, population=8)


def random_search(space: Space, seed: int) -> Algorithm:
    return RandomSearch(space, seed=seed)


def optuna_nsga2(space: Space, seed: int) -> Algorithm:
    return OptunaNSGA2(space, seed=seed, objectives=3, population=8)


def hamp_of_operators(space: Space, seed: int) -> Algorithm:
    small = Settings(population=8, starts=2, steps=3, neighbours=6)
    surrogates = [nearest] * 3
    return HAMP(space, GOALS, surrogates, seed=seed, settings=small, selection=OperatorPortfolio())


Make = Callable[[Space, int], Algorithm]
EVERY = pytest.mark.parametrize(
    "make", [hamp, hamp_of_operators, nsga2, optuna_nsga2, random_search]
)


def objectives_of(candidate: Candidate) -> tuple[float, ...]:
    """Error falls with the widths, latency climbs in stairs, memory in proportion."""
    widths = np.array(candidate.genome)
    error = 0.1 + 0.5 * float(np.exp(-widths / 12).mean())
    return error, float(1 + (-(-widths // 8)).sum()), float(widths.sum())


def measure(candidate: Candidate) -> Outcome:
    return Evaluation(candidate, tuple(map(Estimate.exact, objectives_of(candidate))))


def measure_most(candidate: Candidate) -> Outcome:
    """Every seventh candidate fails."""
    return Failure(candidate, "lost") if candidate.number % 7 == 3 else measure(candidate)


def drive(
    search: Search,
    count: int,
    *,
    measure: Callable[[Candidate], Outcome] = measure,
    workers: int = WINDOW,
    rng: np.random.Generator | None = None,
    in_flight: Sequence[Candidate] = (),
) -> list[Candidate | Outcome]:
    """Ask and tell until `count` are committed; return what a journal would hold, in order.

    `rng` decides who of the `workers` finishes first; without it, whoever began first.
    """
    flying, journal = list(in_flight), []
    while search.committed < count:
        while len(flying) < workers and (candidate := search.ask()) is not None:
            flying.append(candidate)
            journal.append(candidate)
        if not flying:
            break
        outcome = measure(flying.pop(rng.integers(len(flying)) if rng else 0))
        journal.append(outcome)
        search.tell(outcome)
    return journal


def asked(journal: Sequence[Candidate | Outcome]) -> list[Candidate]:
    return [entry for entry in journal if isinstance(entry, Candidate)]


@cache
def unbroken(make: Make, seed: int = 0) -> list[Candidate | Outcome]:
    order = np.random.default_rng(5)
    return drive(
        Search(make(SPACE, seed), SPACE, window=WINDOW), COUNT, measure=measure_most, rng=order
    )


@EVERY
@given(workers=st.integers(1, WINDOW), order=st.integers(0, 2**32))
@settings(max_examples=12)
def test_neither_the_number_of_workers_nor_who_is_first_changes_what_is_asked(make, workers, order):
    search = Search(make(SPACE, 0), SPACE, window=WINDOW)
    journal = drive(
        search, COUNT, measure=measure_most, workers=workers, rng=np.random.default_rng(order)
    )
    both = zip(asked(journal), asked(unbroken(make)), strict=False)
    assert len(asked(journal)) >= COUNT
    assert all(one == other for one, other in both)


@EVERY
@given(cut=st.integers(0, 2 * COUNT), order=st.integers(0, 2**32))
@settings(max_examples=12)
def test_a_resumed_run_asks_what_the_unbroken_one_asked(make, cut, order):
    before = unbroken(make)[:cut]
    search = Search(make(SPACE, 0), SPACE, window=WINDOW)
    for candidate in asked(before):
        search.recall(candidate)
    told = [entry for entry in before if not isinstance(entry, Candidate)]
    for outcome in told:
        search.tell(outcome)
    finished = {outcome.candidate.number for outcome in told}
    after = drive(
        search,
        COUNT,
        measure=measure_most,
        rng=np.random.default_rng(order),
        in_flight=[c for c in asked(before) if c.number not in finished],
    )
    both = zip(asked([*before, *after]), asked(unbroken(make)), strict=False)
    assert search.committed >= COUNT
    assert all(one == other for one, other in both)


@EVERY
def test_another_seed_asks_something_else_and_the_same_seed_the_same(make):
    journals = [
        asked(drive(Search(make(SPACE, seed), SPACE, window=WINDOW), 20)) for seed in (0, 0, 1)
    ]
    assert journals[0] == journals[1]
    assert journals[0] != journals[2]


@EVERY
def test_the_dense_network_comes_first_and_nothing_twice(make):
    candidates = asked(unbroken(make))
    assert candidates[0] == Candidate(0, SPACE.dense, "dense")
    assert [candidate.number for candidate in candidates] == list(range(len(candidates)))
    assert len({candidate.genome for candidate in candidates}) == len(candidates) >= COUNT
    for candidate in candidates:
        assert SPACE.at(SPACE.positions(candidate.genome)) == candidate.genome


@EVERY
@pytest.mark.parametrize("space", [space_of((16, 4, 4), (30, 8, 8)), space_of((9, 1, 1))])
def test_a_space_that_is_exhausted_was_asked_whole(make, space):
    for seed in range(3):
        search = Search(make(space, seed), space, window=WINDOW)
        candidates = asked(drive(search, 100))
        assert len({c.genome for c in candidates}) == len(candidates) == space.size
        assert search.ask() is None


@EVERY
def test_a_space_with_nothing_but_the_dense_network_is_exhausted_at_once(make):
    space = space_of((8, 8, 8))
    search = Search(make(space, 0), space, window=WINDOW)
    assert [c.genome for c in asked(drive(search, 100))] == [(8,)]


@EVERY
def test_a_group_with_a_single_choice_is_left_alone(make):
    space = space_of((16, 1, 1), (8, 8, 8), (16, 1, 1))
    candidates = asked(drive(Search(make(space, 0), space, window=WINDOW), 40))
    assert len(candidates) >= 40
    assert {candidate.genome[1] for candidate in candidates} == {8}


@EVERY
def test_a_space_of_one_group_can_be_searched(make):
    space = space_of((64, 1, 1))
    candidates = asked(drive(Search(make(space, 0), space, window=WINDOW), 30))
    assert len({candidate.genome for candidate in candidates}) == len(candidates) >= 30


def half(candidate: Candidate) -> Outcome:
    return Failure(candidate, "lost") if candidate.number % 2 else measure(candidate)


def all_but_the_dense(candidate: Candidate) -> Outcome:
    return Failure(candidate, "lost") if candidate.number else measure(candidate)


def everything(candidate: Candidate) -> Outcome:
    return Failure(candidate, "lost")


def constant(candidate: Candidate) -> Outcome:
    return Evaluation(candidate, (Estimate.exact(0.5),) * 3)


def useless(candidate: Candidate) -> Outcome:
    """Whatever is pruned is worse than the reference point."""
    worse = 1.0 if candidate.number == 0 else 1.2
    return Evaluation(candidate, (Estimate.exact(worse),) * 3)


@EVERY
@pytest.mark.parametrize("measure", [half, all_but_the_dense, everything, constant, useless])
def test_a_search_goes_on_whatever_comes_back(make, measure):
    search = Search(make(SPACE, 0), SPACE, window=WINDOW)
    candidates = asked(drive(search, COUNT, measure=measure, rng=np.random.default_rng(1)))
    assert search.committed >= COUNT
    assert len({candidate.genome for candidate in candidates}) == len(candidates)


@EVERY
def test_a_budget_below_the_population_is_spent(make):
    assert len(asked(drive(Search(make(SPACE, 0), SPACE, window=1), 3, workers=1))) == 3


@EVERY
def test_a_window_wider_than_the_population_is_filled(make):
    search = Search(make(SPACE, 0), SPACE, window=20)
    candidates = [search.ask() for _ in range(8)]
    assert None not in candidates
    assert search.committed == 0


LINE = space_of((99, 1, 1))


class Clerk:
    """An algorithm that notes how many outcomes were committed when it bred each candidate."""

    def __init__(self) -> None:
        self.committed: list[int] = []
        self.bred_after: list[int] = []

    def breed(self, asked: Sequence[Candidate], taken: Set[Genome]) -> Candidate:  # noqa: ARG002
        self.bred_after.append(len(self.committed))
        return Candidate(len(asked), (len(asked),), "initial")

    def commit(self, outcome: Outcome) -> None:
        self.committed.append(outcome.candidate.number)


def failed(*candidates: Candidate) -> list[Outcome]:
    return [Failure(candidate, "fake") for candidate in candidates]


def test_outcomes_are_committed_in_the_order_of_the_candidates():
    search = Search(clerk := Clerk(), LINE, window=3)
    first, second, third = (search.ask() for _ in range(3))
    assert search.ask() is None
    for outcome in failed(third, second):
        search.tell(outcome)
    assert (clerk.committed, search.committed) == ([], 0)
    assert search.ask() is None
    search.tell(*failed(first))
    assert (clerk.committed, search.committed) == ([0, 1, 2], 3)


def test_a_candidate_is_bred_right_after_the_commit_one_window_before_it():
    search = Search(clerk := Clerk(), LINE, window=3)
    for outcome in failed(*reversed([search.ask() for _ in range(3)])):
        search.tell(outcome)
    while search.ask():
        pass
    assert clerk.bred_after == [0, 0, 1, 2, 3]


def test_an_algorithm_that_cannot_breed_yet_is_asked_again_after_a_commit():
    class Generations(Clerk):
        def breed(self, asked: Sequence[Candidate], taken: Set[Genome]) -> Candidate | None:
            ready = len(asked) < 2 * (1 + len(self.committed) // 2)
            return super().breed(asked, taken) if ready else None

    search = Search(Generations(), LINE, window=4)
    first, second = search.ask(), search.ask()
    assert search.ask() is None
    search.tell(*failed(first))
    assert search.ask() is None
    search.tell(*failed(second))
    assert [search.ask().number, search.ask().number, search.ask()] == [2, 3, None]


def test_a_window_of_nothing_is_refused():
    with pytest.raises(ValueError, match="window must be at least 1 candidate, got 0"):
        Search(Clerk(), LINE, window=0)


def test_an_outcome_told_twice_is_refused():
    search = Search(Clerk(), LINE, window=2)
    first, second = search.ask(), search.ask()
    search.tell(*failed(second))
    with pytest.raises(ValueError, match="candidate 1 was told twice"):
        search.tell(*failed(second))  # while it waits
    search.tell(*failed(first))
    with pytest.raises(ValueError, match="candidate 0 was told twice"):
        search.tell(*failed(first))  # after its commit


def test_an_outcome_of_a_candidate_that_was_never_asked_is_refused():
    search = Search(Clerk(), LINE, window=2)
    search.ask()
    with pytest.raises(ValueError, match="candidate 7 was told but never asked"):
        search.tell(*failed(Candidate(7, (8,), "initial")))
    with pytest.raises(ValueError, match="candidate 0 was told but never asked"):
        search.tell(*failed(Candidate(0, (99,), "initial")))


def test_a_candidate_that_was_bred_but_not_handed_out_cannot_be_told():
    search = Search(Clerk(), LINE, window=2)
    search.ask()
    with pytest.raises(ValueError, match="candidate 1 was told but never asked"):
        search.tell(*failed(Candidate(1, (2,), "initial")))


def test_candidates_are_recalled_in_order():
    search = Search(Clerk(), LINE, window=2)
    search.recall(Candidate(0, (5,), "initial"))
    with pytest.raises(ValueError, match="expected 1, got 2"):
        search.recall(Candidate(2, (5,), "initial"))


def test_nothing_is_recalled_once_something_was_asked():
    search = Search(Clerk(), LINE, window=2)
    search.ask()
    with pytest.raises(ValueError, match="recalled"):
        search.recall(Candidate(2, (5,), "initial"))


def test_a_recalled_candidate_is_not_handed_out_again():
    search = Search(Clerk(), LINE, window=3)
    search.recall(Candidate(0, (5,), "initial"))
    assert search.ask().number == 1
    search.tell(*failed(Candidate(0, (5,), "initial")))
    assert search.committed == 1

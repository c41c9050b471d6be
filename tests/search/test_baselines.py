"""What is particular to the baselines; tests/search/test_algorithm.py has their contract."""

import numpy as np
import pytest

from secateur.search.algorithm import Algorithm, Search
from secateur.search.baselines import RandomSearch, UniformScaling
from secateur.search.candidate import Candidate, Estimate, Evaluation, Failure
from secateur.search.constraint import Constraint
from secateur.search.goals import Goals
from secateur.search.indicators import hypervolume
from secateur.search.netadapt import NetAdapt
from secateur.search.nsga2 import NSGA2
from secateur.search.objective import Objective
from secateur.search.optuna_nsga2 import OptunaNSGA2
from secateur.search.space import LayerGroup, Space

GOALS = Goals((Objective("cost", relative=True), Objective("error", relative=False)))
SPACE = Space(tuple(LayerGroup(f"g{index}", 64, 4, 4) for index in range(6)))


def objectives_of(widths: tuple[int, ...]) -> tuple[float, float]:
    """Cost, and an error that the first groups decide: both 1 at worst."""
    kept = np.array(widths) / 64
    weights = np.linspace(1, 0, len(kept))
    return float(kept.mean()), float(((1 - kept) ** 2 * weights).sum() / weights.sum())


def run(algorithm: Algorithm, evaluations: int, *, space: Space = SPACE) -> list[Candidate]:
    search, asked = Search(algorithm, space, window=1), []
    while len(asked) < evaluations and (candidate := search.ask()) is not None:
        asked.append(candidate)
        values = objectives_of(candidate.genome)
        search.tell(Evaluation(candidate, tuple(map(Estimate.exact, values))))
    return asked


def volume(candidates: list[Candidate]) -> float:
    return hypervolume(np.array([objectives_of(candidate.genome) for candidate in candidates]))


def test_nsga2_finds_a_larger_hypervolume_than_random_search():
    wins = sum(
        volume(run(NSGA2(SPACE, GOALS, seed=seed), 200))
        > volume(run(RandomSearch(SPACE, seed=seed), 200))
        for seed in range(5)
    )
    assert wins >= 4


def test_every_generation_of_nsga2_is_better_than_the_one_before():
    candidates = run(NSGA2(SPACE, GOALS, seed=0, population=20), 200)
    generations = [volume(candidates[start : start + 20]) for start in range(0, 200, 20)]
    assert np.mean(generations[-3:]) > np.mean(generations[:3])


def test_nsga2_breeds_by_variation_once_its_first_generation_is_committed():
    candidates = run(NSGA2(SPACE, GOALS, seed=0, population=10), 40)
    assert [c.origin for c in candidates[:10]] == ["dense"] + ["initial"] * 9
    assert {c.origin for c in candidates[10:]} == {"variation"}


def test_nsga2_waits_for_its_whole_generation():
    algorithm = NSGA2(SPACE, GOALS, seed=0, population=4)
    asked = [Candidate(0, SPACE.dense, "dense")]
    while (candidate := algorithm.breed(asked, {one.genome for one in asked})) is not None:
        asked.append(candidate)
    taken = {candidate.genome for candidate in asked}
    assert len(asked) == 4
    for number, candidate in enumerate(asked):
        assert algorithm.breed(asked, taken) is None, number
        values = objectives_of(candidate.genome)
        algorithm.commit(Evaluation(candidate, tuple(map(Estimate.exact, values))))
    assert algorithm.breed(asked, taken).number == 4


def test_nsga2_goes_on_where_its_parents_have_no_new_offspring():
    space = Space(tuple(LayerGroup(f"g{index}", 16, 4, 4) for index in range(3)))
    for seed in range(5):
        candidates = run(NSGA2(space, GOALS, seed=seed, population=4), space.size, space=space)
        assert len({candidate.genome for candidate in candidates}) == space.size


def test_random_search_draws_every_width_about_as_often():
    drawn = np.array([c.genome for c in run(RandomSearch(SPACE, seed=0), 400)[1:]])
    for width in SPACE.choices[0]:
        assert np.mean(drawn == width) == pytest.approx(1 / 16, abs=0.02)


def test_random_search_says_where_its_candidates_come_from():
    assert [c.origin for c in run(RandomSearch(SPACE, seed=0), 3)] == [
        "dense",
        "initial",
        "initial",
    ]


def test_nsga2_keeps_a_bound():
    bound = Constraint("cost", 0.4, relative=True)
    bounded = NSGA2(SPACE, Goals(GOALS.objectives, (bound,)), seed=0)
    share = [
        np.mean([objectives_of(c.genome)[0] <= 0.4 for c in run(algorithm, 200)[100:]])
        for algorithm in (bounded, NSGA2(SPACE, GOALS, seed=0))
    ]
    assert share[0] > share[1] + 0.2


def test_uniform_scaling_tries_every_level_once_the_coarse_ones_first():
    space = Space(tuple(LayerGroup(f"g{index}", 64, 16, 16) for index in range(3)))
    assert [c.genome[0] for c in run(UniformScaling(space), 99, space=space)] == [64, 32, 48, 16]
    candidates = run(UniformScaling(SPACE), 99)
    assert {c.genome for c in candidates} == {(width,) * 6 for width in range(4, 65, 4)}
    assert [c.origin for c in candidates[:3]] == ["dense", "initial", "initial"]


def in_turn(widths: tuple[int, ...]) -> tuple[float, float]:
    """Error first, then the cost that is to be saved."""
    cost, error = objectives_of(widths)
    return error, cost


def test_netadapt_measures_each_group_and_then_shrinks_the_one_that_hurts_least():
    search, asked = Search(NetAdapt(SPACE), SPACE, window=1), list[Candidate]()
    while (candidate := search.ask()) is not None:
        asked.append(candidate)
        search.tell(Evaluation(candidate, tuple(map(Estimate.exact, in_turn(candidate.genome)))))
    assert [c.genome for c in asked[1:3]] == [(4, *[64] * 5), (64, 4, *[64] * 4)]
    assert [c.origin for c in asked[:8]] == ["dense", *["initial"] * 6, "variation"]
    least_hurt = [c for c in asked[7:13] if c.genome[5] < 64]
    assert len(least_hurt) == 1  # each group is tried alone in the first iteration
    assert all(c.genome[5] < 64 for c in asked[13:19])  # the last group matters least
    assert asked[-1].genome[0] >= asked[-1].genome[5]
    assert len({c.genome for c in asked}) == len(asked)


def test_netadapt_waits_for_its_whole_iteration():
    algorithm = NetAdapt(SPACE)
    dense = Candidate(0, SPACE.dense, "dense")
    assert algorithm.breed([dense], {dense.genome}) is None
    algorithm.commit(Evaluation(dense, tuple(map(Estimate.exact, in_turn(dense.genome)))))
    assert algorithm.breed([dense], {dense.genome}).genome == (4, *[64] * 5)


def test_netadapt_survives_failures():
    search, asked = Search(NetAdapt(SPACE), SPACE, window=1), list[Candidate]()
    while (candidate := search.ask()) is not None and len(asked) < 60:
        asked.append(candidate)
        values = tuple(map(Estimate.exact, in_turn(candidate.genome)))
        broken = candidate.number % 5 == 4
        search.tell(Failure(candidate, "broken") if broken else Evaluation(candidate, values))
    assert len(asked) > 20


def test_optunas_nsga2_finds_a_larger_hypervolume_than_random_search():
    wins = sum(
        volume(run(OptunaNSGA2(SPACE, seed=seed, objectives=2), 100))
        > volume(run(RandomSearch(SPACE, seed=seed), 100))
        for seed in range(3)
    )
    assert wins >= 2

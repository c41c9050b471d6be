import numpy as np

from secateur.search.candidate import Candidate, Estimate, Evaluation
from secateur.search.goals import Goals
from secateur.search.objective import Objective
from secateur.search.population import Population

GOALS = Goals((Objective("error", relative=False), Objective("macs", relative=True)))


def evaluation(number: int) -> Evaluation:
    values = (Estimate.exact(0.1 * number), Estimate.exact(10.0 - number))
    return Evaluation(Candidate(number, (number + 1,), "initial"), values)


def test_who_brings_nobody_starts_no_competition():
    """A selection may learn from every one: a failed candidate must teach it nothing."""
    asked = []

    def selection(points, size):
        asked.append(len(points))
        return np.arange(min(size, len(points)))

    population = Population(GOALS, selection, 2)
    population.take()
    population.take(evaluation(0))
    population.take()
    population.take(evaluation(1), evaluation(2))
    assert asked == [1, 3]
    assert [one.candidate.number for one in population.members] == [0, 1]

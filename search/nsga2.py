"""NSGA-II as pymoo has it: the baseline that a user would reach for first."""

from collections.abc import Sequence, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.moo.nsga2 import NSGA2 as PymooNSGA2
from pymoo.core.duplicate import DuplicateElimination
from pymoo.core.population import Population as PymooPopulation
from pymoo.core.problem import Problem
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair

from .candidate import Candidate, Evaluation, Outcome
from .drawing import unseen_at_random
from .goals import Goals
from .population import Population
from .randomness import generator
from .selection import rank_and_crowding
from .space import Genome, Space


class NSGA2:
    """pymoo's NSGA-II (Deb et al. 2002), a generation at a time, with pymoo's default operators.

    Its mating and survival are pymoo's; only the generation's number decides its random draws, so
    that a run can be resumed. Genomes measured in any earlier generation are not bred again.
    """

    def __init__(
        self,
        space: Space,
        goals: Goals,
        *,
        seed: int,
        population: int = 20,
    ) -> None:
        self._space = space
        self._seed = seed
        self._size = population
        self._population = Population(goals, rank_and_crowding, population)
        self._offspring: list[Evaluation] = []
        self._committed = 0
        self._batch: tuple[int, list[Genome]] = (-1, [])

    def commit(self, outcome: Outcome) -> None:
        """Take the next outcome; survival at the end of every generation."""
        self._committed += 1
        if isinstance(outcome, Evaluation):
            self._offspring.append(outcome)
        if self._committed % self._size == 0:
            self._population.take(*self._offspring)
            self._offspring = []

    def breed(self, asked: Sequence[Candidate], taken: Set[Genome]) -> Candidate | None:
        """Return the next of this generation, or None until the last generation is committed."""
        number = len(asked)
        generation, place = divmod(number, self._size)
        rng = generator(self._seed, "nsga2", number)
        if generation == 0 or (
            len(self._population.members) < 2 and self._committed >= number - place
        ):
            genome = unseen_at_random(self._space, taken, rng)
            return Candidate(number, genome, "initial")
        if self._committed < generation * self._size:
            return None
        if self._batch[0] != generation:
            earlier = {candidate.genome for candidate in asked[: generation * self._size]}
            self._batch = (generation, self._mate(generation, earlier))
        batch = self._batch[1]
        if place < len(batch) and batch[place] not in taken:
            return Candidate(number, batch[place], "variation")
        genome = unseen_at_random(self._space, taken, rng)
        return Candidate(number, genome, "initial")

    def _mate(self, generation: int, earlier: set[Genome]) -> list[Genome]:
        """One call of pymoo's mating, with its generator seeded for this generation."""
        space = self._space
        members, points = self._population.members, self._population.points
        problem = Problem(
            n_var=space.genes,
            n_obj=points.shape[1],
            n_ieq_constr=1,
            xl=np.zeros(space.genes),
            xu=space.highest,
            vtype=int,
        )
        algorithm = PymooNSGA2(
            pop_size=self._size,
            crossover=SBX(vtype=float, repair=RoundingRepair()),
            mutation=PM(vtype=float, repair=RoundingRepair()),
            eliminate_duplicates=_Unseen({tuple(space.positions(w).tolist()) for w in earlier}),
        )
        rng = generator(self._seed, "nsga2 mating", generation)
        algorithm.setup(problem, seed=int(rng.integers(2**31)))
        parents = PymooPopulation.new(
            X=np.array([space.positions(entry.candidate.genome) for entry in members]),
            F=points,
            G=self._population.violations[:, None],
        )
        parents = algorithm.survival.do(
            problem,
            parents,
            n_survive=len(parents),
            algorithm=algorithm,
            random_state=algorithm.random_state,
        )
        offspring = algorithm.mating.do(
            problem, parents, self._size, algorithm=algorithm, random_state=algorithm.random_state
        )
        return [space.at(np.rint(row).astype(np.int64)) for row in _rows(offspring)]


class _Unseen(DuplicateElimination):  # type: ignore[misc]
    """Drops genomes that were measured before or that stand twice in one batch."""

    def __init__(self, seen: set[tuple[int, ...]]) -> None:
        super().__init__()
        self._seen = seen

    def do(self, pop: Any, *others: Any, **_: Any) -> Any:
        held = set(self._seen)
        for other in others:
            held.update(_keys(other))
        kept = []
        for index, key in enumerate(_keys(pop)):
            if key not in held:
                held.add(key)
                kept.append(index)
        return pop[kept]


def _rows(population: Any) -> NDArray[np.float64]:
    if len(population) == 0:
        return np.empty((0, 0))
    return np.asarray(population.get("X"), dtype=np.float64).reshape(len(population), -1)


def _keys(population: Any) -> list[tuple[int, ...]]:
    return [tuple(round(x) for x in row) for row in _rows(population)]

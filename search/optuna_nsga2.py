"""NSGA-II as Optuna samples it: a baseline that breeds from whatever is committed."""

from collections.abc import Sequence, Set

import numpy as np
from optuna import Study, create_study, logging
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.samplers import NSGAIISampler
from optuna.trial import create_trial

from .candidate import Candidate, Evaluation, Outcome
from .drawing import unseen_at_random
from .randomness import generator
from .space import Genome, Space

GENERATION = "NSGAIISampler:generation"
"""Where Optuna keeps a trial's generation."""

ATTEMPTS = 10


class OptunaNSGA2:
    """Optuna's NSGAIISampler with its default operators.

    Optuna's state is a function of its trials and of draws. The trials are put together anew from
    the commits for each candidate, and the sampler is seeded by the candidate's number, so that a
    run can be resumed. A candidate's generation is its number divided by the population.
    """

    def __init__(self, space: Space, *, seed: int, objectives: int, population: int = 20) -> None:
        self._space = space
        self._seed = seed
        self._objectives = objectives
        self._population = population
        self._committed: list[Evaluation] = []
        self._distributions: dict[str, BaseDistribution] = {
            f"gene {index}": IntDistribution(0, int(high))
            for index, high in enumerate(space.highest)
        }
        logging.set_verbosity(logging.WARNING)

    def commit(self, outcome: Outcome) -> None:
        """Take the next outcome."""
        if isinstance(outcome, Evaluation):
            self._committed.append(outcome)

    def breed(self, asked: Sequence[Candidate], taken: Set[Genome]) -> Candidate:
        """Return the sampler's next genome that is new; after some attempts, a random one."""
        number = len(asked)
        rng = generator(self._seed, "optuna", number)
        study = self._study(int(rng.integers(2**31)))
        for _ in range(ATTEMPTS):
            drawn = study.ask(self._distributions).params
            genome = self._space.at(np.array([drawn[name] for name in self._distributions]))
            if genome not in taken:
                return Candidate(number, genome, "variation")
        genome = unseen_at_random(self._space, taken, rng)
        return Candidate(number, genome, "initial")

    def _study(self, seed: int) -> Study:
        study = create_study(
            directions=["minimize"] * self._objectives,
            sampler=NSGAIISampler(population_size=self._population, seed=seed),
        )
        study.add_trials(
            create_trial(
                params=dict(
                    zip(
                        self._distributions,
                        self._space.positions(entry.candidate.genome).tolist(),
                        strict=True,
                    )
                ),
                distributions=dict(self._distributions),
                values=entry.objectives[: self._objectives],
                system_attrs={GENERATION: entry.candidate.number // self._population},
            )
            for entry in self._committed
        )
        return study

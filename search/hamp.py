"""HAMP: hardware-aware multi-objective evolutionary pruning, as reconstructed here.

Stated by Hong et al. (Fundamental Research 2024, abstract): a memetic multi-objective algorithm of
portfolio-based selection and surrogate-assisted local search. Everything else is ours: the steady
state, the share of local search, the operators' settings, the way surrogates are trusted.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .candidate import Candidate, Evaluation, Failure, Forecast, Outcome
from .drawing import scattered, unseen
from .goals import Goals
from .local_search import Landscape, climb, predicted
from .objective import REFERENCE
from .population import Population, values_of
from .randomness import generator
from .selection import (
    Selection,
    portfolio_selection,
    shares,
    stochastic_universal_sampling,
)
from .space import Genome, Space
from .surrogate import Genomes, Predictor, Surrogate, agreement
from .variation import crossover, mutate

RECHECK = 10
"""Outcomes after which the surrogates' agreement with the truth is measured again."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How HAMP divides its effort; every default is our choice, not the paper's."""

    population: int = 20
    local_search: float = 0.75  # share of the candidates that come from local search
    trust: float = 0.3  # Kendall tau below which a surrogate is not believed
    optimism: float = 0.5  # standard deviations
    worst_error: float = REFERENCE  # networks with a larger error earn nothing
    starts: int = 4
    steps: int = 15
    neighbours: int = 24

    def __post_init__(self) -> None:
        if self.population < 2:
            raise ValueError(f"population must be at least 2, got {self.population!r}")
        if not 0 <= self.local_search <= 1:
            raise ValueError(f"local_search must be a share in [0, 1], got {self.local_search!r}")


class HAMP:
    """A steady-state memetic search: every commit is followed by survival."""

    def __init__(
        self,
        space: Space,
        goals: Goals,
        surrogates: Sequence[Surrogate],
        *,
        seed: int,
        settings: Settings | None = None,
        selection: Selection | None = None,
        warm: Sequence[Genome] = (),
        prior: Mapping[str, Mapping[Genome, float]] | None = None,
    ) -> None:
        """`warm` takes the initial design's place; `prior` is known of genomes, by quantity."""
        if len(goals.quantities) != len(surrogates):
            raise ValueError(
                f"HAMP needs one surrogate for each of {', '.join(goals.quantities)}, "
                f"got {len(surrogates)}"
            )
        self._warm = tuple(genome for genome in dict.fromkeys(warm) if genome != space.dense)
        self._prior = dict(prior or {})
        self._space = space
        self._goals = goals
        self._surrogates = tuple(surrogates)
        self._seed = seed
        self._settings = settings or Settings()
        self._reference = goals.reference(self._settings.worst_error)
        self._population = Population(
            goals,
            selection or partial(portfolio_selection, reference=self._reference),
            self._settings.population,
        )
        self._archive: list[Evaluation] = []
        self._failures: list[tuple[int, Failure]] = []  # each after so many evaluations
        self._tau: dict[int, tuple[float, ...]] = {}  # by the number of outcomes it was found on
        self._committed = 0

    def commit(self, outcome: Outcome) -> None:
        """Take the next outcome; survival over the population and the newcomer."""
        self._committed += 1
        if isinstance(outcome, Failure):
            self._failures.append((len(self._archive), outcome))
            return
        self._archive.append(outcome)
        self._population.take(outcome)

    def breed(self, asked: Sequence[Candidate], taken: Set[Genome]) -> Candidate:
        """Return the next candidate: initial design, then local search and variation in turn."""
        number = len(asked)
        rng = generator(self._seed, "breed", number)
        opening = 1 + len(self._warm) if self._warm else self._settings.population
        if number < opening or len(self._population.members) < 2:
            return self._initial(number, taken, rng)
        if self._is_local_search(number):
            return self._improve(number, asked, taken, rng)
        return Candidate(number, self._vary(taken, rng), "variation")

    def _initial(self, number: int, taken: Set[Genome], rng: np.random.Generator) -> Candidate:
        """What is warm, then uniform scalings 0.9 ... 0.1, then random levels of pruning."""
        if number <= len(self._warm) and (genome := self._warm[number - 1]) not in taken:
            return Candidate(number, genome, "initial")
        if number <= 9 and (genome := self._space.uniform(1 - number / 10)) not in taken:
            return Candidate(number, genome, "initial")
        return Candidate(
            number, unseen(lambda: scattered(self._space, rng), self._space, taken, rng), "initial"
        )

    def _is_local_search(self, number: int) -> bool:
        turn, share = number - self._settings.population, self._settings.local_search
        return int((turn + 1) * share) > int(turn * share)

    def _vary(self, taken: Set[Genome], rng: np.random.Generator) -> Genome:
        members, invested = self._population.members, self._invested()
        rate = max(1.0 / len(self._space.groups), 0.1)

        def child() -> Genome:
            mother, father = stochastic_universal_sampling(invested, 2, rng)
            if mother == father:
                father = rng.integers(len(members))
            mixed = crossover(
                self._space,
                members[mother].candidate.genome,
                members[father].candidate.genome,
                rng,
            )
            return mutate(self._space, mixed, rng, eta=10.0, rate=rate)

        return unseen(child, self._space, taken, rng)

    def _improve(
        self,
        number: int,
        asked: Sequence[Candidate],
        taken: Set[Genome],
        rng: np.random.Generator,
    ) -> Candidate:
        """One memetic step; it falls back to a random move, and says so, without a surrogate."""
        tau = self._agreements()
        starts = self._starts(rng)
        if min(tau) < self._settings.trust:
            return Candidate(number, self._move(starts[0], taken, rng), "random move")
        predictors = [
            surrogate(*data)
            for surrogate, data in zip(
                self._informed(self._archive), self._measured(self._archive), strict=True
            )
        ]
        landscape = self._landscape(predictors, asked[self._committed :])
        genome = climb(
            landscape,
            self._space,
            starts,
            rng,
            taken=taken,
            steps=self._settings.steps,
            neighbours=self._settings.neighbours,
        )
        if genome is None:
            return Candidate(number, self._vary(taken, rng), "variation")
        expected = tuple(predicted(predictors, np.array([genome]))[0].tolist())
        return Candidate(number, genome, "local search", Forecast(expected, tau))

    def _informed(self, entries: Sequence[Evaluation]) -> list[Surrogate]:
        """The surrogates, which also learn from what was known before these entries.

        That is the prior, and what is known of the failures between them. Those after the last do
        not count: it must not matter whether they are there yet.
        """
        known = {entry.candidate.genome for entry in entries}
        failures = [one for after, one in self._failures if after < len(entries)]
        return [
            _with_prior(
                surrogate,
                {g: v for g, v in self._prior.get(name, {}).items() if g not in known}
                | {
                    one.candidate.genome: one.known[name].value
                    for one in failures
                    if name in one.known
                },
            )
            for name, surrogate in zip(self._goals.quantities, self._surrogates, strict=True)
        ]

    def _measured(self, entries: Sequence[Evaluation]) -> list[tuple[Genomes, NDArray[np.float64]]]:
        """Genomes and values that each surrogate learns from: those that were really measured."""
        found = []
        for column, name in enumerate(self._goals.quantities):
            known = [entry for entry in entries if name not in entry.predicted]
            values = np.array([entry.objectives[column] for entry in known])
            found.append((_genomes(known), values))
        return found

    def _agreements(self) -> tuple[float, ...]:
        """How far each surrogate can be believed, asked anew after every ten outcomes.

        It depends on the archive's first so many entries alone: a resumed run finds the same.
        """
        count = len(self._archive) // RECHECK * RECHECK or len(self._archive)
        if count not in self._tau:
            known = self._archive[:count]
            self._tau = {
                count: tuple(
                    agreement(surrogate, *data)
                    for surrogate, data in zip(
                        self._informed(known), self._measured(known), strict=True
                    )
                )
            }
        return self._tau[count]

    def _move(self, start: Genome, taken: Set[Genome], rng: np.random.Generator) -> Genome:
        """Change a few groups at random."""
        return unseen(
            lambda: mutate(self._space, start, rng, eta=5.0, rate=0.2), self._space, taken, rng
        )

    def _landscape(
        self, predictors: Sequence[Predictor], in_flight: Sequence[Candidate]
    ) -> Landscape:
        """What there is to gain beyond the archive and the candidates that are being measured.

        Those count as what is predicted of them, so that no two candidates chase the same gain.
        """
        judge, values = self._population.judge, values_of(self._archive)
        if in_flight:
            genomes = np.array([candidate.genome for candidate in in_flight], dtype=np.int64)
            values = np.vstack([values, predicted(predictors, genomes)])
        feasible = values[judge.violations(values) == 0]
        return Landscape(
            predictors,
            judge,
            judge.points(feasible),
            self._settings.optimism,
            self._reference,
        )

    def _starts(self, rng: np.random.Generator) -> list[Genome]:
        """The extreme of one objective, the others drawn by investment."""
        points = self._population.points
        extreme = int(np.argmin(points[:, rng.integers(points.shape[1])]))
        invested = self._invested()
        drawn = stochastic_universal_sampling(invested, self._settings.starts - 1, rng)
        return [self._population.members[index].candidate.genome for index in (*drawn, extreme)]

    def _invested(self) -> NDArray[np.float64]:
        """What each of the population gets; nothing where it violates a constraint."""
        feasible = self._population.violations == 0
        invested = np.zeros(len(feasible))
        if feasible.any():
            invested[feasible] = shares(self._population.points[feasible], self._reference)
        return invested


def _with_prior(surrogate: Surrogate, prior: Mapping[Genome, float]) -> Surrogate:
    if not prior:
        return surrogate
    before, worth = np.array(list(prior), dtype=np.int64), np.array(list(prior.values()))

    def informed(genomes: Genomes, values: NDArray[np.float64]) -> Predictor:
        return surrogate(np.vstack([before, genomes]), np.concatenate([worth, values]))

    return informed


def _genomes(evaluations: Sequence[Evaluation]) -> Genomes:
    return np.array([entry.candidate.genome for entry in evaluations], dtype=np.int64)

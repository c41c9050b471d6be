"""Sparing: whether a quantity that can be predicted is worth its measuring; the rules are ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .candidate import Estimate, Outcome
from .goals import Goals
from .rivals import REACH, bred_from, chance_on_front, feasible
from .space import Genome
from .surrogate import Surrogate

ENOUGH = 20
"""Measured networks from which on a prediction is believed."""


@dataclass(frozen=True, slots=True)
class Sparing:
    """Spares what is predicted within a share `within` of its value, 95 % of the time.

    Whatever its prediction, it spares a candidate that is non-dominated with less than the
    probability `least`. `surrogates` learn what may be predicted, by quantity. `window` is the
    search's: a candidate is judged, and predicted, by the outcomes that it was bred from.
    """

    within: float
    least: float
    window: int
    goals: Goals
    surrogates: Mapping[str, Surrogate]

    def expected(
        self, number: int, genome: Genome, outcomes: Sequence[Outcome]
    ) -> dict[str, Estimate]:
        """What is predicted of candidate `number`, with 95 % intervals; nothing known too little.

        `outcomes` are those of the first candidates, at least up to `number - window`.
        """
        known = bred_from(number, self.window, outcomes)
        found: dict[str, Estimate] = {}
        for name, surrogate in self.surrogates.items():
            column = self.goals.quantities.index(name)
            measured = [one for one in known if name not in one.predicted]
            if len(measured) < ENOUGH:
                continue
            genomes = np.array([one.candidate.genome for one in measured], dtype=np.int64)
            values = np.array([one.objectives[column] for one in measured])
            mean, deviation = surrogate(genomes, values)(np.array([genome], dtype=np.int64))
            value, reach = float(mean[0]), REACH * float(deviation[0])
            found[name] = Estimate(value, value - reach, value + reach)
        return found

    def is_certain(self, prediction: Estimate) -> bool:
        """Whether a prediction stands for a measurement."""
        return (prediction.high - prediction.low) / 2 <= self.within * prediction.value

    def spares(
        self,
        number: int,
        estimates: Mapping[str, Estimate],
        rough: frozenset[str],
        outcomes: Sequence[Outcome],
    ) -> bool:
        """Judge candidate `number` by its estimates, of which those of `rough` are uncertain."""
        known = bred_from(number, self.window, outcomes)
        if not known:
            return False
        judge = self.goals.beside(known[0].objectives)
        names = [one.name for one in self.goals.objectives]
        chance = chance_on_front(
            [estimates[name] for name in names],
            feasible(known, judge),
            {column for column, name in enumerate(names) if name in rough},
        )
        return chance < self.least

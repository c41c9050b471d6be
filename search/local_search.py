"""Local search: a hill climb on the surrogates, the memetic half of HAMP.

Our reconstruction: HAMP's abstract says "surrogate-assisted local search" and no more.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .goals import Judge
from .indicators import Dominated, Points, front
from .objective import REFERENCE
from .space import Genome, Space
from .surrogate import Genomes, Predictor

PATIENCE = 4
"""Steps without a climber that moves, after which a climb has arrived."""


@dataclass(frozen=True)
class Landscape:
    """What is predicted of any genome, and the front that it has to push outward.

    The `judge` brings predictions to the normalised scale of `points` and of `reference`, the worst
    corner that counts; a prediction is taken `optimism` standard deviations below its mean, so that
    the search also looks where little is known.
    """

    predictors: Sequence[Predictor]
    judge: Judge
    points: Points
    optimism: float
    reference: float | NDArray[np.float64] = REFERENCE

    def scores(self, genomes: Genomes) -> NDArray[np.float64]:
        """Predicted hypervolume gain of each genome; below 0 by how far it is from a gain.

        That is how deep a point is dominated, how far beyond the reference it lies, or by how much
        it violates constraints.
        """
        columns = [predictor(genomes) for predictor in self.predictors]
        hoped = np.stack([mean - self.optimism * deviation for mean, deviation in columns], axis=1)
        points = self.judge.points(hoped)
        kept, region = self._front
        dominated = np.min(points[:, None, :] - kept[None, :, :], axis=2).max(
            axis=1, initial=-np.inf
        )
        beyond = np.max(points - self.reference, axis=1)
        short = np.max([dominated, beyond, self.judge.violations(hoped)], axis=0)
        return np.where(short > 0, -short, region.gains(points))

    @cached_property
    def _front(self) -> tuple[Points, Dominated]:
        """The points to beat and the region they dominate: a climb asks for them at every step."""
        kept = self.points[front(self.points)]
        return kept, Dominated.by(kept, self.reference)


def predicted(predictors: Sequence[Predictor], genomes: Genomes) -> Points:
    """Return the means that are predicted in measured units, shape (genomes, objectives)."""
    return np.stack([predictor(genomes)[0] for predictor in predictors], axis=1)


def climb(
    landscape: Landscape,
    space: Space,
    starts: Sequence[Genome],
    rng: np.random.Generator,
    *,
    taken: Collection[Genome],
    steps: int,
    neighbours: int,
) -> Genome | None:
    """Climb from several genomes at once and return the best one that is not taken, if any.

    At each step every climber looks at `neighbours` new genomes and moves to the best of them
    where that scores higher. The climb ends early when nobody has moved for `PATIENCE` steps.
    """
    climbers = np.array([space.positions(start) for start in starts])
    heights = landscape.scores(space.genomes(climbers))
    best, best_score, still = None, -np.inf, 0
    for _ in range(steps):
        if still == PATIENCE:
            break
        around = _neighbours(climbers, space, neighbours, rng)
        genomes = space.genomes(around).reshape(-1, climbers.shape[1])
        scores = landscape.scores(genomes)
        for index in np.argsort(-scores, kind="stable"):
            genome = tuple(genomes[index].tolist())
            if scores[index] <= best_score:
                break
            if genome not in taken:
                best, best_score = genome, scores[index]
                break
        scores = scores.reshape(len(climbers), neighbours)
        top = scores.argmax(axis=1)
        rows = np.arange(len(climbers))
        better = scores[rows, top] > heights
        still = 0 if better.any() else still + 1
        climbers = np.where(better[:, None], around[rows, top], climbers)
        heights = np.where(better, scores[rows, top], heights)
    return best


def _neighbours(
    positions: NDArray[np.int64], space: Space, count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Change one or two genes by one or two steps, shape (climbers, count, genes)."""
    climbers, genes = positions.shape
    around = np.repeat(positions[:, None, :], count, axis=1)
    rows, columns = np.arange(climbers)[:, None], np.arange(count)[None, :]
    size = (climbers, count)
    first = rng.integers(genes, size=size)
    second = (first + rng.integers(1, max(genes, 2), size=size)) % genes
    steps = rng.integers(1, 3, size=(2, *size)) * rng.choice([-1, 1], size=(2, *size))
    around[rows, columns, first] += steps[0]
    if genes > 1:
        around[rows, columns, second] += steps[1] * rng.integers(0, 2, size=size)
    return np.clip(around, 0, space.highest)

"""Local search: a hill climb on the surrogates, the memetic half of HAMP.

Our reconstruction: HAMP's abstract says "surrogate-assisted local search" and no more.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .indicators import Points, front, hypervolume
from .space import Space, Widths
from .surrogate import Predictor


@dataclass(frozen=True, slots=True)
class Landscape:
    """What is predicted of any genome, and the front that it has to push outward.

    `divisors` bring predictions to the normalised scale of `points`; a prediction is taken
    `optimism` standard deviations below its mean, so that the search also looks where little is
    known.
    """

    predictors: Sequence[Predictor]
    divisors: NDArray[np.float64]
    points: Points
    optimism: float

    def predict(self, genomes: Sequence[Widths]) -> Points:
        """Predicted means in measured units, shape (genomes, objectives)."""
        return self._predict(genomes, 0.0)

    def scores(self, genomes: Sequence[Widths]) -> NDArray[np.float64]:
        """Predicted hypervolume gain of each genome; below 0 by how deep it is dominated."""
        predicted = self._predict(genomes, self.optimism) / self.divisors
        kept = self.points[front(self.points)]
        volume = hypervolume(kept)
        depths = np.min(predicted[:, None, :] - kept[None, :, :], axis=2).max(axis=1)
        return np.array(
            [
                -depth if depth > 0 else hypervolume(np.vstack([kept, point])) - volume
                for point, depth in zip(predicted, depths, strict=True)
            ]
        )

    def _predict(self, genomes: Sequence[Widths], optimism: float) -> Points:
        rows = np.array(genomes, dtype=np.int64)
        columns = []
        for predictor in self.predictors:
            mean, deviation = predictor(rows)
            columns.append(mean - optimism * deviation)
        return np.stack(columns, axis=1)


def climb(
    landscape: Landscape,
    space: Space,
    starts: Sequence[Widths],
    rng: np.random.Generator,
    *,
    taken: Collection[Widths],
    steps: int,
    neighbours: int,
) -> Widths | None:
    """Climb from several genomes at once and return the best one that is not taken, if any.

    At each step every climber looks at `neighbours` new genomes and moves to the best of them
    where that scores higher.
    """
    climbers = list(starts)
    heights = landscape.scores(climbers)
    best: tuple[float, Widths] | None = None
    for _ in range(steps):
        around = [
            [_neighbour(space, climber, rng) for _ in range(neighbours)] for climber in climbers
        ]
        scores = landscape.scores([genome for genomes in around for genome in genomes])
        for index, (genomes, row) in enumerate(
            zip(around, scores.reshape(len(climbers), neighbours), strict=True)
        ):
            for score, genome in zip(row.tolist(), genomes, strict=True):
                if (best is None or score > best[0]) and genome not in taken:
                    best = (score, genome)
            top = int(np.argmax(row))
            if row[top] > heights[index]:
                climbers[index], heights[index] = genomes[top], row[top]
    return best[1] if best else None


def _neighbour(space: Space, widths: Widths, rng: np.random.Generator) -> Widths:
    """Change one or two groups by one or two grid steps."""
    positions = space.positions(widths)
    groups = rng.choice(
        len(positions), size=min(len(positions), int(rng.integers(1, 3))), replace=False
    )
    positions[groups] += rng.integers(1, 3, size=len(groups)) * rng.choice(
        [-1, 1], size=len(groups)
    )
    return space.at(positions)

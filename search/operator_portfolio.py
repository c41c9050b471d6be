"""Operator portfolio: survivors chosen by several operators, each with a quota.

Reading B of HAMP's "portfolio-based selection" (our reconstruction): NSGA-II, NSGA-III, SPEA2 and
SMS-EMOA, as pymoo has them, share the places, and an operator whose survivors bring more
hypervolume gets more of them.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.moo.nsga3 import ReferenceDirectionSurvival
from pymoo.algorithms.moo.sms import LeastHypervolumeContributionSurvival
from pymoo.algorithms.moo.spea2 import SPEA2Survival
from pymoo.util.ref_dirs import get_reference_directions

from .indicators import Points, hypervolume
from .objective import REFERENCE
from .selection import Indices, rank_and_crowding, surviving

PARTITIONS = {2: 19, 3: 5}
"""Steps along an axis between NSGA-III's reference directions: 20 and 21 directions in all."""


def niching(points: Points, survivors: int) -> Indices:
    """NSGA-III's survival (Deb and Jain 2014): niches around reference directions."""
    objectives = points.shape[1]
    directions = get_reference_directions(
        "das-dennis", objectives, n_partitions=PARTITIONS.get(objectives, 3)
    )
    return surviving(ReferenceDirectionSurvival(directions), points, survivors)


def strength(points: Points, survivors: int) -> Indices:
    """SPEA2's survival (Zitzler et al. 2001): strength, and distance to the nearest neighbours."""
    return surviving(SPEA2Survival(), points, survivors)


def contribution(points: Points, survivors: int) -> Indices:
    """SMS-EMOA's survival (Beume et al. 2007): the least hypervolume contribution leaves."""
    return surviving(LeastHypervolumeContributionSurvival(), points, survivors)


OPERATORS: tuple[Callable[[Points, int], Indices], ...] = (
    rank_and_crowding,
    niching,
    strength,
    contribution,
)


class OperatorPortfolio:
    """Selects by all operators, and remembers what each one's choices were worth.

    `memory` is the weight of an operator's earlier credit beside that of the newest survivors.
    """

    def __init__(
        self, reference: float | NDArray[np.float64] = REFERENCE, *, memory: float = 0.9
    ) -> None:
        self._reference = reference
        self._memory = memory
        self.credit = np.ones(len(OPERATORS))

    def __call__(self, points: Points, survivors: int) -> Indices:
        """Return the indices of at most `survivors` points: those of the best operator first."""
        survivors = min(survivors, len(points))
        chosen: list[int] = []
        quotas = self._quotas(survivors)
        for operator in np.argsort(-self.credit, kind="stable"):
            quota = int(quotas[operator])
            wanted = OPERATORS[operator](points, min(len(chosen) + quota, len(points)))
            chosen += [index for index in wanted.tolist() if index not in chosen][:quota]
        self._learn(points, survivors)
        return np.array(chosen, dtype=np.int64)

    def _quotas(self, survivors: int) -> NDArray[np.int64]:
        """Whole places in proportion to credit: the largest remainders are rounded up."""
        exact = survivors * self.credit / self.credit.sum()
        quotas: NDArray[np.int64] = np.floor(exact).astype(np.int64)
        most = np.argsort(quotas - exact, kind="stable")
        quotas[most[: survivors - quotas.sum()]] += 1
        return quotas

    def _learn(self, points: Points, survivors: int) -> None:
        """Credit each operator with the hypervolume that it would keep in half of the places.

        All choose alone, so that nobody profits from choosing first; the best earns 1, the worst
        0.1, which keeps it in the game.
        """
        half = max(1, survivors // 2)
        worth = np.array(
            [hypervolume(points[select(points, half)], self._reference) for select in OPERATORS]
        )
        if worth.max() > worth.min():
            earned = 0.1 + 0.9 * (worth - worth.min()) / (worth.max() - worth.min())
            self.credit = self._memory * self.credit + (1 - self._memory) * earned

"""Judging: what networks are worth beside each other - the front, and what is handed out of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...actors.job import is_latency
from ...search.candidate import Estimate
from ...search.indicators import contested, knee, told_apart_front
from ..settings.config import Config
from .results import Member

Spans = NDArray[np.float64]
"""Values and the ends of their intervals, shape (networks, quantities, 3)."""


@dataclass(frozen=True)
class Judged:
    """What networks are worth: normalised objectives, violations, and who is on the front."""

    scaled: NDArray[np.float64]  # shape (networks, objectives)
    excess: NDArray[np.float64]  # shape (networks,)
    front: list[int]  # from the least of the second objective on
    contested: list[int]

    @classmethod
    def of(cls, spans: Spans, config: Config) -> "Judged":
        """Judge what is measured, the dense network first.

        Latencies count as equal where their intervals overlap, unless the configuration says
        otherwise; all else counts by its value.
        """
        values = spans[:, :, 0]
        judge = config.goals.beside(values[0].tolist())
        scaled, excess = judge.points(values), judge.violations(values)
        ends = [
            judge.points(
                np.column_stack(
                    [
                        spans[:, column, end if config.search.ties and is_latency(name) else 0]
                        for column, name in enumerate(config.quantities)
                    ]
                )
            )
            for end in (1, 2)
        ]
        feasible = np.flatnonzero(excess == 0)
        eligible = feasible if len(feasible) else np.array([int(np.argmin(excess))])
        points, low, high = (of[eligible] for of in (scaled, *ends))
        kept = told_apart_front(points, low, high)
        chosen, hanging = (
            sorted(eligible[places].tolist(), key=lambda index: (values[index, 1], index))
            for places in (kept, contested(points, low, high, kept))
        )
        return cls(scaled, excess, chosen, hanging)

    @property
    def earning(self) -> NDArray[np.float64]:
        """The normalised objectives, infinite where a constraint is violated."""
        return np.where(self.excess[:, None] == 0, self.scaled, np.inf)


def spans_of(measured: Sequence[Sequence[Estimate]], like: Spans | None = None) -> Spans:
    """Lay out estimates; none at all are shaped like others."""
    spans = [[(one.value, one.low, one.high) for one in row] for row in measured]
    return np.array(spans, dtype=np.float64) if spans or like is None else like[:0]


def picks_of(
    members: list[Member], points: NDArray[np.float64], worst_error: float, *, ties: bool
) -> dict[str, int]:
    """The networks to hand out: least of the second objective, the knee, least error.

    They are chosen among the pruned networks of use, as the dense one is at hand already; where
    there is none of use among all pruned ones, and where nothing is pruned it is the dense one.
    """
    pruned = [place for place, member in enumerate(members) if member.origin != "dense"]
    useful = [place for place in pruned if points[place, 0] <= worst_error]
    places = np.array(useful or pruned or range(len(members)))
    among = points[places]
    chosen = {
        "fastest": fastest([members[place] for place in places], among, ties=ties),
        "knee": knee(among),
        "most-accurate": np.lexsort((among[:, 1], among[:, 0]))[0],
    }
    return {name: members[places[index]].id for name, index in chosen.items()}


def fastest(members: Sequence[Member], points: NDArray[np.float64], *, ties: bool) -> int:
    """The least of the second objective; of those that may tie with it, the least error."""
    name = list(members[0].objectives)[1]
    first = int(np.lexsort((points[:, 0], points[:, 1]))[0])
    if not ties:
        return first
    end = members[first].objectives[name].high
    alike = [place for place, one in enumerate(members) if one.objectives[name].low <= end]
    return min(alike, key=lambda place: (points[place, 0], points[place, 1]))

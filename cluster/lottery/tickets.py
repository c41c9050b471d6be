"""Tickets: what the rounds of a lottery amount to, over folds and seeds."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...search.candidate import Estimate
from ...search.indicators import front, hypervolume
from .candidates import Found
from .rounds import DENSE, Failed, Row

SEARCH = "search"
"""The variant of what a search has found; its round is the candidate's number."""

WORST = 1.1
"""The hypervolume ends at this many times what the dense network has, as in a search."""

EQUAL = 1e-9
"""Mean scores that differ by less are equal: what is left of equal ones is rounding."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """One round of one variant, or one candidate: means over the folds and seeds that are over.

    There are `count` of these; `failed` others will never be, as training diverged there.

    `score` is that of the epoch that was chosen, on the test part, `deviation` its spread;
    `validation` is its score on the validation part, by which tickets are chosen, `best_test` that
    of the best epoch on the test part. `gain` is the mean difference to the dense network on the
    same fold and seed, `over_random` to random pruning of the same round, None where that is not
    there. `time` is the time of inference as a share of the dense network's, once it is measured.
    """

    variant: str
    round: int
    count: int
    failed: int
    nominal_edges: float
    nominal_weights: float
    edges_gone: float
    weights_gone: float
    validation: float
    score: float
    deviation: float
    best_test: float
    gain: float
    over_random: float | None
    time: Estimate | None

    @property
    def wins(self) -> bool:
        """Whether it does at least as well as the dense network, and does so everywhere."""
        return self.gain > -EQUAL and not self.failed

    def as_json(self) -> dict[str, Any]:
        """The ticket as the command line prints it."""
        return {**asdict(self), "wins": self.wins}


@dataclass(frozen=True, slots=True)
class Tickets:
    """Everything that a lottery has found: the dense network, and tickets by variant and round."""

    dense: float
    dense_deviation: float
    dense_best_test: float
    count: int
    tickets: tuple[Ticket, ...]

    def of(self, variant: str) -> list[Ticket]:
        """One variant's tickets, round by round."""
        return [one for one in self.tickets if one.variant == variant]

    @property
    def deepest(self) -> Ticket | None:
        """The winning ticket that has the fewest weights left, of equal ones the fewest edges."""
        return max(self.winning, key=lambda one: (one.weights_gone, one.edges_gone), default=None)

    @property
    def best(self) -> Ticket | None:
        """The ticket that validates best, of equal ones the smallest; it need not win."""
        return max(
            (one for one in self.own if not one.failed),
            key=lambda one: (one.validation, one.weights_gone, one.edges_gone),
            default=None,
        )

    @property
    def own(self) -> list[Ticket]:
        """The tickets that ICPG has drawn, round by round, or its search found."""
        return self.of("icpg") or self.of(SEARCH)

    @property
    def winning(self) -> list[Ticket]:
        """Those of them that do at least as well as the dense network, and are smaller."""
        return [one for one in self.own if one.wins and one.edges_gone + one.weights_gone > 0]

    @property
    def front(self) -> list[Ticket]:
        """The winning tickets that no other beats in everything, in their order."""
        winning = self.winning
        return [winning[place] for place in front(self._points(winning))] if winning else []

    @property
    def hypervolume(self) -> float:
        """That of the winning tickets: error, edges, weights, time, each beside the dense one's."""
        winning = self.winning
        return hypervolume(self._points(winning), WORST) if winning else 0.0

    def as_json(self) -> dict[str, Any]:
        """Everything as the command line prints it."""
        return {
            "dense": {
                "score": self.dense,
                "deviation": self.dense_deviation,
                "best_test": self.dense_best_test,
                "count": self.count,
            },
            "tickets": [one.as_json() for one in self.tickets],
            "front": [one.round for one in self.front],
            "hypervolume": self.hypervolume,
        }

    def _points(self, tickets: Sequence[Ticket]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """What is minimised, shape (tickets, quantities)."""
        error = max(1 - self.dense, 1e-9)
        return np.array(
            [
                [
                    (1 - one.score) / error,
                    1 - one.edges_gone,
                    1 - one.weights_gone,
                    *([] if one.time is None else [one.time.value]),
                ]
                for one in tickets
            ]
        )


def tickets_of(
    rows: Sequence[Row],
    failures: Sequence[Failed] = (),
    *,
    edges: float,
    weights: float,
    times: Mapping[int, Estimate],
) -> Tickets | None:
    """Gather rounds; `edges` and `weights` are the shares that each removes, nominally.

    `times` has ICPG's by round. None before a dense network is trained.
    """
    by_key = {(row.variant, row.round, row.seed, row.fold): row for row in rows}
    dense = {(row.seed, row.fold): row for row in rows if row.variant == DENSE}
    if not dense:
        return None
    kinds = sorted({(row.variant, row.round) for row in rows if row.variant != DENSE})
    found = []
    for variant, number in kinds:
        mine = {
            place: row
            for place in dense
            if (row := by_key.get((variant, number, *place))) is not None
        }
        if not mine:
            continue
        beside = {place: by_key.get(("random", number, *place)) for place in mine}
        pairs = [mine[place].test - row.test for place, row in beside.items() if row is not None]
        found.append(
            Ticket(
                variant,
                number,
                len(mine),
                sum(one.variant == variant and one.round <= number for one in failures),
                0.0 if variant == "weights" else 1 - (1 - edges) ** number,
                0.0 if variant in ("edges", "transfer") else 1 - (1 - weights) ** number,
                _mean(row.edges_gone for row in mine.values()),
                _mean(row.weights_gone for row in mine.values()),
                _mean(row.validation for row in mine.values()),
                _mean(row.test for row in mine.values()),
                _deviation([row.test for row in mine.values()]),
                _mean(row.best_test for row in mine.values()),
                _mean(row.test - dense[place].test for place, row in mine.items()),
                _mean(pairs) if pairs and variant != "random" else None,
                times.get(number) if variant == "icpg" else None,
            )
        )
    scores = [row.test for row in dense.values()]
    return Tickets(
        _mean(scores),
        _deviation(scores),
        _mean(row.best_test for row in dense.values()),
        len(dense),
        tuple(found),
    )


def tickets_found(found: Sequence[Found], *, times: Mapping[int, Estimate]) -> Tickets | None:
    """Gather the candidates of a search, of which the first is the dense network."""
    if not found or found[0].number:
        return None
    dense = found[0].scores
    tickets = [
        Ticket(
            SEARCH,
            one.number,
            len(one.scores),
            0,
            1 - one.edges,
            1 - one.weights,
            1 - one.edges,
            1 - one.weights,
            _mean(one.validation),
            _mean(one.scores),
            _deviation(one.scores),
            _mean(one.scores),
            _mean(mine - theirs for mine, theirs in zip(one.scores, dense, strict=True)),
            None,
            times.get(one.number),
        )
        for one in found[1:]
    ]
    return Tickets(_mean(dense), _deviation(dense), _mean(dense), len(dense), tuple(tickets))


def _mean(values: Any) -> float:
    return float(statistics.fmean(values))


def _deviation(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0

"""Tickets: what the rounds of a lottery amount to, over folds and seeds."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...search.candidate import Estimate
from ...search.indicators import front, hypervolume
from .candidates import Found
from .genomes import left_of
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
    there. `time` is that of inference on graphs that are thin, `thinning` that of making new ones
    so, both as shares of the dense network's time, once they are measured.
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
    thinning: Estimate | None

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
        return deepest_of(self.own)

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
        return winning_of(self.own)

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


def winning_of(tickets: Sequence[Ticket]) -> list[Ticket]:
    """Return those that do at least as well as the dense network, and are smaller."""
    return [one for one in tickets if one.wins and one.edges_gone + one.weights_gone > 0]


def deepest_of(tickets: Sequence[Ticket]) -> Ticket | None:
    """Return the winning one that has the fewest weights left, of equal ones the fewest edges."""
    return max(
        winning_of(tickets), key=lambda one: (one.weights_gone, one.edges_gone), default=None
    )


def tickets_of(
    rows: Sequence[Row],
    failures: Sequence[Failed] = (),
    *,
    removed: Mapping[str, tuple[float, float]],
    times: Mapping[int, Estimate],
    thinning: Mapping[int, Estimate],
) -> Tickets | None:
    """Gather rounds.

    Of each variant `removed` has the shares of the edges and weights that a round removes, and
    `times` and `thinning` have ICPG's by round. None before a dense network is trained.
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
        edges, weights = removed[variant]
        beside = {place: by_key.get(("random", number, *place)) for place in mine}
        pairs = [mine[place].test - row.test for place, row in beside.items() if row is not None]
        found.append(
            Ticket(
                variant=variant,
                round=number,
                count=len(mine),
                failed=sum(one.variant == variant and one.round <= number for one in failures),
                nominal_edges=1 - (1 - edges) ** number,
                nominal_weights=1 - (1 - weights) ** number,
                edges_gone=_mean(row.edges_gone for row in mine.values()),
                weights_gone=_mean(row.weights_gone for row in mine.values()),
                validation=_mean(row.validation for row in mine.values()),
                score=_mean(row.test for row in mine.values()),
                deviation=_deviation([row.test for row in mine.values()]),
                best_test=_mean(row.best_test for row in mine.values()),
                gain=_mean(row.test - dense[place].test for place, row in mine.items()),
                over_random=_mean(pairs) if pairs and variant != "random" else None,
                time=times.get(number) if variant == "icpg" else None,
                thinning=thinning.get(number) if variant == "icpg" else None,
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


def tickets_found(
    found: Sequence[Found], *, times: Mapping[int, Estimate], thinning: Mapping[int, Estimate]
) -> Tickets | None:
    """Gather the candidates of a search, of which the first is the dense network."""
    if not found or found[0].number:
        return None
    dense = found[0].scores
    tickets = [
        Ticket(
            variant=SEARCH,
            round=one.number,
            count=len(one.scores),
            failed=0,
            nominal_edges=1 - _left(one, "edges"),
            nominal_weights=1 - _left(one, "weights"),
            edges_gone=1 - one.edges,
            weights_gone=1 - one.weights,
            validation=_mean(one.validation),
            score=_mean(one.scores),
            deviation=_deviation(one.scores),
            best_test=_mean(one.best_test),
            gain=_mean(mine - theirs for mine, theirs in zip(one.scores, dense, strict=True)),
            over_random=None,
            time=times.get(one.number),
            thinning=thinning.get(one.number),
        )
        for one in found[1:]
    ]
    return Tickets(
        _mean(dense), _deviation(dense), _mean(found[0].best_test), len(dense), tuple(tickets)
    )


def _left(one: Found, what: str) -> float:
    """The share that a candidate's plan leaves, nominally."""
    return float(left_of(np.array([one.genome]), what)[0])


def _mean(values: Any) -> float:
    return float(statistics.fmean(values))


def _deviation(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0

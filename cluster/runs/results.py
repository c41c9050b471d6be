"""Results: what a run has found so far, as plain values for whoever shows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ...search.candidate import Estimate, Origin
from ...search.objective import Objective

Provenance = Origin | Literal["fine-tuned", "clad"]


@dataclass(frozen=True, slots=True)
class Member:
    """One measured network.

    `criteria` names what ranked each group's channels, where the genome has chosen; `predicted`
    which objectives are not measured but foretold;
    `final_error` is the error on the final split, once looked at; `parent` is the network that a
    fine-tuned one was before: it has the same widths, latency and memory.
    """

    id: int
    objectives: Mapping[str, Estimate]
    macs: int
    params: int
    genome: tuple[int, ...]
    origin: Provenance
    criteria: tuple[str, ...] = ()
    final_error: Estimate | None = None
    parent: int | None = None
    predicted: tuple[str, ...] = ()

    @property
    def widths(self) -> tuple[int, ...]:
        """The channels kept in each group."""
        return self.genome[: len(self.genome) - len(self.criteria)]

    def as_json(self) -> dict[str, Any]:
        """The member as the command line prints it."""
        entry: dict[str, Any] = {
            "id": self.id,
            "objectives": {name: _interval(value) for name, value in self.objectives.items()},
            "macs": self.macs,
            "params": self.params,
            "widths": list(self.widths),
            "origin": self.origin,
        }
        if self.criteria:
            entry["criteria"] = list(self.criteria)
        if self.parent is not None:
            entry["parent"] = self.parent
        if self.predicted:
            entry["predicted"] = list(self.predicted)
        if self.final_error is not None:
            entry["final_error"] = _interval(self.final_error)
        return entry


@dataclass(frozen=True, slots=True)
class Trained:
    """A network that was trained elsewhere: what is measured of it, quantity by quantity."""

    member: Member
    estimates: tuple[Estimate, ...]


@dataclass(frozen=True, slots=True)
class Results:
    """A run's findings: every committed network in order, fine-tuned ones, the front of them all.

    `hypervolumes` holds the normalised hypervolume after each committed candidate, failures
    included, whatever was fine-tuned since; `picks` names the members to hand out (fastest, knee,
    most-accurate) by id: those of the search, or of the whole front where fine-tuning is its last
    rung. The front holds networks that satisfy the constraints; where `infeasible` counts all, the
    nearest one. `spared` counts candidates whose error was not measured, as they violate them
    anyway. `search_front` is the front of the search alone, whatever was fine-tuned since;
    `contested` are those whose place on it hangs on the intervals of their latencies. `drift` tells
    by which share the devices of latencies that have moved are slower than at first.
    `agreement` holds, for candidates that surrogates chose, each surrogate's Kendall tau then.
    """

    name: str
    state: str
    algorithm: str
    seed: int
    budget: int
    elapsed_s: float
    objectives: tuple[Objective, ...]
    groups: tuple[str, ...]
    dense: Member
    members: tuple[Member, ...]
    front: tuple[Member, ...]
    hypervolumes: tuple[float, ...]
    picks: Mapping[str, int]
    failures: int
    constraints: tuple[str, ...] = ()
    infeasible: int = 0
    spared: int = 0
    agreement: tuple[tuple[int, Mapping[str, float]], ...] = ()
    search_front: tuple[Member, ...] = ()
    contested: tuple[Member, ...] = ()
    drift: Mapping[str, float] = field(default_factory=dict)

    def looked_at(self, which: Literal["front", "picks"]) -> tuple[Member, ...]:
        """The search's front, or what of it is handed out."""
        handed_out = set(self.picks.values())
        return tuple(m for m in self.search_front if which == "front" or m.id in handed_out)

    def front_as_json(self) -> dict[str, Any]:
        """`{front: [...], dense: {...}}`, the front from the fastest network to the slowest."""
        return {
            "front": [member.as_json() for member in self.front],
            "dense": self.dense.as_json(),
        }


def _interval(estimate: Estimate) -> dict[str, float]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}

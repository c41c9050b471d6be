"""NetAdapt: the greedy baseline that shrinks one group at a time, as long as it can."""

import math
from collections.abc import Sequence, Set

from .candidate import Candidate, Evaluation, Failure, Outcome
from .space import Genome, Space


class NetAdapt:
    """Yang et al., ECCV 2018, on the search's own evaluations; its whole trajectory is the result.

    Every iteration asks each group to save so much of the resource (the second objective) alone,
    and keeps the network with the least error. Deviations: what a step of a group saves comes from
    one measurement of each group at its least width, in place of a table of layers, and no network
    is fine-tuned between iterations.
    """

    def __init__(self, space: Space, *, first: float = 0.025, decay: float = 0.96) -> None:
        self._space = space
        self._first = first  # share of the dense network's resource
        self._decay = decay
        self._known: dict[Genome, Outcome] = {}
        self._block: list[Genome] = [space.dense]
        self._current = space.dense
        self._saved: list[float] | None = None  # by one step of each group
        self._iteration = 0

    def breed(self, asked: Sequence[Candidate], taken: Set[Genome]) -> Candidate | None:
        """Return the next of this iteration, or None until it is committed, and at the end."""
        for genome in self._block:
            if genome not in taken:
                return Candidate(len(asked), genome, "variation" if self._saved else "initial")
        return None

    def commit(self, outcome: Outcome) -> None:
        """Take the next outcome; a complete iteration is followed by the next one."""
        self._known[outcome.candidate.genome] = outcome
        while self._block and all(genome in self._known for genome in self._block):
            self._block = self._next_block()

    def _next_block(self) -> list[Genome]:
        groups = range(len(self._space.groups))
        if self._block == [self._space.dense]:
            return [self._shrunk(self._space.dense, group, math.inf) for group in groups]
        if self._saved is None:
            self._saved = [self._saving(group) for group in groups]
        else:
            tried = [self._known[genome] for genome in self._block]
            measured = [outcome for outcome in tried if isinstance(outcome, Evaluation)]
            if not measured:
                return []
            best = min(measured, key=lambda outcome: outcome.objectives[0])
            self._current = best.candidate.genome
            self._iteration += 1
        wanted = self._first * self._decay**self._iteration * self._resource(self._space.dense)
        positions = self._space.positions(self._current)
        block = []
        for group, saved in enumerate(self._saved):
            steps = math.ceil(wanted / saved) if saved > 0 else math.inf
            if steps <= positions[group]:
                block.append(self._shrunk(self._current, group, steps))
        return block

    def _shrunk(self, genome: Genome, group: int, steps: float) -> Genome:
        positions = self._space.positions(genome)
        positions[group] = max(0, positions[group] - min(steps, positions[group]))
        return self._space.at(positions)

    def _saving(self, group: int) -> float:
        """What one step of a group saves, by the network that has only this group shrunk."""
        steps = int(self._space.highest[group])
        alone = self._shrunk(self._space.dense, group, steps)
        if steps == 0 or isinstance(self._known[alone], Failure):
            return 0.0
        return (self._resource(self._space.dense) - self._resource(alone)) / steps

    def _resource(self, genome: Genome) -> float:
        outcome = self._known[genome]
        assert isinstance(outcome, Evaluation)
        return outcome.objectives[1]

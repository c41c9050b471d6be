"""Logical time: when a candidate is bred and an outcome counts, whoever finishes first.

Candidates have consecutive numbers. Outcomes are committed in the order of these numbers, and
candidate i + window is bred from the state right after the commit of outcome i. So a search depends
neither on the number of workers nor on their speed, and an algorithm is a function of its journal.
"""

from collections.abc import Sequence, Set
from typing import Protocol

from .candidate import Candidate, Outcome
from .space import Genome, Space


class Algorithm(Protocol):
    """Breeds candidates from what was committed. It never evaluates, waits, saves or draws.

    Candidate 0 is the dense network, and nobody breeds it.
    """

    def breed(self, asked: Sequence[Candidate], taken: Set[Genome]) -> Candidate | None:
        """Return the candidate that follows those `asked`, or None until more is committed.

        Its genome must be none of theirs, which are `taken`; there is one left. It must depend on
        nothing but these, the commits so far and the run's seed.
        """
        ...

    def commit(self, outcome: Outcome) -> None:
        """Take the outcome of the next candidate in order."""
        ...


class Search:
    """Asks for evaluations and is told outcomes, in logical time.

    It begins with the dense network and ends, at the latest, with the last genome of the space.
    """

    def __init__(self, algorithm: Algorithm, space: Space, *, window: int) -> None:
        if window < 1:
            raise ValueError(f"window must be at least 1 candidate, got {window!r}")
        self._algorithm = algorithm
        self._space = space
        self._window = window
        self._asked: list[Candidate] = []
        self._taken: set[Genome] = set()
        self._handed_out = 0
        self._waiting: dict[int, Outcome] = {}
        self._committed = 0

    @property
    def committed(self) -> int:
        """How many outcomes have been committed."""
        return self._committed

    def ask(self) -> Candidate | None:
        """Return the next candidate to evaluate, or None until more outcomes are committed."""
        self._breed()
        if self._handed_out == len(self._asked):
            return None
        candidate = self._asked[self._handed_out]
        self._handed_out += 1
        return candidate

    def tell(self, outcome: Outcome) -> None:
        """Take an outcome, in whatever order they come; commit it when its turn has come."""
        number = outcome.candidate.number
        if number >= self._handed_out or self._asked[number] != outcome.candidate:
            raise ValueError(f"candidate {number} was told but never asked: {outcome.candidate}")
        if number < self._committed or number in self._waiting:
            raise ValueError(f"candidate {number} was told twice: each has one outcome")
        self._waiting[number] = outcome
        while (ready := self._waiting.pop(self._committed, None)) is not None:
            self._breed()
            self._algorithm.commit(ready)
            self._committed += 1

    def recall(self, candidate: Candidate) -> None:
        """Take a candidate as asked already, as the journal has it, before anything is told."""
        if self._handed_out != len(self._asked):
            raise ValueError(f"candidate {candidate.number} is recalled after others were asked")
        if candidate.number != len(self._asked):
            raise ValueError(
                f"candidates are recalled in order: expected {len(self._asked)}, "
                f"got {candidate.number}"
            )
        self._append(candidate)
        self._handed_out += 1

    def _breed(self) -> None:
        while len(self._asked) < min(self._committed + self._window, self._space.size):
            if not self._asked:
                self._append(Candidate(0, self._space.dense, "dense"))
            elif (candidate := self._algorithm.breed(self._asked, self._taken)) is not None:
                self._append(candidate)
            else:
                return

    def _append(self, candidate: Candidate) -> None:
        self._asked.append(candidate)
        self._taken.add(candidate.genome)

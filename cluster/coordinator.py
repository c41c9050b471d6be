"""Coordinator: the loop between search, journal and workers. Journal first, then act."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..actors.dispatcher import Dispatcher
from ..actors.job import ROLES, Answer, Job, Quantity
from ..methods.cost import Cost
from ..search.algorithm import Search
from ..search.candidate import Candidate, Estimate, Evaluation, Failure, Outcome
from ..search.space import Genome
from .journal import Journal

ELSEWHERE = "an earlier run"
"""The worker of an answer that was not measured for this run."""


class RunFailed(RuntimeError):
    """The run cannot go on; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What the loop tells whoever watches: one more outcome, and how many there are now."""

    answered: int
    budget: int
    outcome: Outcome


class Coordinator:
    """Drives a search to its budget, from wherever the journal says it stands."""

    def __init__(
        self,
        search: Search,
        journal: Journal,
        dispatcher: Dispatcher,
        *,
        quantities: Sequence[str],
        cost: Callable[[Sequence[int]], Cost],
        budget: int,
        expired: Callable[[], bool] = lambda: False,
        known: Callable[[Genome, Quantity], Estimate | None] = lambda _genome, _quantity: None,
        watch: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._search = search
        self._journal = journal
        self._dispatcher = dispatcher
        self._quantities = tuple(quantities)
        self._measured: list[Quantity] = [q for q in ROLES if q in quantities]
        self._cost = cost
        self._budget = budget
        self._expired = expired
        self._known = known
        self._watch = watch
        self._asked: dict[int, tuple[Candidate, Cost]] = {}
        self._parts: dict[int, dict[str, Answer]] = {}
        self._told = 0

    def run(self) -> None:
        """Ask, submit, journal and tell until there is nothing more to ask.

        That is when the budget is spent, time is up, or the search has no further candidate; what
        is in flight then is waited for.
        """
        self._replay()
        while self._told < self._budget:
            self._ask()
            if self._told == len(self._asked):
                return
            answer = self._dispatcher.next_answer()
            self._journal.answered(answer)
            self._take(answer)

    def _replay(self) -> None:
        """Recall what was asked, tell what was answered, hand out again what is missing."""
        for candidate, cost in self._journal.candidates():
            self._search.recall(candidate)
            self._asked[candidate.number] = (candidate, cost)
        answers = self._journal.answers()
        for number in self._asked:
            self._parts[number] = {}
            for quantity in self._measured:
                if quantity in (known := answers.get(number, {})):
                    self._take(known[quantity])
        for number, known in list(self._parts.items()):
            self._submit(self._asked[number][0], dict(known))

    def _ask(self) -> None:
        while len(self._asked) < self._budget and not self._expired():
            candidate = self._search.ask()
            if candidate is None:
                return
            cost = self._cost(candidate.genome)
            self._journal.asked(candidate, cost)
            self._asked[candidate.number] = (candidate, cost)
            self._parts[candidate.number] = {}
            self._submit(candidate, {})

    def _submit(self, candidate: Candidate, known: dict[str, Answer]) -> None:
        """Hand out what is known neither here nor from elsewhere."""
        for quantity in self._measured:
            if quantity in known:
                continue
            result = self._known(candidate.genome, quantity)
            if result is None:
                self._dispatcher.submit(Job(candidate.number, candidate.genome, quantity))
                continue
            answer = Answer(candidate.number, quantity, result, ELSEWHERE, 0.0)
            self._journal.answered(answer)
            self._take(answer)

    def _take(self, answer: Answer) -> None:
        """Put a candidate's answers together; when all are there, tell the search."""
        parts = self._parts[answer.number]
        parts[answer.quantity] = answer
        if len(parts) < len(self._measured):
            return
        del self._parts[answer.number]
        candidate, cost = self._asked[answer.number]
        outcome = outcome_of(candidate, cost, parts, self._quantities)
        if candidate.origin == "dense" and isinstance(outcome, Failure):
            raise RunFailed(f"the dense network cannot be measured: {outcome.reason}")
        self._search.tell(outcome)
        self._told += 1
        self._watch(Progress(self._told, self._budget, outcome))


def outcome_of(
    candidate: Candidate, cost: Cost, answers: dict[str, Answer], quantities: Sequence[str]
) -> Outcome:
    """Combine measured and counted quantities, in order; one failed answer fails the candidate."""
    estimates = []
    for name in quantities:
        if name not in ROLES:
            estimates.append(Estimate.exact(getattr(cost, name)))
            continue
        result = answers[name].result
        if isinstance(result, str):
            return Failure(candidate, f"{name}: {result}")
        estimates.append(result)
    return Evaluation(candidate, tuple(estimates))

"""Coordinator: the loop between search, journal and workers. Journal first, then act."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ...actors.job import Answer, Job
from ...methods.pruning.cost import Cost
from ...search.algorithm import Search
from ...search.candidate import Failure, Outcome
from ..storage.journal import Journal
from .itinerary import Itinerary, Journey


class RunFailed(RuntimeError):
    """The run cannot go on; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What the loop tells whoever watches: one more outcome, and how many there are now."""

    answered: int
    budget: int
    outcome: Outcome


class Measuring(Protocol):
    """Has jobs measured by somebody: a dispatcher, or one that is watched."""

    def submit(self, job: Job) -> None:
        """Take a job."""
        ...

    def next_answer(self) -> Answer:
        """Wait for the next answer, in whatever order they come."""
        ...


class Coordinator:
    """Drives a search to its budget, from wherever the journal says it stands."""

    def __init__(
        self,
        search: Search,
        journal: Journal,
        dispatcher: Measuring,
        itinerary: Itinerary,
        *,
        cost: Callable[[Sequence[int]], Cost],
        budget: int,
        expired: Callable[[], bool] = lambda: False,
        watch: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._search = search
        self._journal = journal
        self._dispatcher = dispatcher
        self._itinerary = itinerary
        self._cost = cost
        self._budget = budget
        self._expired = expired
        self._watch = watch
        self._journeys: dict[int, Journey] = {}  # of candidates that are on their way
        self._outcomes: dict[int, Outcome] = {}
        self._asked = 0

    def run(self) -> None:
        """Ask, submit, journal and tell until there is nothing more to ask.

        That is when the budget is spent, time is up, or the search has no further candidate; what
        is in flight then is waited for.
        """
        self._replay()
        while len(self._outcomes) < self._budget:
            self._ask()
            if not self._journeys:
                return
            answer = self._dispatcher.next_answer()
            self._journal.answered(answer)
            self._take(answer)
            self._advance(answer.number)

    def _replay(self) -> None:
        """Recall what was asked, tell what was answered, hand out again what is missing."""
        for candidate, cost in self._journal.candidates():
            self._search.recall(candidate)
            self._journeys[candidate.number] = Journey(candidate, cost)
        self._asked = len(self._journeys)
        answers = self._journal.answers()
        for number in range(self._asked):
            for quantity in ("quick_error", *self._itinerary.measured):
                if quantity in (known := answers.get(number, {})):
                    self._take(known[quantity])
        for number in list(self._journeys):
            self._advance(number)

    def _ask(self) -> None:
        while self._asked < self._budget and not self._expired():
            candidate = self._search.ask()
            if candidate is None:
                return
            cost = self._cost(candidate.genome)
            self._journal.asked(candidate, cost)
            self._journeys[candidate.number] = Journey(candidate, cost)
            self._asked += 1
            self._advance(candidate.number)

    def _advance(self, number: int) -> None:
        """Hand out what a candidate needs next; take what nobody has to measure."""
        if number not in self._journeys:
            return

        def before() -> list[Outcome]:
            return [self._outcomes[one] for one in range(number) if one in self._outcomes]

        for errand in self._itinerary.errands(self._journeys[number], before):
            if isinstance(errand, Job):
                self._dispatcher.submit(errand)
            else:
                self._journal.answered(errand)
                self._take(errand)

    def _take(self, answer: Answer) -> None:
        """Put a candidate's answers together; when all are there, tell the search."""
        journey = self._journeys[answer.number]
        journey.answers[answer.quantity] = answer
        if not self._itinerary.is_over(journey):
            return
        del self._journeys[answer.number]
        outcome = self._itinerary.outcome(journey)
        if journey.candidate.origin == "dense" and isinstance(outcome, Failure):
            raise RunFailed(f"the dense network cannot be measured: {outcome.reason}")
        self._outcomes[answer.number] = outcome
        self._search.tell(outcome)
        self._watch(Progress(len(self._outcomes), self._budget, outcome))

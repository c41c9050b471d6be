"""Coordinator: the loop between search, journal and workers. Journal first, then act."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from ...actors.job import Answer, Job, Quantity, is_measured
from ...methods.pruning.cost import Cost
from ...search.algorithm import Search
from ...search.candidate import Candidate, Estimate, Evaluation, Failure, Outcome
from ...search.fidelity import Promotion
from ...search.screening import Screening
from ...search.space import Genome
from ...search.sparing import Sparing
from ..storage.journal import Journal
from .readings import CONSTRAINTS, ELSEWHERE, FEWER_IMAGES, PREDICTION


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
        *,
        quantities: Sequence[str],
        cost: Callable[[Sequence[int]], Cost],
        budget: int,
        expired: Callable[[], bool] = lambda: False,
        known: Callable[[Genome, Quantity], Estimate | None] = lambda _genome, _quantity: None,
        node_of: Callable[[Quantity], str | None] = lambda _: None,
        promotion: Promotion | None = None,
        screening: Screening | None = None,
        sparing: Sparing | None = None,
        watch: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._search = search
        self._journal = journal
        self._dispatcher = dispatcher
        self._quantities = tuple(quantities)
        self._measured = measured_of(quantities)
        self._cost = cost
        self._budget = budget
        self._expired = expired
        self._known = known
        self._node_of = node_of
        self._promotion = promotion
        self._screening = screening
        self._sparing = sparing
        self._expected: dict[int, dict[str, Estimate]] = {}
        self._watch = watch
        self._outcomes: dict[int, Outcome] = {}
        self._handed_out: dict[int, set[Quantity]] = {}
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
            if answer.number in self._parts:
                self._advance(answer.number)

    def _replay(self) -> None:
        """Recall what was asked, tell what was answered, hand out again what is missing."""
        for candidate, cost in self._journal.candidates():
            self._search.recall(candidate)
            self._asked[candidate.number] = (candidate, cost)
        answers = self._journal.answers()
        for number in self._asked:
            self._parts[number] = {}
            for quantity in ("quick_error", *self._measured):
                if quantity in (known := answers.get(number, {})):
                    self._take(known[quantity])
        for number in list(self._parts):
            self._advance(number)

    def _ask(self) -> None:
        while len(self._asked) < self._budget and not self._expired():
            candidate = self._search.ask()
            if candidate is None:
                return
            cost = self._cost(candidate.genome)
            self._journal.asked(candidate, cost)
            self._asked[candidate.number] = (candidate, cost)
            self._parts[candidate.number] = {}
            self._advance(candidate.number)

    def _advance(self, number: int) -> None:
        """Hand out what a candidate needs next, unless it is known or spared."""
        candidate = self._asked[number][0]
        handed_out = self._handed_out.setdefault(number, set())
        if (reason := self._exceeded(number)) is not None:
            for quantity in self._missing(number):
                if quantity not in handed_out:
                    self._settle(Answer(number, quantity, reason, CONSTRAINTS, 0.0))
            return
        for quantity in self._needed(number):
            if quantity in handed_out:
                continue
            handed_out.add(quantity)
            result: Estimate | str | None = self._known(candidate.genome, quantity)
            source = ELSEWHERE
            if result is None and quantity == "error":
                result, source = self._rough(number), FEWER_IMAGES
            elif result is None and quantity in self._foretold(number):
                result, source = self._spared(number, quantity), PREDICTION
            if result is None:
                node = self._node_of(quantity)
                self._dispatcher.submit(Job(number, candidate.genome, quantity, node))
                continue
            self._settle(Answer(number, quantity, result, source, 0.0))
            if number in self._parts:
                self._advance(number)  # it may need something else now
            return

    def _settle(self, answer: Answer) -> None:
        """Take an answer for which nobody has to measure."""
        self._journal.answered(answer)
        self._take(answer)

    def _missing(self, number: int) -> list[Quantity]:
        return [quantity for quantity in self._measured if quantity not in self._parts[number]]

    def _needed(self, number: int) -> list[Quantity]:
        """What is measured next: what can be predicted waits until an error is there."""
        missing, foretold = self._next(number), self._foretold(number)
        if foretold and not self._parts[number].keys() & {"error", "quick_error"}:
            missing = [one for one in missing if one not in foretold]
        return missing

    def _next(self, number: int) -> list[Quantity]:
        """What is measured next: a quick error comes before the error, if there are two rungs."""
        (candidate, _), parts = self._asked[number], self._parts[number]
        missing = self._missing(number)
        if self._screening is not None and candidate.origin != "dense" and "error" in missing:
            deciding = [one for one in missing if one in self._screening.quantities]
            if deciding:
                return [one for one in missing if one != "error"]
        if self._promotion is None or "error" not in missing or candidate.origin == "dense":
            return missing
        if self._known(candidate.genome, "error") is not None:
            return missing
        if "quick_error" not in parts:
            missing[missing.index("error")] = "quick_error"
        elif len(missing) > 1:
            missing.remove("error")  # judged when all else is there
        return missing

    def _exceeded(self, number: int) -> str | None:
        """What a candidate exceeds by what is known of it, if that spares it the rest."""
        candidate, cost = self._asked[number]
        if self._screening is None or candidate.origin == "dense":
            return None
        known = asdict(cost)
        for quantity, answer in self._parts[number].items():
            if isinstance(answer.result, Estimate):
                known[quantity] = answer.result.value
        constraint = self._screening.exceeds(number, known, self._before(number))
        return None if constraint is None else f"not measured: exceeds {constraint}"

    def _foretold(self, number: int) -> dict[str, Estimate]:
        """What is predicted of a candidate, where that may spare it a measurement."""
        candidate = self._asked[number][0]
        if self._sparing is None or candidate.origin == "dense":
            return {}
        if number not in self._expected:
            before = self._before(number)
            self._expected[number] = self._sparing.expected(number, candidate.genome, before)
        return self._expected[number]

    def _spared(self, number: int, quantity: Quantity) -> Estimate | None:
        """A predicted quantity, where it is certain or the candidate deserves no measuring."""
        assert self._sparing is not None
        cost, parts = self._asked[number][1], self._parts[number]
        foretold = self._foretold(number)
        if self._sparing.is_certain(foretold[quantity]):
            return foretold[quantity]
        known = {name: Estimate.exact(value) for name, value in asdict(cost).items()}
        known |= {
            name: one.result for name, one in parts.items() if isinstance(one.result, Estimate)
        }
        rough = frozenset(name for name in foretold if name not in known)
        if "error" not in known:
            if "quick_error" not in known:
                return foretold[quantity]  # it fails, whatever it would take
            known["error"], rough = known["quick_error"], rough | {"error"}
        told = {**foretold, **known}
        if any(name not in told for name in self._quantities):
            return None
        spares = self._sparing.spares(number, told, rough, self._before(number))
        return foretold[quantity] if spares else None

    def _before(self, number: int) -> list[Outcome]:
        """The outcomes before a candidate's, as far as they are there."""
        return [self._outcomes[one] for one in range(number) if one in self._outcomes]

    def _rough(self, number: int) -> Estimate | str | None:
        """The quick error, where the candidate deserves no better one."""
        candidate, cost = self._asked[number]
        parts = self._parts[number]
        if self._promotion is None or "quick_error" not in parts:
            return None
        quick = parts["quick_error"].result
        outcome = outcome_of(
            candidate, cost, {**parts, "error": parts["quick_error"]}, self._quantities
        )
        if isinstance(outcome, Failure):
            return quick if isinstance(quick, str) else None
        promoted = self._promotion.promotes(number, outcome.estimates, self._before(number))
        return None if promoted else quick

    def _take(self, answer: Answer) -> None:
        """Put a candidate's answers together; when all are there, tell the search."""
        number, parts = answer.number, self._parts[answer.number]
        parts[answer.quantity] = answer
        if any(quantity not in parts for quantity in self._measured):
            return
        del self._parts[number]
        self._expected.pop(number, None)
        candidate, cost = self._asked[number]
        outcome = outcome_of(candidate, cost, parts, self._quantities)
        if candidate.origin == "dense" and isinstance(outcome, Failure):
            raise RunFailed(f"the dense network cannot be measured: {outcome.reason}")
        self._outcomes[number] = outcome
        self._search.tell(outcome)
        self._told += 1
        self._watch(Progress(self._told, self._budget, outcome))


def measured_of(quantities: Iterable[str]) -> list[Quantity]:
    """What of these workers measure, the error first."""
    return sorted(filter(is_measured, quantities), key=lambda name: name != "error")


def outcome_of(
    candidate: Candidate, cost: Cost, answers: dict[str, Answer], quantities: Sequence[str]
) -> Outcome:
    """Combine measured and counted quantities, in order; one failed answer fails the candidate."""
    predicted = frozenset(
        name for name in quantities if name in answers and answers[name].worker == PREDICTION
    )
    results = {
        name: answers[name].result if is_measured(name) else Estimate.exact(getattr(cost, name))
        for name in quantities
    }
    known = {name: result for name, result in results.items() if isinstance(result, Estimate)}
    for name, result in results.items():
        if isinstance(result, str):
            return Failure(candidate, f"{name}: {result}", known)
    return Evaluation(candidate, tuple(known.values()), predicted)

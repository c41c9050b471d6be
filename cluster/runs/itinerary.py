"""Itinerary: what a candidate needs next, and what of it nobody has to measure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property

from ...actors.job import Answer, Job, Quantity
from ...methods.pruning.cost import Cost
from ...search.candidate import Candidate, Estimate, Failure, Outcome
from ...search.fidelity import Promotion
from ...search.screening import Screening
from ...search.space import Genome
from ...search.sparing import Sparing
from .readings import (
    CONSTRAINTS,
    ELSEWHERE,
    FEWER_IMAGES,
    PREDICTION,
    measured_of,
    outcome_of,
)

Before = Callable[[], Sequence[Outcome]]
"""Tells the outcomes of earlier candidates, as far as they are there."""


@dataclass(frozen=True, slots=True)
class Journey:
    """How far a candidate is: what is known of it, and what was handed out.

    `foretold` is what is predicted of it, once somebody has asked: it does not change after that.
    """

    candidate: Candidate
    cost: Cost
    answers: dict[Quantity, Answer] = field(default_factory=dict)
    handed_out: set[Quantity] = field(default_factory=set)
    foretold: dict[Quantity, Estimate] = field(default_factory=dict)


@dataclass(frozen=True)
class Itinerary:
    """In what order the quantities of candidates are measured, and by which rules they are spared.

    `known` is what an earlier run knows of a genome, `node_of` who must measure a quantity.
    """

    quantities: tuple[Quantity, ...]
    known: Callable[[Genome, Quantity], Estimate | None] = lambda _genome, _quantity: None
    node_of: Callable[[Quantity], str | None] = lambda _: None
    promotion: Promotion | None = None
    screening: Screening | None = None
    sparing: Sparing | None = None

    @cached_property
    def measured(self) -> list[Quantity]:
        """What of the quantities workers measure, the error first."""
        return measured_of(self.quantities)

    def errands(self, one: Journey, before: Before) -> Iterator[Job | Answer]:
        """Yield jobs that are to be done, and answers for which there is no need of any.

        An answer is to be put among the candidate's before the next one is asked for.
        """
        while self._missing(one) and (errand := self._next(one, before)) is not None:
            yield errand

    def is_over(self, one: Journey) -> bool:
        """Whether all is known that is to be known of a candidate."""
        return not self._missing(one)

    def outcome(self, one: Journey) -> Outcome:
        """What a journey has come to."""
        return outcome_of(one.candidate, one.cost, one.answers, self.quantities)

    def _next(self, one: Journey, before: Before) -> Job | Answer | None:
        number, reason = one.candidate.number, self._exceeded(one, before)
        wanted = self._missing(one) if reason is not None else self._needed(one, before)
        quantity = next((name for name in wanted if name not in one.handed_out), None)
        if quantity is None:
            return None
        one.handed_out.add(quantity)
        if reason is not None:
            return Answer(number, quantity, reason, CONSTRAINTS, 0.0)
        for source, result in self._sources(one, quantity, before):
            if result is not None:
                return Answer(number, quantity, result, source, 0.0)
        return Job(number, one.candidate.genome, quantity, self.node_of(quantity))

    def _sources(
        self, one: Journey, quantity: Quantity, before: Before
    ) -> Iterator[tuple[str, Estimate | str | None]]:
        """Who may know a quantity without measuring, and what they say."""
        yield ELSEWHERE, self.known(one.candidate.genome, quantity)
        if quantity == "error":
            yield FEWER_IMAGES, self._rough(one, before)
        elif quantity in self._foretold(one, before):
            yield PREDICTION, self._spared(one, quantity, before)

    def _missing(self, one: Journey) -> list[Quantity]:
        return [name for name in self.measured if name not in one.answers]

    def _needed(self, one: Journey, before: Before) -> list[Quantity]:
        """What is measured next: what can be predicted waits until an error is there."""
        missing, foretold = self._due(one), self._foretold(one, before)
        if foretold and not one.answers.keys() & {"error", "quick_error"}:
            missing = [name for name in missing if name not in foretold]
        return missing

    def _due(self, one: Journey) -> list[Quantity]:
        """What is measured next: a quick error comes before the error, if there are two rungs."""
        missing = self._missing(one)
        if "error" not in missing or one.candidate.origin == "dense":
            return missing
        if self.screening is not None and self.screening.quantities.intersection(missing):
            return [name for name in missing if name != "error"]
        if self.promotion is None or self.known(one.candidate.genome, "error") is not None:
            return missing
        if "quick_error" not in one.answers:
            missing[missing.index("error")] = "quick_error"
        elif len(missing) > 1:
            missing.remove("error")  # judged when all else is there
        return missing

    def _exceeded(self, one: Journey, before: Before) -> str | None:
        """What a candidate exceeds by what is known of it, if that spares it the rest."""
        if self.screening is None or one.candidate.origin == "dense":
            return None
        known = asdict(one.cost) | {name: of.value for name, of in _estimates(one.answers).items()}
        constraint = self.screening.exceeds(one.candidate.number, known, before())
        return None if constraint is None else f"not measured: exceeds {constraint}"

    def _foretold(self, one: Journey, before: Before) -> dict[Quantity, Estimate]:
        """What is predicted of a candidate, where that may spare it a measurement."""
        if self.sparing is not None and one.candidate.origin != "dense" and not one.foretold:
            number, genome = one.candidate.number, one.candidate.genome
            one.foretold.update(self.sparing.expected(number, genome, before()))
        return one.foretold

    def _spared(self, one: Journey, quantity: Quantity, before: Before) -> Estimate | None:
        """A predicted quantity, where it is certain or the candidate deserves no measuring."""
        assert self.sparing is not None
        foretold = self._foretold(one, before)
        if self.sparing.is_certain(foretold[quantity]):
            return foretold[quantity]
        known = {name: Estimate.exact(value) for name, value in asdict(one.cost).items()}
        known |= _estimates(one.answers)
        rough = frozenset(name for name in foretold if name not in known)
        if "error" not in known:
            if "quick_error" not in known:
                return foretold[quantity]  # it fails, whatever it would take
            known["error"], rough = known["quick_error"], rough | {"error"}
        told = {**foretold, **known}
        if any(name not in told for name in self.quantities):
            return None
        spares = self.sparing.spares(one.candidate.number, told, rough, before())
        return foretold[quantity] if spares else None

    def _rough(self, one: Journey, before: Before) -> Estimate | str | None:
        """The quick error, where the candidate deserves no better one."""
        if self.promotion is None or "quick_error" not in one.answers:
            return None
        quick = one.answers["quick_error"]
        outcome = outcome_of(
            one.candidate, one.cost, {**one.answers, "error": quick}, self.quantities
        )
        if isinstance(outcome, Failure):
            return quick.result if isinstance(quick.result, str) else None
        promoted = self.promotion.promotes(one.candidate.number, outcome.estimates, before())
        return None if promoted else quick.result


def _estimates(answers: Mapping[Quantity, Answer]) -> dict[Quantity, Estimate]:
    """What was measured, and did not fail."""
    return {name: one.result for name, one in answers.items() if isinstance(one.result, Estimate)}

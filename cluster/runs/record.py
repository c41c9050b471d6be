"""Record: what a run's folder tells - its configuration, its state, its results."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...actors.job import DEVICE, Answer, Quantity, is_latency
from ...methods.pruning.cost import Cost
from ...search.candidate import Candidate, Estimate, Evaluation, Outcome
from ...search.fidelity import rung_agreement
from ...search.indicators import running_hypervolume
from ..settings.config import Config, check_config
from ..storage.artifacts import Artifacts
from ..storage.database import JournalError
from ..storage.journal import Finetuned, Journal
from .archive import archive_hash
from .drift import Drift
from .judging import Judged, Spans, picks_of, spans_of
from .readings import CONSTRAINTS, FEWER_IMAGES, is_foretold, measured_of, outcome_of, settled
from .results import Member, Results, Trained
from .survival import survivors

if TYPE_CHECKING:
    from ...methods.measuring.fingerprint import (
        Fingerprint,  # what imports ONNX Runtime is named only
    )

FINETUNED = "finetuned"
"""The folder of fine-tuned networks in a run's."""

METHOD = "method"
"""The fact that names how a run trains, where it is no search."""

DISAGREEMENTS = "disagreements"
"""The fact that holds pairs of answers that contradict each other."""

MISSING = "missing"
"""The fact that holds the roles that no node can do at the moment."""

Answers = dict[int, dict[str, Answer]]
"""Answers by candidate number and quantity."""


class Record:
    """A run on disk. Everything it tells is read from the journal, at that moment."""

    def __init__(self, path: Path, journal: Journal | None = None) -> None:
        self.path = path
        self.journal = journal or Journal.open(path)

    @cached_property
    def artifacts(self) -> Artifacts:
        """The run's files."""
        return Artifacts(self.journal)

    @cached_property
    def config(self) -> Config:
        """The configuration it was launched with."""
        if self.journal.fact(METHOD) == "icpg":
            raise ValueError(
                f"{self.path} is no search of networks for images but holds tickets of a graph "
                "network: look at it by secateur front, report and status"
            )
        return check_config(self.journal.fact("config"), source=str(self.path))

    @property
    def state(self) -> str:
        """One of running, stopped, complete, failed."""
        return self.journal.state

    def status(self, at: int | None = None) -> dict[str, Any]:
        """Return how far the run is, or was `at` so many evaluations, with its population then."""
        answers = self.journal.answers()
        committed = self._committed(answers)[:at]
        found = self._results(committed, answers)
        spared = _spared(committed, answers)
        entries: list[tuple[Candidate, dict[str, float] | None]] = [
            (
                outcome.candidate,
                dict(zip(self.config.quantities, outcome.objectives, strict=True))
                if isinstance(outcome, Evaluation)
                else None,
            )
            for outcome, _ in committed
        ]
        return {
            "state": self.state,
            "evaluations": len(committed),
            "budget": self.config.search.evaluations,
            "hypervolume": found.hypervolumes[-1] if found else 0.0,
            "archive_hash": archive_hash(entries),
            "seed": self.config.search.seed,
            "elapsed_s": self.journal.elapsed_seconds(),
            "failures": sum(values is None for _, values in entries) - spared,
            **({"spared": spared} if self.config.constraints else {}),
            "disagreements": len(self.journal.fact(DISAGREEMENTS, [])),
            **({"drift": moved} if (moved := _drift(answers)) else {}),
            **({"missing": missing} if (missing := self.journal.fact(MISSING)) else {}),
            **self.rungs(answers),
            **({"predicted": predicted} if (predicted := _predicted(answers)) else {}),
            **({} if at is None else {"population": [member.id for member in self.population(at)]}),
        }

    def dense_latency(self, quantity: Quantity) -> Estimate | None:
        """What has been measured of the dense network, if it has been."""
        answer = self.journal.answers().get(0, {}).get(quantity)
        return answer.result if answer and isinstance(answer.result, Estimate) else None

    def device(self, quantity: Quantity) -> "Fingerprint | None":
        """What a latency was measured on, as its profiler has told it last."""
        told = [
            known[quantity].beside[DEVICE]
            for known in self.journal.answers().values()
            if quantity in known and DEVICE in known[quantity].beside
        ]
        return told[-1] if told else None

    def summary(self) -> dict[str, Any]:
        """Return what a list of runs tells of each: of one that cannot be read, why not."""
        try:
            self.journal.require_current()
            return {
                "folder": str(self.path),
                "state": self.state,
                "evaluations": len(self._committed(self.journal.answers())),
                "budget": self.config.search.evaluations,
            }
        except (JournalError, ValueError) as error:
            return {"folder": str(self.path), "state": "unreadable", "reason": str(error)}

    def rungs(self, answers: Answers) -> dict[str, Any]:
        """How many candidates deserved all images, and how the rungs agree; nothing with one rung.

        `rung_tau` is Kendall's tau of quick errors with errors, over those that have both.
        """
        if self.config.search.fidelity.images is None:
            return {}
        both = [
            (known["quick_error"].result, known["error"].result)
            for known in answers.values()
            if known.keys() >= {"quick_error", "error"} and known["error"].worker != FEWER_IMAGES
        ]
        pairs = [
            (one.value, other.value)
            for one, other in both
            if isinstance(one, Estimate) and isinstance(other, Estimate)
        ]
        return {"promoted": len(both), "rung_tau": rung_agreement(pairs)}

    def population(self, at: int | None = None) -> tuple[Member, ...]:
        """Return what the search goes on from, or went on from `at` so many evaluations."""
        answers = self.journal.answers()
        committed = self._committed(answers)[:at]
        found = self._results(committed, answers)
        members = {member.id: member for member in found.members} if found else {}
        kept = survivors(self.config, [outcome for outcome, _ in committed])
        return tuple(members[one.candidate.number] for one in kept)

    def results(self, trained: Sequence[Trained] = ()) -> Results:
        """Return everything found so far; there is nothing before the dense network is measured.

        Networks that were `trained` elsewhere compete for a place on the front.
        """
        if method := self.journal.fact(METHOD):
            raise ValueError(
                f"{self.path} is no search but a training: look at it by secateur status"
                + (" and front" if method == "icpg" else f", its network is {self.path / 'pruned'}")
            )
        answers = self.journal.answers()
        found = self._results(self._committed(answers), answers, trained)
        if found is None:
            raise ValueError(
                f"{self.path} has no evaluation yet: the dense network comes first; "
                f"go on with: secateur resume {self.path}"
            )
        return found

    def _committed(self, answers: Answers) -> list[tuple[Outcome, Cost]]:
        """The outcomes of the longest complete beginning of the journal."""
        measured = measured_of(self.config.quantities)
        committed: list[tuple[Outcome, Cost]] = []
        for candidate, cost in self.journal.candidates():
            known = answers.get(candidate.number, {})
            if any(name not in known for name in measured):
                break
            outcome = outcome_of(candidate, cost, known, self.config.quantities)
            committed.append((outcome, cost))
        return committed

    def _results(
        self,
        committed: list[tuple[Outcome, Cost]],
        answers: Answers,
        trained: Sequence[Trained] = (),
    ) -> Results | None:
        evaluated = [
            (_settled(outcome, answers[outcome.candidate.number], self.config), cost)
            for outcome, cost in committed
            if isinstance(outcome, Evaluation)
        ]
        if not evaluated:
            return None
        spared = _spared(committed, answers)
        groups = tuple(self.journal.fact("groups"))
        members = [
            self._member(outcome, cost, len(groups), answers.get(outcome.candidate.number, {}))
            for outcome, cost in evaluated
        ]
        values = spans_of([outcome.estimates for outcome, _ in evaluated])
        searched = Judged.of(values, self.config)
        everyone, valued = _with_finetuned(members, values, self.journal.finetuned())
        everyone += [one.member for one in trained]
        valued = np.concatenate([valued, spans_of([one.estimates for one in trained], like=valued)])
        judged = Judged.of(valued, self.config)
        picked = judged if self.config.search.fidelity.epochs else searched
        volumes = iter(running_hypervolume(searched.earning))
        series, latest = [], 0.0
        for outcome, _ in committed:
            latest = next(volumes) if isinstance(outcome, Evaluation) else latest
            series.append(latest)
        return Results(
            name=self.config.name,
            state=self.state,
            algorithm=self.config.search.algorithm,
            seed=self.config.search.seed,
            budget=self.config.search.evaluations,
            elapsed_s=self.journal.elapsed_seconds(),
            objectives=self.config.goals.objectives,
            groups=groups,
            dense=members[0],
            members=tuple(everyone),
            front=tuple(everyone[index] for index in judged.front),
            search_front=tuple(members[index] for index in searched.front),
            contested=tuple(members[index] for index in searched.contested),
            drift=_drift(answers),
            hypervolumes=tuple(series),
            picks=picks_of(
                [everyone[index] for index in picked.front],
                picked.scaled[picked.front],
                self.config.search.worst_error,
                ties=self.config.search.ties,
            ),
            failures=len(committed) - len(evaluated) - spared,
            spared=spared,
            constraints=tuple(self.config.constraints),
            infeasible=int((judged.excess > 0).sum()),
            agreement=tuple(
                (one.number, dict(zip(self.config.quantities, one.forecast.tau, strict=True)))
                for one in (outcome.candidate for outcome, _ in committed)
                if one.forecast
            ),
        )

    def _member(
        self, outcome: Evaluation, cost: Cost, groups: int, answers: Mapping[str, Answer]
    ) -> Member:
        candidate: Candidate = outcome.candidate
        final = answers.get("final_error")
        objectives = [str(name) for name in self.config.objectives]
        names = self.config.pruning.criteria
        return Member(
            id=candidate.number,
            objectives=dict(zip(objectives, outcome.estimates[: len(objectives)], strict=True)),
            macs=cost.macs,
            params=cost.params,
            genome=candidate.genome,
            criteria=tuple(names[number] for number in candidate.genome[groups:]),
            origin=candidate.origin,
            final_error=final.result if final and isinstance(final.result, Estimate) else None,
            predicted=tuple(name for name in objectives if is_foretold(answers, name)),
        )


def _drift(answers: Answers) -> dict[Quantity, float]:
    """By which share the devices that have moved are slower than at first."""
    seen = Drift()
    for number in sorted(answers):
        for answer in answers[number].values():
            seen.take(answer)
    return seen.by()


def _predicted(answers: Answers) -> int:
    """How many latencies were predicted, not measured."""
    return sum(is_foretold(known, name) for known in answers.values() for name in known)


def _settled(outcome: Evaluation, known: Mapping[str, Answer], config: Config) -> Evaluation:
    """The same with what all readings of its latencies amount to."""
    readings = zip(config.quantities, outcome.estimates, strict=True)
    told = (settled(known, name) if is_latency(name) else first for name, first in readings)
    return replace(outcome, estimates=tuple(one for one in told if isinstance(one, Estimate)))


def _spared(committed: list[tuple[Outcome, Cost]], answers: Answers) -> int:
    """How many of these errors were not measured, as a bound is exceeded whatever they are."""
    known = (answers[outcome.candidate.number] for outcome, _ in committed)
    return sum(one["error"].worker == CONSTRAINTS for one in known)


def _with_finetuned(
    members: list[Member], spans: Spans, finetuned: list[Finetuned]
) -> tuple[list[Member], Spans]:
    """Append the fine-tuned networks, and what is measured of them: all but the error is as was.

    The error is the first of the quantities.
    """
    everyone, rows = list(members), list(spans)
    places = {member.id: place for place, member in enumerate(members)}
    for network in finetuned:
        place = places[network.parent]
        everyone.append(
            replace(
                members[place],
                id=network.number,
                objectives={**members[place].objectives, "error": network.error},
                origin="fine-tuned",
                final_error=network.final_error,
                parent=network.parent,
            )
        )
        rows.append(np.concatenate([spans_of([[network.error]])[0], spans[place, 1:]]))
    return everyone, np.array(rows)

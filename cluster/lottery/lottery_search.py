"""Lottery search: HAMP chooses what each round removes of the edges and of the weights.

The first worker of the job searches: it writes what it asks for to `asked/` in the run's folder.
Candidate i is evaluated by worker i modulo their number, and written to `candidates/`, where the
first one looks for it. What is there is never asked, drawn or played again, by whomever it was;
rounds that two candidates begin alike are drawn once.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import fmean

import numpy as np

from ...methods.icpg.rounds import Lottery, Plan, Step
from ...methods.icpg.task import Task
from ...search.algorithm import Algorithm, Search
from ...search.baselines import RandomSearch
from ...search.candidate import Candidate, Estimate, Evaluation, Failure, Outcome
from ...search.goals import Goals
from ...search.hamp import HAMP, Settings
from ...search.nsga2 import NSGA2
from ...search.objective import Objective
from ...search.space import Genome
from ...surrogates.error_model import error_model
from ...surrogates.formula import formula
from ..settings.graph_config import GraphConfig
from .candidates import (
    ASKED,
    CANDIDATES,
    Found,
    Lost,
    ask_no_more,
    asked_of,
    asks_no_more,
    every_asked,
    found_of,
    write_asked,
    write_found,
)
from .drawn import Drawn
from .genomes import left_of, removed_by, space_of
from .lottery import lottery_of, splits_of
from .rounds import Row, Unit
from .stages import kept_after, play

WAITING_S = 0.1
PATIENCE_S = 24 * 3600.0
"""How long a worker waits for its next candidate."""

GOALS = Goals((Objective("error", False), Objective("edges", True), Objective("weights", True)))


def steps_of(genome: Genome) -> tuple[Step, ...]:
    """What each round of a genome removes; one that removes no edges has no masker."""
    return tuple(Step(edges, weights) for edges, weights in removed_by(genome))


def search_of(config: GraphConfig) -> Search:
    """The search that a configuration names."""
    settings = config.search
    assert settings is not None
    space = space_of(config.icpg.rounds)
    named: Algorithm
    if settings.algorithm == "random":
        named = RandomSearch(space, seed=settings.seed)
    elif settings.algorithm == "nsga2":
        named = NSGA2(space, GOALS, seed=settings.seed, population=settings.population)
    else:
        whole = [group.width for group in space.groups]
        counted = [
            formula(partial(left_of, what=what), len(whole)) for what in ("edges", "weights")
        ]
        named = HAMP(
            space,
            GOALS,
            [error_model(whole), *counted],
            seed=settings.seed,
            settings=Settings(population=settings.population, worst_error=settings.worst_error),
        )
    return Search(named, space, window=settings.window)


class Leader:
    """Searches: asks for candidates by files, and takes what others have made of them."""

    def __init__(self, config: GraphConfig, run: Path) -> None:
        """Recall what was asked for already."""
        assert config.search is not None
        self._search, self._run = search_of(config), run
        self._budget = config.search.evaluations
        self._asked = every_asked(run)
        for candidate in self._asked:
            self._search.recall(candidate)
        self._ended = asks_no_more(run)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be asked for."""
        return self._ended or len(self._asked) >= self._budget

    def advance(self) -> None:
        """Take what is there, and ask for what may be asked for then."""
        while not self.is_over:
            self._ask()
            committed = self._search.committed
            if committed == len(self._asked):  # the space is searched through
                self._end()
                return
            outcome = _outcome(self._run, self._asked[committed])
            if outcome is None:
                return
            if committed == 0 and isinstance(outcome, Failure):  # nothing to compare with
                self._end()
                return
            self._search.tell(outcome)

    def _ask(self) -> None:
        while not self.is_over and (candidate := self._search.ask()) is not None:
            write_asked(self._run, candidate)
            self._asked.append(candidate)

    def _end(self) -> None:
        ask_no_more(self._run)
        self._ended = True


def work(config: GraphConfig, task: Task, run: Path, *, rank: int, workers: int) -> None:
    """Evaluate the candidates whose turn is this worker's; the first worker searches as well."""
    assert config.search is not None
    budget, evaluate = config.search.evaluations, evaluator(config, task, run)
    leader = Leader(config, run) if rank == 0 else None
    for number in range(rank, budget, workers):
        candidate = _next(run, number, leader)
        if candidate is None:
            return
        if found_of(run, number) is None:
            write_found(run, evaluate(candidate))
    if leader is not None:
        _next(run, budget - 1, leader)  # which may be another one's


def _next(run: Path, number: int, leader: Leader | None) -> Candidate | None:
    """The candidate of this number, once it is asked for; None where it will not be."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() <= until:
        if leader is not None:
            leader.advance()
        if asks_no_more(run):
            return None
        if (candidate := asked_of(run, number)) is not None:
            return candidate
        time.sleep(WAITING_S)
    raise TimeoutError(
        f"candidate {number} must be asked for within {PATIENCE_S / 3600:g} h, {run / ASKED} does "
        "not have it: another worker hangs or is gone"
    )


def evaluator(config: GraphConfig, task: Task, run: Path) -> Callable[[Candidate], Found | Lost]:
    """What plays a candidate's last round on every seed and fold; it is lost if one diverges."""
    splits = splits_of(config, task)
    units = [Unit(seed, fold, "icpg") for seed in config.icpg.seeds for fold in range(len(splits))]

    def evaluate(candidate: Candidate) -> Found | Lost:
        began = time.monotonic()
        plan = Plan(steps_of(candidate.genome), config.icpg.rule, config.icpg.pairing)
        try:
            played = [
                _played(lottery_of(config, task, splits[unit.fold], unit, plan), run, unit)
                for unit in units
            ]
        except FloatingPointError as error:
            return Lost(candidate.number, candidate.genome, candidate.origin, str(error))
        return Found(
            number=candidate.number,
            genome=candidate.genome,
            origin=candidate.origin,
            error=_error([row.validation for row in played]),
            edges=fmean(1 - row.edges_gone for row in played),
            weights=fmean(1 - row.weights_gone for row in played),
            validation=tuple(row.validation for row in played),
            scores=tuple(row.test for row in played),
            best_test=tuple(row.best_test for row in played),
            seconds=time.monotonic() - began,
        )

    return evaluate


def _played(lottery: Lottery, run: Path, unit: Unit) -> Row:
    """What came of a plan's last round on one unit."""
    kept, soft_s, steps = lottery.begin(), 0.0, lottery.plan.steps
    for number in range(1, len(steps) + 1):
        drawn = Drawn(run, Unit(unit.seed, unit.fold, beginning(steps[:number])))
        kept, soft_s = kept_after(kept, lottery.draw, drawn)
    return play(lottery, drawn, kept, soft_s, handed_out=True)


def beginning(steps: Sequence[Step]) -> str:
    """A short name of the rounds that a plan begins with."""
    text = json.dumps([asdict(step) for step in steps])
    return "plan" + hashlib.sha256(text.encode()).hexdigest()[:12]


def _error(scores: Sequence[float]) -> Estimate:
    """The mean error; its interval is that of the mean over seeds and folds."""
    errors = 1 - np.array(scores)
    mean = float(errors.mean())
    if len(errors) == 1:
        return Estimate.exact(mean)
    reach = 1.96 * float(errors.std(ddof=1)) / len(errors) ** 0.5
    return Estimate(mean, mean - reach, mean + reach)


def _outcome(run: Path, candidate: Candidate) -> Outcome | None:
    """The outcome of a candidate, once whoever evaluates it has written it."""
    found = found_of(run, candidate.number)
    if found is None:
        return None
    if found.genome != candidate.genome:
        raise ValueError(
            f"{run / CANDIDATES} holds another candidate {candidate.number}: was the run begun by "
            "another version? Begin it anew"
        )
    if isinstance(found, Lost):
        return Failure(candidate, found.reason)
    shares = (Estimate.exact(found.edges), Estimate.exact(found.weights))
    return Evaluation(candidate, (found.error, *shares))

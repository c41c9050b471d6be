"""Lottery search: HAMP chooses what each round removes of the edges and of the weights.

Every worker of the job runs the same search, which is a function of its outcomes: candidate i is
evaluated by worker i modulo their number, and written to `candidates/` in the run's folder, where
the others wait for it. What is there is never done again, by whomever it was done; rounds that two
candidates begin alike are drawn once.
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

from ...methods.icpg.fitting import Fitted
from ...methods.icpg.rounds import Kept, Lottery, Plan, Step
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
from .candidates import CANDIDATES, Found, Lost, found_of, write_found
from .drawn import Drawn
from .genomes import left_of, removed_by, space_of
from .lottery import lottery_of, splits_of
from .rounds import Unit

WAITING_S = 0.1
PATIENCE_S = 24 * 3600.0
"""How long a worker waits for another one's candidate."""

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


def work(config: GraphConfig, task: Task, run: Path, *, rank: int, workers: int) -> None:
    """Search to the budget, and evaluate the candidates whose turn is this worker's."""
    assert config.search is not None
    search, asked = search_of(config), list[Candidate]()
    evaluate = evaluator(config, task, run)
    while search.committed < config.search.evaluations:
        while len(asked) < config.search.evaluations:
            candidate = search.ask()
            if candidate is None:
                break
            asked.append(candidate)
            if candidate.number % workers == rank and found_of(run, candidate.number) is None:
                write_found(run, evaluate(candidate))
        if search.committed == len(asked):
            return  # the space is searched through
        outcome = _waited_for(run, asked[search.committed])
        if search.committed == 0 and isinstance(outcome, Failure):
            return  # there is nothing to compare with
        search.tell(outcome)


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
            error=_error([fitted.validation for fitted, _ in played]),
            edges=fmean(1 - kept.edges_gone for _, kept in played),
            weights=fmean(1 - kept.weights_gone for _, kept in played),
            validation=tuple(fitted.validation for fitted, _ in played),
            scores=tuple(fitted.test for fitted, _ in played),
            best_test=tuple(fitted.best_test for fitted, _ in played),
            seconds=time.monotonic() - began,
        )

    return evaluate


def _played(lottery: Lottery, run: Path, unit: Unit) -> tuple[Fitted, Kept]:
    """What came of a plan's last round on one unit, and what is left after it."""
    kept, steps = lottery.begin(), lottery.plan.steps
    for number in range(1, len(steps) + 1):
        drawn = Drawn(run, Unit(unit.seed, unit.fold, beginning(steps[:number])))
        known = drawn.kept(number)
        if known is None:
            kept, masker = lottery.draw(kept)
            drawn.keep(kept, masker, 0.0)
        else:
            kept = known[0]
    fitted, network = lottery.play(kept)
    Drawn(run, Unit(unit.seed, unit.fold, beginning(steps))).trained(len(steps), network)
    return fitted, kept


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


def _waited_for(run: Path, candidate: Candidate) -> Outcome:
    """The outcome of a candidate, once whoever evaluates it has written it."""
    until = time.monotonic() + PATIENCE_S
    while (found := found_of(run, candidate.number)) is None:
        if time.monotonic() > until:
            raise TimeoutError(
                f"candidate {candidate.number} must be evaluated within {PATIENCE_S / 3600:g} h, "
                f"{run / CANDIDATES} does not have it: its worker hangs or is gone"
            )
        time.sleep(WAITING_S)
    if found.genome != candidate.genome:
        raise ValueError(
            f"{run / CANDIDATES} holds another candidate {candidate.number}: was the run begun by "
            "another version? Begin it anew"
        )
    if isinstance(found, Lost):
        return Failure(candidate, found.reason)
    shares = (Estimate.exact(found.edges), Estimate.exact(found.weights))
    return Evaluation(candidate, (found.error, *shares))

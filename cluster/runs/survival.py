"""Survival: which of its evaluations a search goes on from, by the words of the configuration."""

from collections.abc import Sequence
from functools import partial

from ...search.candidate import Evaluation, Outcome
from ...search.operator_portfolio import OperatorPortfolio
from ...search.population import Population
from ...search.selection import Selection, portfolio_selection, rank_and_crowding
from ..settings.config import Config


def selection(config: Config) -> Selection:
    """Return HAMP's selection."""
    reference = config.goals.reference(config.search.worst_error)
    match config.search.hamp.selection:
        case "operators":
            return OperatorPortfolio(reference)
        case "nsga2":
            return rank_and_crowding
        case _:
            return partial(portfolio_selection, reference=reference)


def survivors(config: Config, outcomes: Sequence[Outcome]) -> list[Evaluation]:
    """The population that a search has after these outcomes: NSGA-II's after whole generations.

    An algorithm without one has everything that it has measured.
    """
    settings = config.search
    match settings.algorithm:
        case "hamp":
            chosen, step = selection(config), 1
        case "nsga2":
            chosen, step = rank_and_crowding, settings.population
        case _:
            return [one for one in outcomes if isinstance(one, Evaluation)]
    population = Population(config.goals, chosen, settings.population)
    for first in range(0, len(outcomes) - step + 1, step):
        newcomers = outcomes[first : first + step]
        population.take(*(one for one in newcomers if isinstance(one, Evaluation)))
    return population.members
